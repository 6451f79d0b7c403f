#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ufw_policy
short_description: Apply a complete ufw policy in one call
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Compares ufw's default policies, rules, logging level and state with the declared ones, also while ufw is inactive, and runs
    only the commands that are needed. Rules are compared for each family, IPv4 and IPv6.
  - Rules that open access are added first and rules that close it last; a rule that has to move is covered by a temporary one.
    Traffic that is allowed before and after is never interrupted.
  - A ufw that is enabled but does not run, or runs without being enabled, or whose rules the kernel has lost, is a difference
    and is repaired.
  - Before anything is written, ufw's rules files are tested with C(iptables-restore --test). If one cannot be loaded, the module
    fails and names the file and the line. The module also fails unless IPv6 is on and MANAGE_BUILTINS is off in
    C(/etc/default/ufw), because ufw would otherwise remove the rules of tailscaled and Docker from the kernel.
  - The module does not prove that the host can still be reached; the role P(homelab.tailsync.firewall#role) does that.
attributes:
  check_mode:
    support: full
    description: Reports what would change. If ufw is not installed, it counts as inactive and without rules.
  diff_mode:
    support: full
    description: Shows the policy before and after.
  platform:
    support: full
    platforms: linux
    description: Runs on hosts with ufw.
  idempotent:
    support: full
    description: If nothing differs, no command that writes is run.
options:
  guarded:
    description:
      - Change nothing unless M(homelab.tailsync.ufw_rollback) has armed a rollback. If its time is over already, nothing would
        take this change back.
    type: bool
    default: false
  state:
    description:
      - Whether ufw is to filter.
      - With V(disabled) the other options are applied as well, and take effect when ufw is enabled.
    type: str
    choices: [enabled, disabled]
    default: enabled
  rules:
    description:
      - The rules, in order; the first that matches wins.
      - The order matters only between rules with different O(rules[].action). Rules with the same action keep the order that
        they have on the host.
      - Two rules that differ only in O(rules[].action) or O(rules[].log) are an error, because ufw keeps only one of them.
      - Rules on the host that are not declared and not removed keep their place, and win over declared rules behind them.
    type: list
    elements: dict
    default: []
    suboptions: &rule
      action:
        description: Action for traffic that matches. V(limit) allows 6 connections in 30 seconds from one address.
        type: str
        choices: [allow, deny, reject, limit]
        default: allow
      direction:
        description: The direction of the traffic that the rule matches.
        type: str
        choices: [in, out, routed]
        default: in
      interface:
        description: Interface that the traffic arrives at; for an outgoing rule the one that it leaves by.
        type: str
      interface_out:
        description: Interface that routed traffic leaves by.
        type: str
      from:
        description: Address or network that the traffic comes from; any by default. V(0.0.0.0/0) is IPv4, V(::/0) IPv6.
        type: str
      from_port:
        description: Port or ports that the traffic comes from, written as O(rules[].port).
        type: str
      to:
        description: Address or network that the traffic goes to; any by default.
        type: str
      port:
        description: Port or ports that the traffic goes to, such as V(22), V(80,443) or V(60000:61000). Several need a protocol.
        type: str
      proto:
        description: Protocol of the traffic; any by default. ufw supports V(igmp) and V(ipv6) for IPv4 only.
        type: str
        choices: [tcp, udp, ah, esp, gre, igmp, ipv6]
      app:
        description: Name of an application profile, as C(ufw app list) shows it, in place of port and protocol.
        type: str
      log:
        description: Log new connections that match, or with V(log-all) every packet.
        type: str
        choices: [log, log-all]
      comment:
        description:
          - Purpose of the rule. A different comment replaces the one on the host; an empty comment removes it.
          - By default the comment on the host is kept.
        type: str
  purge:
    description: Remove the rules that are not declared. With V(false) they are kept, and are listed as RV(unmanaged).
    type: bool
    default: false
  keep:
    description: Rules that O(purge) does not remove.
    type: list
    elements: dict
    default: []
    suboptions: *rule
  default_incoming:
    description:
      - Policy for incoming traffic that no rule matches.
      - With V(reject) ufw rejects all traffic for a fraction of a second while it starts.
    type: str
    choices: [allow, deny, reject]
  default_outgoing:
    description: Policy for outgoing traffic that no rule matches.
    type: str
    choices: [allow, deny, reject]
  default_routed:
    description: Policy for routed traffic that no rule matches.
    type: str
    choices: [allow, deny, reject]
  logging:
    description: Level of ufw's logging.
    type: str
    choices: ['off', low, medium, high, full]
  multicast:
    description:
      - Whether ufw's own rules for mDNS (port 5353) and UPnP (port 1900) in C(before.rules) and C(before6.rules) are active.
      - V(false) comments these lines out, and V(true) restores them. By default they are not changed.
    type: bool
  docker:
    description:
      - Whether this policy also applies to ports that Docker publishes. Docker forwards them past ufw's own rules.
      - V(true) writes a block to C(after.rules) and C(after6.rules) that fills Docker's chain DOCKER-USER. Traffic that O(rules)
        allow is allowed to containers as well, and no other traffic. Connections that containers open themselves are allowed.
        Rules with V(limit) or an application profile do not open a port for containers.
      - Each start of ufw fills the chain DOCKER-USER again, which removes rules that other programs have put into it.
      - The block is also written if Docker is not installed, so that it applies once Docker is installed. It has no effect on a
        Docker that uses nftables.
      - V(false) removes the block, and its rules from the kernel. By default the block is not changed, but with
        O(state=disabled) its rules are always removed from the kernel.
    type: bool
  docker_interfaces:
    description:
      - Interfaces of Docker's bridges. A plus at the end matches any further characters.
      - Traffic that arrives at these interfaces comes from containers and is allowed. If another bridge of the host has a name
        such as V(br-lan), name each of Docker's bridges in full.
    type: list
    elements: str
    default: [docker0, br-+]
"""

EXAMPLES = r"""
- name: Allow only the tailnet, also to ports that Docker publishes
  homelab.tailsync.ufw_policy:
    default_incoming: deny
    rules:
      - interface: tailscale0
    purge: true
    multicast: false
    docker: true
  become: true

- name: Allow the web to everyone and SSH to a part of the LAN, and keep a rule of another tool
  homelab.tailsync.ufw_policy:
    default_incoming: deny
    default_outgoing: allow
    logging: low
    rules:
      - {port: "80,443", proto: tcp, comment: web}
      - {action: deny, from: 192.168.1.128/25}
      - {port: "22", proto: tcp, from: 192.168.1.0/24}
      - {direction: routed, interface: tailscale0, interface_out: eth0}
    purge: true
    keep:
      - {port: "51820", proto: udp}
  become: true
"""

RETURN = r"""
before:
  description: The policy as it was.
  returned: always
  type: dict
  contains: &policy
    enabled:
      description: Whether ufw is enabled, so that it filters after the next boot.
      type: bool
    running:
      description: Whether ufw filters, with the rules of its files loaded in the kernel.
      type: bool
    defaults:
      description: Policies for traffic that no rule matches, by direction.
      type: dict
    logging:
      description: The logging level.
      type: str
    rules:
      description: All rules that were added to ufw, declared or not.
      type: list
      elements: str
    multicast:
      description: Whether ufw's own rules allow mDNS or UPnP.
      type: bool
    docker:
      description: The rules for Docker's chain in ufw's files, by family.
      type: dict
    docker_running:
      description: Whether the kernel has rules of this module in Docker's chain.
      type: bool
after:
  description: The policy as it is now, or in check mode would be.
  returned: always
  type: dict
  contains: *policy
  sample:
    enabled: true
    running: true
    defaults: {incoming: deny, outgoing: allow, routed: deny}
    logging: low
    rules: [allow in on tailscale0]
    multicast: false
    docker: {v4: [], v6: []}
    docker_running: false
added:
  description: Rules that were added, or replaced others.
  returned: always
  type: list
  elements: str
  sample: [allow in on tailscale0]
removed:
  description: Rules that were removed, or replaced.
  returned: always
  type: list
  elements: str
  sample: [allow in port 22 proto tcp]
rollback:
  description:
    - Whether a rollback of M(homelab.tailsync.ufw_rollback) is armed (C(armed)), and the last change that was taken back
      (C(rolled_back)).
  returned: always
  type: dict
  sample: {armed: false, rolled_back: null}
unmanaged:
  description: Rules that are not declared and were kept.
  returned: always
  type: list
  elements: str
  sample: [allow in port 51820 proto udp]
commands:
  description:
    - The commands that were run, or in check mode would be. C(write) with a path means that this file was replaced.
    - Empty if nothing differs.
  returned: always
  type: list
  elements: list
  sample: [[ufw, allow, in, 'on', tailscale0, from, any, to, any], [ufw, --force, enable]]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.homelab.tailsync.plugins.module_utils._common.module import run
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._apply import apply_locked
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._tables import POLICY


def main() -> None:
    module = AnsibleModule(argument_spec=POLICY, supports_check_mode=True)
    run(module, lambda: apply_locked(module))


if __name__ == "__main__":
    main()
