#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: tailscale_node_info
short_description: Tell a node's state, addresses and peers
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Asks tailscaled over its LocalAPI for the node's state, addresses, tags, key expiry, health and peers.
  - Warns when the node's key has expired.
extends_documentation_fragment:
  - homelab.tailsync.tailscale
attributes:
  check_mode:
    support: full
    description: Runs in check mode as well; it changes nothing.
  diff_mode:
    support: none
    description: There is nothing to differ.
  idempotent:
    support: full
    description: It changes nothing.
options:
  missing_ok:
    description: Return a node of nulls instead of failing when tailscaled is not there.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Where is this host in the tailnet?
  homelab.tailsync.tailscale_node_info:
  register: tailscale

- name: Stop if its key expires within a month
  ansible.builtin.assert:
    that: tailscale.node.key_expiry_days is none or tailscale.node.key_expiry_days > 30
"""

RETURN = r"""
node:
  description: The node itself.
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
      description: tailscaled's own word for its state, such as V(Running), V(Stopped), V(NeedsLogin) or V(NeedsMachineAuth).
      type: str
    logged_in:
      description: Whether the node has logged in, though its key may have expired since.
      type: bool
    id:
      description: Its stable ID.
      type: str
    hostname:
      description: The name that it gives itself.
      type: str
    dns_name:
      description: Its MagicDNS name.
      type: str
    magic_dns_suffix:
      description: What the tailnet's MagicDNS names end with.
      type: str
    tailnet:
      description: The tailnet's name.
      type: str
    addresses:
      description: Its addresses in the tailnet.
      type: list
      elements: str
    ipv4:
      description: The IPv4 address among them.
      type: str
    ipv6:
      description: The IPv6 address among them.
      type: str
    tags:
      description: Its tags.
      type: list
      elements: str
    key_expiry:
      description: When its key expires; V(null) if it does not.
      type: str
    key_expiry_days:
      description: How many whole days that is from now, negative when it is over.
      type: int
    key_expired:
      description: Whether it has expired.
      type: bool
    online:
      description: Whether it is connected to the control server.
      type: bool
    version:
      description: Of tailscaled.
      type: str
    tun:
      description: Whether it has a network interface, rather than networking in user space.
      type: bool
    health:
      description: What tailscaled says is wrong.
      type: list
      elements: str
peers:
  description: The other nodes it knows.
  returned: always
  type: list
  elements: dict
  sample:
    - {hostname: pi, dns_name: pi.tail1234.ts.net, addresses: [100.64.0.3], online: true, os: linux, tags: []}
  contains:
    id:
      description: Its stable ID.
      type: str
    hostname:
      description: The name that it gives itself.
      type: str
    dns_name:
      description: Its MagicDNS name.
      type: str
    addresses:
      description: Its addresses in the tailnet.
      type: list
      elements: str
    online:
      description: Whether it is connected to the control server.
      type: bool
    last_seen:
      description: When it was last connected, in RFC 3339; V(null) if that is not known, as of one that is online.
      type: str
    os:
      description: Its operating system.
      type: str
    tags:
      description: Its tags.
      type: list
      elements: str
    routes:
      description: The subnets that are reached through it.
      type: list
      elements: str
    exit_node_option:
      description: Whether it offers to be an exit node, and may.
      type: bool
    key_expired:
      description: Whether its key has expired.
      type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import (
    DaemonUnavailable,
    LocalAPI,
    NodeError,
)
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._spec import CONNECTION
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._status import (
    describe,
    describe_peers,
    unknown_node,
    warnings_of,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={**CONNECTION, "missing_ok": {"type": "bool", "default": False}},
        supports_check_mode=True,
    )
    try:
        status = LocalAPI(module.params["socket"]).status(peers=True)
    except DaemonUnavailable as error:
        if not module.params["missing_ok"]:
            module.fail_json(msg=str(error))
        module.exit_json(changed=False, node=unknown_node(), peers=[])
    except NodeError as error:
        module.fail_json(msg=str(error))
    node = describe(status)
    for warning in warnings_of(node) if node["key_expired"] else []:
        module.warn(warning)
    module.exit_json(changed=False, node=node, peers=describe_peers(status))


if __name__ == "__main__":
    main()
