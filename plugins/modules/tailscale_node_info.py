#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: tailscale_node_info
short_description: Gather a node's state, addresses and peers
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Asks tailscaled over its LocalAPI for the node's state, addresses, tags, key expiry, health and peers, and returns whether
    M(homelab.tailsync.tailscale_node) would have to log in.
  - Warns if the node's key has expired.
extends_documentation_fragment:
  - homelab.tailsync.attributes.info
  - homelab.tailsync.tailscale
options:
  missing_ok:
    description: Return a node whose values are all null instead of failing when tailscaled is not running.
    type: bool
    default: false
  login_server:
    description: URL of the coordination server that the node is to be logged in at, for RV(needs_login).
    type: str
  tags:
    description: The tags that the node is to have, for RV(needs_login).
    type: list
    elements: str
  api:
    description:
      - Kind of the control server, for RV(needs_login), because Headscale changes no tags by a login. If it is not set,
        Tailscale's own server counts as V(tailscale), and any other as V(headscale).
    type: str
    choices: [tailscale, headscale]
  accept_risk:
    description:
      - The O(homelab.tailsync.tailscale_node#module:accept_risk) that M(homelab.tailsync.tailscale_node) would get, for
        RV(needs_login).
    type: bool
    default: false
  timeout:
    description:
      - How long to wait for a tailscaled that has just started and does not answer, or does not know its state yet, in
        seconds. With V(0) its present state is returned.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Gather the state of this node
  homelab.tailsync.tailscale_node_info:
  register: tailscale

- name: Find out whether this host needs an auth key
  homelab.tailsync.tailscale_node_info:
    tags: ["tag:server"]
    missing_ok: true
  register: tailscale

- name: Show the reason
  ansible.builtin.debug:
    msg: "{{ tailscale.needs_login.reason }}"
  when: tailscale.needs_login is not none

- name: Stop if the node's key expires within a month
  ansible.builtin.assert:
    that: tailscale.node.key_expiry_days is none or tailscale.node.key_expiry_days > 30
"""

RETURN = r"""
node:
  description: The node of this host; values that are not known are V(null).
  returned: always
  type: dict
  sample:
    backend_state: Running
    dns_name: nas.tail1234.ts.net
    ipv4: 100.64.0.2
    key_expiry: "2027-05-23T12:00:00Z"
    key_expiry_days: 179
  contains:
    backend_state:
      description: tailscaled's name for its state, such as V(Running), V(Stopped), V(NeedsLogin) or V(NeedsMachineAuth).
      type: str
    logged_in:
      description: Whether the node has logged in. Its key may have expired since.
      type: bool
    id:
      description: The node's stable ID.
      type: str
    hostname:
      description: The host name that the node reports.
      type: str
    dns_name:
      description: The node's MagicDNS name.
      type: str
    magic_dns_suffix:
      description: The suffix of the tailnet's MagicDNS names.
      type: str
    tailnet:
      description: The tailnet's name.
      type: str
    addresses:
      description: The node's addresses in the tailnet.
      type: list
      elements: str
    ipv4:
      description: The node's IPv4 address in the tailnet.
      type: str
    ipv6:
      description: The node's IPv6 address in the tailnet.
      type: str
    tags:
      description: The node's tags.
      type: list
      elements: str
    key_expiry:
      description: When the node's key expires; V(null) if it does not.
      type: str
    key_expiry_days:
      description: Whole days until the node's key expires; negative if it has expired.
      type: int
    key_expired:
      description: Whether the node's key has expired.
      type: bool
    online:
      description: Whether the node is connected to the control server.
      type: bool
    version:
      description: tailscaled's version.
      type: str
    tun:
      description: Whether the node has a network interface, rather than networking in user space.
      type: bool
    health:
      description: Problems that tailscaled reports.
      type: list
      elements: str
peers:
  description: The other nodes of the tailnet that this one knows.
  returned: always
  type: list
  elements: dict
  sample:
    - {hostname: pi, dns_name: pi.tail1234.ts.net, addresses: [100.64.0.3], online: true, os: linux, tags: []}
  contains:
    id:
      description: The node's stable ID.
      type: str
    hostname:
      description: The host name that the node reports.
      type: str
    dns_name:
      description: The node's MagicDNS name.
      type: str
    addresses:
      description: The node's addresses in the tailnet.
      type: list
      elements: str
    online:
      description: Whether the node is connected to the control server.
      type: bool
    last_seen:
      description: When the node was last connected, in RFC 3339; V(null) if that is not known, as for a node that is online.
      type: str
    os:
      description: The node's operating system.
      type: str
    tags:
      description: The node's tags.
      type: list
      elements: str
    routes:
      description: The subnets that are reached through the node.
      type: list
      elements: str
    exit_node_option:
      description: Whether the node offers to be an exit node and is allowed to.
      type: bool
    key_expired:
      description: Whether the node's key has expired.
      type: bool
needs_login:
  description:
    - Set if M(homelab.tailsync.tailscale_node) with the same O(login_server), O(tags) and O(accept_risk) would log the node in,
      and therefore needs an auth key; V(null) if it would not.
    - With O(missing_ok), a tailscaled that is not running counts as one that is logged out.
  returned: always
  type: dict
  sample:
    reason: this node is logged out of its tailnet
    refused: null
  contains:
    reason:
      description: Why a login is needed.
      type: str
    refused:
      description:
        - Why M(homelab.tailsync.tailscale_node) would refuse the login, because it would end the SSH connection of this run, or
          because only the control server can make the change; V(null) if it would not. A refused login needs no auth key.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.homelab.tailsync.plugins.module_utils._common.module import run
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import LocalAPI
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._node_info import gather
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._ssh_origin import ssh_connection
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._tables import CONNECTION, NODE_INFO


def main() -> None:
    module = AnsibleModule(argument_spec={**CONNECTION, **NODE_INFO}, supports_check_mode=True)
    run(module, lambda: gather(LocalAPI(module.params["socket"]), module.params, ssh_connection()))


if __name__ == "__main__":
    main()
