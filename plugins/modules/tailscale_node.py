#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: tailscale_node
short_description: Join a host to a tailnet and set its preferences
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Joins the host to a tailnet, brings its preferences to what is declared, or logs it out.
  - Talks to tailscaled over its LocalAPI. The auth key is in no process's arguments and is written to no file.
  - Only what an option names is changed; a preference that no option speaks of keeps its value.
  - Warns when the node's key will expire, which on a server is rarely what is wanted.
extends_documentation_fragment:
  - homelab.tailsync.tailscale
attributes:
  check_mode:
    support: full
    description:
      - Says what would change, after tailscaled's own check of the new preferences. Without tailscaled it says that the host
        would join.
  diff_mode:
    support: full
    description: Shows the state and the declared preferences, before and after.
  idempotent:
    support: full
    description: A node that is as declared costs two requests, both of them reads.
options:
  state:
    description:
      - V(present) makes the node a running member of a tailnet, V(absent) logs it out.
    type: str
    choices: [present, absent]
    default: present
  auth_key:
    description:
      - The key to join with. It is used, and needed, only while the node is logged out.
    type: str
  login_server:
    description:
      - URL of the coordination server; Tailscale's own if it is not given.
      - It cannot be changed while the node is logged in.
    type: str
  tags:
    description:
      - Tags to join with, such as V(tag:server). They cannot be changed while the node is logged in.
    type: list
    elements: str
  hostname:
    description: The node's name in the tailnet; the host's own name if it was never set.
    type: str
  accept_dns:
    description: Use the tailnet's DNS settings, MagicDNS among them.
    type: bool
  accept_routes:
    description: Use the subnet routes that other nodes advertise.
    type: bool
  advertise_routes:
    description: Subnets to offer to the tailnet, as CIDR; an empty list withdraws all.
    type: list
    elements: str
  advertise_exit_node:
    description: Offer to be an exit node.
    type: bool
  snat_subnet_routes:
    description: Hide the tailnet's addresses behind the host's own towards advertised subnets.
    type: bool
  shields_up:
    description: Let no connection in from the tailnet.
    type: bool
  ssh:
    description: Run Tailscale SSH, which then answers port 22 on the tailnet instead of sshd.
    type: bool
  webclient:
    description: Offer the node's web interface at port 5252 in the tailnet.
    type: bool
  exit_node:
    description:
      - Send all traffic through this node, given by its name, address or ID; an empty text for none.
    type: str
  exit_node_allow_lan_access:
    description: Let the LAN be reached directly while an exit node is in use.
    type: bool
  stateful_filtering:
    description: Let packets that are forwarded to this host's subnets in only as answers.
    type: bool
  netfilter_mode:
    description: How much of the host's packet filter tailscaled manages.
    type: str
    choices: ['off', nodivert, 'on']
  advertise_connector:
    description: Offer to be an app connector.
    type: bool
  report_posture:
    description: Let the control server collect what identifies this device.
    type: bool
  auto_update:
    description: Let tailscaled update itself.
    type: bool
  update_check:
    description: Let tailscaled look for updates.
    type: bool
  relay_server_port:
    description: UDP port to be a peer relay at; V(0) for any, V(-1) to be none.
    type: int
  nickname:
    description: What this login is called on the host itself.
    type: str
  operator:
    description: A user other than root who may change tailscaled's settings; an empty text for none.
    type: str
  accept_risk:
    description:
      - Change O(shields_up), O(ssh) or O(netfilter_mode) even though the run came in over the tailnet, and its connection may
        end by that.
    type: bool
    default: false
  timeout:
    description: How long to wait for the node to reach the state, in seconds.
    type: int
    default: 20
"""

EXAMPLES = r"""
- name: Join the tailnet
  homelab.tailsync.tailscale_node:
    auth_key: "{{ tailscale_auth_key }}"
    hostname: nas
  become: true

- name: Log out
  homelab.tailsync.tailscale_node:
    state: absent
  become: true
"""

RETURN = r"""
joined:
  description: Whether this call joined the node, or in check mode would.
  returned: always
  type: bool
node:
  description: The node, with nulls for what is not known.
  returned: always
  type: dict
  sample:
    backend_state: Running
    hostname: nas
    dns_name: nas.tail1234.ts.net
    ipv4: 100.64.0.2
    ipv6: fd7a:115c:a1e0::2
requests:
  description: How many requests went to tailscaled.
  returned: always
  type: dict
  sample: {reads: 2, writes: 0}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._connection import ssh_connection
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import LocalAPI, NodeError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._node import Runner
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._spec import CONNECTION, NODE
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._status import warnings_of


def main() -> None:
    module = AnsibleModule(argument_spec={**CONNECTION, **NODE}, supports_check_mode=True)
    try:
        result = Runner(LocalAPI(module.params["socket"]), module.params, module.check_mode, ssh_connection()).run()
    except NodeError as error:
        module.fail_json(msg=str(error))
    for warning in warnings_of(result["node"]) if module.params["state"] == "present" else []:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
