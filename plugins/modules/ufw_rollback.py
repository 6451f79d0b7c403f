#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ufw_rollback
short_description: Let a change of the firewall take itself back unless it is confirmed
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Keeps ufw's files and state, and puts a script and a timer on the host that bring them back by themselves. The host does
    that alone. It also happens when the host is restarted before the change is confirmed.
  - Arm it before the firewall is changed, prove by a new connection that the host can be reached (for example with
    M(homelab.tailsync.ssh_address_info)), and disarm it then.
  - An open connection proves nothing, because ufw does not end what is established.
  - What is kept are C(/etc/ufw), C(/etc/default/ufw), whether ufw filters, the policies of the kernel's chains, and the chain
    C(DOCKER-USER). Rules that were added past ufw are neither kept nor touched.
attributes:
  check_mode:
    support: full
    description: Says what would change, and refuses what it would refuse.
  diff_mode:
    support: full
    description: Shows whether a rollback is armed, before and after.
  platform:
    support: full
    platforms: linux
    description: Where ufw and systemd run.
  idempotent:
    support: partial
    description:
      - With O(state=armed) again, the time starts again, and what was kept first stays.
options:
  state:
    description:
      - V(armed) keeps what there is and starts the time. What an earlier call kept, and was not confirmed, stays, so that a
        half-made change is never taken for what it was before. Refused while another firewall is in charge of the host.
      - V(disarmed) takes the change for good. It is an error if the change was taken back meanwhile.
      - V(restored) takes the change back now.
      - V(original) brings back what was there before the first change that was confirmed. Nothing happens if there was none. Arm
        before it, and disarm after it, as with any other change; what was kept of the beginning is forgotten then.
    type: str
    choices: [armed, disarmed, restored, original]
    required: true
  timeout:
    description: How long the confirmation may take, in seconds, with O(state=armed).
    type: int
    default: 180
  token:
    description:
      - What the call that armed the change returned, with O(state=disarmed). With it, a change that another run has armed since
        is not confirmed by this one's proof.
    type: str
  require_active:
    description:
      - Refuse O(state=disarmed) unless ufw is enabled and filters, with its chains and the policy of INPUT in the kernel.
        It may have been switched off since the login was proven.
      - Set it to V(false) where the change is to switch ufw off. After O(state=original) it is not asked.
    type: bool
    default: true
  reason:
    description: Why the change is taken back, with O(state=restored), for the next run to say.
    type: str
    default: it was taken back by hand
seealso:
  - module: homelab.tailsync.ufw_policy
  - module: homelab.tailsync.ssh_address_info
"""

EXAMPLES = r"""
- name: Let the old rules come back within two minutes
  homelab.tailsync.ufw_rollback:
    state: armed
    timeout: 120
  become: true
  register: armed

- name: Let only the tailnet in
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

- name: Take the change for good
  homelab.tailsync.ufw_rollback:
    state: disarmed
    token: "{{ armed.token }}"
  become: true
"""

RETURN = r"""
armed:
  description: Whether a change waits for its confirmation now, or in check mode would.
  returned: always
  type: bool
expires:
  description: When the old rules come back unless the change is confirmed; V(null) if nothing is armed by this call.
  returned: always
  type: str
  sample: "2026-11-24T12:03:00Z"
token:
  description: What confirms the change; V(null) if nothing is armed by this call. It is no secret.
  returned: always
  type: str
  sample: 5f0c1a9be2d34c77
rolled_back:
  description: The last change that was taken back, if none was confirmed since; V(null) if there is none.
  returned: always
  type: dict
  sample:
    time: "2026-11-24T11:58:12Z"
    reason: the host was restarted before a new SSH login was proven
in_force:
  description:
    - Whose rules the host has now. V(unproven) is a change that waits for its confirmation, V(confirmed) one that has it,
      V(rolled_back) what was before a change that was taken back, and V(untouched) what was before any.
    - V(open) means that the old rules could not be loaded again, and everything is allowed.
  returned: always
  type: str
  sample: confirmed
open:
  description:
    - Whether the firewall allows everything now, because the old rules could not be loaded again. RV(in_force) is V(open) then,
      and RV(rolled_back) says what to look at.
  returned: always
  type: bool
original:
  description: Whether it is known what ufw was before the first change that was confirmed.
  returned: always
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.homelab.tailsync.plugins.module_utils._common.module import run
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rollback import Guard, apply
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._tables import ROLLBACK


def main() -> None:
    module = AnsibleModule(argument_spec=ROLLBACK, supports_check_mode=True)
    # A reason may have a dollar sign or a tilde: nothing is to be expanded.
    options = {"expand_user_and_vars": False, "environ_update": {"LANGUAGE": "C", "LC_ALL": "C"}}
    guard = Guard(lambda command: module.run_command(command, **options))
    run(module, lambda: apply(guard, module.params, module.check_mode))


if __name__ == "__main__":
    main()
