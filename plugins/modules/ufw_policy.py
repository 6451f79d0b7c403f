#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ufw_policy
short_description: Bring ufw to a whole policy in one call
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Compares ufw's default policies, rules, logging level and whether it is enabled with what is declared, also while it is
    inactive, and runs only the commands that are needed.
  - What opens is done first and what closes last, so that no moment in between is closed to what the policy lets in.
  - It does not prove that anybody can still get in; the role P(homelab.tailsync.firewall#role) does that.
attributes:
  check_mode:
    support: full
    description: Says what would change. Where ufw is not installed, it is taken for inactive and empty.
  diff_mode:
    support: full
    description: Shows the policy before and after.
  platform:
    support: full
    platforms: linux
    description: Where ufw runs.
  idempotent:
    support: full
    description: Where nothing differs, no command that writes is run.
options:
  state:
    description: Whether ufw is to filter. V(disabled) leaves its rules alone.
    type: str
    choices: [enabled, disabled]
    default: enabled
  rules:
    description: The rules, in order; the first that matches wins.
    type: list
    elements: dict
    default: []
    suboptions:
      action:
        description: What is done with what matches.
        type: str
        choices: [allow, deny, reject, limit]
        default: allow
      direction:
        description: Which way it goes.
        type: str
        choices: [in, out, routed]
        default: in
      interface:
        description: Interface that it comes in by, or goes out by if it is an outgoing rule.
        type: str
      interface_out:
        description: Interface that routed traffic goes out by.
        type: str
      from:
        description: Address or network that it comes from; any by default.
        type: str
      from_port:
        description: Port or ports that it comes from.
        type: str
      to:
        description: Address or network that it goes to; any by default.
        type: str
      port:
        description: Port or ports that it goes to, such as V(22) or V(60000:61000).
        type: str
      proto:
        description: Protocol; any by default.
        type: str
        choices: [tcp, udp]
      comment:
        description: A word about why. It is not compared.
        type: str
  purge:
    description: Remove the rules that are not declared.
    type: bool
    default: false
  keep:
    description: Rules that O(purge) spares.
    type: list
    elements: dict
    default: []
    suboptions:
      action:
        description: What is done with what matches.
        type: str
        choices: [allow, deny, reject, limit]
        default: allow
      direction:
        description: Which way it goes.
        type: str
        choices: [in, out, routed]
        default: in
      interface:
        description: Interface that it comes in by, or goes out by if it is an outgoing rule.
        type: str
      interface_out:
        description: Interface that routed traffic goes out by.
        type: str
      from:
        description: Address or network that it comes from; any by default.
        type: str
      from_port:
        description: Port or ports that it comes from.
        type: str
      to:
        description: Address or network that it goes to; any by default.
        type: str
      port:
        description: Port or ports that it goes to, such as V(22) or V(60000:61000).
        type: str
      proto:
        description: Protocol; any by default.
        type: str
        choices: [tcp, udp]
      comment:
        description: A word about why. It is not compared.
        type: str
  default_incoming:
    description: What happens to incoming traffic that no rule matches.
    type: str
    choices: [allow, deny, reject]
  default_outgoing:
    description: What happens to outgoing traffic that no rule matches.
    type: str
    choices: [allow, deny, reject]
  default_routed:
    description: What happens to routed traffic that no rule matches.
    type: str
    choices: [allow, deny, reject]
  logging:
    description: How much ufw writes to the log.
    type: str
    choices: ['off', low, medium, high, full]
"""

EXAMPLES = r"""
- name: Let only the tailnet in
  homelab.tailsync.ufw_policy:
    default_incoming: deny
    rules:
      - interface: tailscale0
    purge: true
  become: true
"""

RETURN = r"""
before:
  description: The policy as it was.
  returned: always
  type: dict
after:
  description: The policy as it is now, or in check mode would be.
  returned: always
  type: dict
  sample:
    enabled: true
    defaults: {incoming: deny, outgoing: allow, routed: deny}
    logging: low
    rules: [allow in on tailscale0]
added:
  description: Declared rules that were missing.
  returned: always
  type: list
  elements: str
removed:
  description: Rules that were removed.
  returned: always
  type: list
  elements: str
  sample: [allow in port 22 proto tcp]
commands:
  description: The commands that were run, or in check mode would be.
  returned: always
  type: list
  elements: list
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._policy import UfwError
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._runner import Ufw, bring
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._spec import POLICY


def main() -> None:
    module = AnsibleModule(argument_spec=POLICY, supports_check_mode=True)

    def execute(command: list[str], data: str | None) -> tuple[int, str, str]:
        path = module.get_bin_path(command[0])  # which looks in /usr/sbin, too, whatever PATH says
        if not path:
            return 127, "", f"{command[0]} is not installed"
        # A comment may have a dollar sign or a tilde: nothing is to be expanded.
        options = {"data": data, "environ_update": {"LANGUAGE": "C", "LC_ALL": "C"}, "expand_user_and_vars": False}
        result: tuple[int, str, str] = module.run_command([path, *command[1:]], **options)
        return result

    try:
        result = bring(Ufw(execute) if module.get_bin_path("ufw") else None, module.params, module.check_mode)
    except UfwError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
