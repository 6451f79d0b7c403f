#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ufw_rollback
short_description: Roll a change of the firewall back automatically unless it is confirmed
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Saves ufw's files and state, and installs a script and a timer on the host that restore them. The restore needs no connection
    to the host. It also happens if the host is restarted before the change is confirmed.
  - Arm the rollback before the firewall is changed, prove with a new connection that the host can be reached (for example with
    M(homelab.tailsync.ssh_address_info)), and then disarm it.
  - An open connection proves nothing, because ufw does not end established connections.
  - The saved state is C(/etc/ufw), C(/etc/default/ufw), whether ufw filters, the policies of the kernel's chains, and the chain
    C(DOCKER-USER). Rules that were added without ufw are neither saved nor changed.
attributes:
  check_mode:
    support: full
    description: Reports what would change, and fails where a real run would fail.
  diff_mode:
    support: full
    description: Shows whether a rollback is armed, before and after.
  platform:
    support: full
    platforms: linux
    description: Runs on hosts with ufw and systemd.
  idempotent:
    support: partial
    description:
      - A second call with O(state=armed) starts the time again, and keeps the state that the first call saved.
options:
  state:
    description:
      - V(armed) saves the present state and starts the time. The state that an earlier call saved is kept until a change is
        confirmed, so that an unfinished change is never saved as the old state. It is an error if another firewall is in charge
        of the host.
      - V(disarmed) confirms the change. It is an error if the change was taken back meanwhile.
      - V(restored) takes the change back now.
      - V(original) restores the state before the first change that was confirmed, if there was one. Arm before it, and disarm
        after it, as with any other change. That original state is deleted then.
    type: str
    choices: [armed, disarmed, restored, original]
    required: true
  timeout:
    description: Time until the change is taken back unless it is confirmed, in seconds, for O(state=armed).
    type: int
    default: 180
  token:
    description:
      - The RV(token) of the call that armed the rollback, for O(state=disarmed). It prevents this run from confirming a change
        that another run has armed since.
    type: str
  require_active:
    description:
      - Refuse O(state=disarmed) unless ufw is enabled and filters, with its chains and the policy of INPUT in the kernel.
        Something may have switched ufw off since the login was proven.
      - Set it to V(false) if the change itself switches ufw off. After O(state=original) it has no effect.
    type: bool
    default: true
  reason:
    description: Reason for taking the change back, for O(state=restored). The next run reports it.
    type: str
    default: it was taken back by hand
seealso:
  - module: homelab.tailsync.ufw_policy
  - module: homelab.tailsync.ssh_address_info
"""

EXAMPLES = r"""
- name: Restore the old rules after two minutes unless the change is confirmed
  homelab.tailsync.ufw_rollback:
    state: armed
    timeout: 120
  become: true
  register: armed

- name: Allow only the tailnet
  homelab.tailsync.ufw_policy:
    default_incoming: deny
    rules:
      - interface: tailscale0
    purge: true
    guarded: true
  become: true

- name: Prove that a new login over the tailnet works
  homelab.tailsync.ssh_address_info:
    addresses: [100.64.0.7]
    require_tailnet: true

- name: Confirm the change
  homelab.tailsync.ufw_rollback:
    state: disarmed
    token: "{{ armed.token }}"
  become: true
"""

RETURN = r"""
armed:
  description: Whether a rollback is armed after this call, or in check mode would be.
  returned: always
  type: bool
expires:
  description: When the old rules are restored unless the change is confirmed; V(null) if this call armed nothing.
  returned: always
  type: str
  sample: "2026-11-24T12:03:00Z"
token:
  description: Value for O(token) that confirms the change; V(null) if this call armed nothing. It is no secret.
  returned: always
  type: str
  sample: 5f0c1a9be2d34c77
rolled_back:
  description: The last change that was taken back; V(null) if there is none, or another change was confirmed since.
  returned: always
  type: dict
  sample:
    time: "2026-11-24T11:58:12Z"
    reason: the host was restarted before a new SSH login was proven
in_force:
  description:
    - Origin of the rules that the host has now. They are V(unproven) while a change waits for its confirmation, V(confirmed)
      after it, V(rolled_back) after a change was taken back, and V(untouched) before the first change.
    - V(open) means that the old rules could not be loaded again, and everything is allowed.
  returned: always
  type: str
  sample: confirmed
open:
  description:
    - Whether the firewall allows everything now, because the old rules could not be loaded again. RV(in_force) is then V(open),
      and RV(rolled_back) says what to check.
  returned: always
  type: bool
original:
  description: Whether the state of ufw before the first change that was confirmed is saved on the host.
  returned: always
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.homelab.tailsync.plugins.module_utils._common.module import run
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rollback import Guard, apply
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._tables import ROLLBACK


def main() -> None:
    module = AnsibleModule(argument_spec=ROLLBACK, supports_check_mode=True)
    # A reason may have a dollar sign or a tilde, so nothing must be expanded.
    options = {"expand_user_and_vars": False, "environ_update": {"LANGUAGE": "C", "LC_ALL": "C"}}
    guard = Guard(lambda command: module.run_command(command, **options))
    run(module, lambda: apply(guard, module.params, module.check_mode))


if __name__ == "__main__":
    main()
