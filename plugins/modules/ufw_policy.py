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
    inactive, and runs only the commands that are needed. Rules are compared in each family, IPv4 and IPv6.
  - Rules that open access are added first and rules that close it last; a rule that has to move is covered by a temporary one.
    Traffic that is allowed before and after is never interrupted.
  - A ufw that is enabled but does not run, or runs without being enabled, or whose rules the kernel has lost, is a difference
    and is repaired.
  - Before anything is written, ufw's rules files are tried with C(iptables-restore --test); one that it could not load is named
    with the line. IPv6 must be on and MANAGE_BUILTINS off in C(/etc/default/ufw), else the module refuses, because ufw would
    tear down what tailscaled and Docker have put into the kernel.
  - It does not prove that the host can still be reached; the role P(homelab.tailsync.firewall#role) does that.
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
  guarded:
    description:
      - Write nothing unless a change is armed by M(homelab.tailsync.ufw_rollback). If its time ended before this
        module's turn, nothing would take this change back.
    type: bool
    default: false
  state:
    description:
      - Whether ufw is to filter.
      - With V(disabled) the rest is brought to what is declared as well, and takes effect when ufw is enabled.
    type: str
    choices: [enabled, disabled]
    default: enabled
  rules:
    description:
      - The rules, in order; the first that matches wins.
      - The order counts between rules of different O(rules[].action) only; allows among themselves stay as they are found.
      - ufw keeps one of two rules that differ in O(rules[].action) or O(rules[].log) only, so such two are refused.
      - Rules of others that stay keep their place, and win where they stand in front.
    type: list
    elements: dict
    default: []
    suboptions: &rule
      action:
        description: What is done with traffic that matches. V(limit) allows 6 connections in 30 seconds from one address.
        type: str
        choices: [allow, deny, reject, limit]
        default: allow
      direction:
        description: The direction of the traffic that the rule is about.
        type: str
        choices: [in, out, routed]
        default: in
      interface:
        description: Interface that the traffic comes in by; for an outgoing rule the one that it goes out by.
        type: str
      interface_out:
        description: Interface that routed traffic goes out by.
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
        description: Protocol of the traffic; any by default. ufw has V(igmp) and V(ipv6) for IPv4 only.
        type: str
        choices: [tcp, udp, ah, esp, gre, igmp, ipv6]
      app:
        description: Application profile, as C(ufw app list) spells it, in place of port and protocol.
        type: str
      log:
        description: Log new connections that match, or with V(log-all) every packet.
        type: str
        choices: [log, log-all]
      comment:
        description:
          - Why the rule is there. A comment that differs from ufw's replaces it; without one, ufw's is left as it is.
          - An empty comment removes it.
        type: str
  purge:
    description: Remove the rules that are not declared. Otherwise they stay, and are listed as RV(unmanaged).
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
      - What happens to incoming traffic that no rule matches.
      - With V(reject) ufw itself rejects all for the part of a second that it takes to start.
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
  multicast:
    description:
      - Whether ufw's own openings for mDNS (port 5353) and UPnP (port 1900) in C(before.rules) and C(before6.rules) are open.
      - V(false) makes comments of these lines, and V(true) makes lines of these comments again. By default they are left alone.
    type: bool
  docker:
    description:
      - Whether ports that Docker publishes are behind this policy, too. Docker forwards them past ufw's own rules.
      - V(true) keeps a block in C(after.rules) and C(after6.rules) that fills Docker's chain DOCKER-USER. What O(rules)
        allow is allowed to containers as well, and nothing else is; what containers begin themselves goes out. Rules with
        V(limit) or an application profile open nothing for containers.
      - Rules that others have put into DOCKER-USER are gone with each start of ufw, since the chain is filled again.
      - The block is kept where Docker is not installed as well, so that it holds for a Docker that comes later. It knows nothing
        of a Docker that is told to use nftables.
      - V(false) removes the block, and what it has put into the kernel. By default it is left alone; but with O(state=disabled)
        nothing of it stays in the kernel in any case.
    type: bool
  docker_interfaces:
    description:
      - Docker's bridges. A plus at the end stands for any continuation.
      - What comes in by them is a container's, and goes where it likes. If a bridge of your own is called V(br-lan), say, name
        Docker's one by one.
    type: list
    elements: str
    default: [docker0, br-+]
"""

EXAMPLES = r"""
- name: Let only the tailnet in, and let no port that Docker publishes past it
  homelab.tailsync.ufw_policy:
    default_incoming: deny
    rules:
      - interface: tailscale0
    purge: true
    multicast: false
    docker: true
  become: true

- name: A public web server, SSH from the LAN but not from its guests, and what another tool has opened
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
      description: Whether ufw is to filter after the next boot.
      type: bool
    running:
      description: Whether ufw filters, and the kernel has the rules that ufw's files have.
      type: bool
    defaults:
      description: What happens to traffic that no rule matches, by direction.
      type: dict
    logging:
      description: The logging level.
      type: str
    rules:
      description: All rules that were added to ufw, declared or not.
      type: list
      elements: str
    multicast:
      description: Whether ufw's own rules let mDNS or UPnP in.
      type: bool
    docker:
      description: The rules that are kept for Docker's chain, by family.
      type: dict
    docker_running:
      description: Whether the kernel has such rules.
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
    - Whether a change of M(homelab.tailsync.ufw_rollback) waits for its confirmation, and the last one that was taken back.
  returned: always
  type: dict
  sample: {armed: false, rolled_back: null}
unmanaged:
  description: Rules that are not declared and stay.
  returned: always
  type: list
  elements: str
  sample: [allow in port 51820 proto udp]
commands:
  description:
    - The commands that were run, or in check mode would be; C(write) and a path stand for a file that is replaced.
    - Empty if nothing is to be done.
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
