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
  - Joins the host to a tailnet, sets the declared preferences, or logs the host out.
  - Talks to tailscaled over its LocalAPI. The auth key appears in no command line and is written to no file.
  - Only declared preferences are changed; all others keep their value, also at a new login.
  - Changed O(tags) or O(login_server), and an expired key, require a new login, which needs an O(auth_key). A new login over
    the tailnet itself is refused, as is every other change that would end the SSH connection of this run; see O(accept_risk).
  - A login uses its key once, so that a key for one machine is enough. A login that fails ends, and leaves the preferences of
    before.
  - Warns if the node's key will expire, which is rarely wanted on a server.
extends_documentation_fragment:
  - homelab.tailsync.tailscale
attributes:
  check_mode:
    support: full
    description:
      - Reports what would change, after tailscaled's own check of the new preferences. Without tailscaled it reports that the
        host would join. Check mode refuses everything that a real run refuses.
  diff_mode:
    support: full
    description: Shows the state and the declared preferences, before and after.
  idempotent:
    support: full
    description: If the node matches already, the module sends two requests, which only read.
options:
  state:
    description:
      - V(present) makes the node a running member of a tailnet. V(absent) logs the node out, and cancels a join that an earlier
        run did not finish.
      - Headscale (0.29 does so) keeps the expiry that a logout sets, for a node with tags. Such a node can log in again after
        C(headscale nodes expire --identifier ID --disable) on the server.
    type: str
    choices: [present, absent]
    default: present
  auth_key:
    description:
      - The key to log in with. It is needed and used only if the node is logged out, its key has expired, or O(tags) or
        O(login_server) change.
    type: str
  login_server:
    description:
      - URL of the coordination server. If it is not set or empty, a node that joins uses Tailscale's own server, and a node that
        is logged in keeps its server.
      - A node that moves to another server stays in the old server's list of machines until it is removed there. If a move
        fails, the node stays logged in at the old server.
    type: str
  tags:
    description:
      - The tags that the node is to have, such as V(tag:server); an empty list for none. If they are not set, the node keeps
        its tags. If the control server assigns other tags, the module fails and names them.
      - At Tailscale a login asks for them. At a Headscale the auth key must have them, and the tags of a node that is logged in
        are changed on the server only; the module then changes nothing, and names the command. An O(auth_key) that begins with
        V(tskey-) or V(hskey-) tells which server it is; else Tailscale's own server is taken as one, and others as a Headscale.
    type: list
    elements: str
  hostname:
    description: The node's name in the tailnet. A node whose name was never set has the name of the host.
    type: str
  accept_dns:
    description: Use the tailnet's DNS settings, including MagicDNS.
    type: bool
  accept_routes:
    description: Use the subnet routes that other nodes advertise.
    type: bool
  advertise_routes:
    description: Subnets to offer to the tailnet, as CIDR such as V(192.168.1.0/24); an empty list withdraws all.
    type: list
    elements: str
  advertise_exit_node:
    description: Offer to be an exit node of the tailnet.
    type: bool
  snat_subnet_routes:
    description: Replace the source address of traffic from the tailnet to advertised subnets by the host's own (source NAT).
    type: bool
  shields_up:
    description: Allow no incoming connection from the tailnet.
    type: bool
  ssh:
    description: Run Tailscale SSH, which then answers port 22 on the tailnet instead of sshd.
    type: bool
  webclient:
    description: Offer the node's web interface at port 5252 in the tailnet.
    type: bool
  exit_node:
    description:
      - Send all traffic through this node, given by its name, address or ID; V(auto:any) for one that tailscaled chooses, an
        empty string for none.
    type: str
  exit_node_allow_lan_access:
    description: Reach the LAN directly while an exit node is in use.
    type: bool
  stateful_filtering:
    description: Forward packets to the subnets behind this host only if they answer a connection from there.
    type: bool
  netfilter_mode:
    description: How much of the host's packet filter tailscaled manages.
    type: str
    choices: ['off', nodivert, 'on']
  advertise_connector:
    description: Offer to be an app connector.
    type: bool
  report_posture:
    description: Let the control server collect data that identify this device, such as its serial numbers (device posture).
    type: bool
  auto_update:
    description: Let tailscaled update itself.
    type: bool
  update_check:
    description: Let tailscaled look for updates.
    type: bool
  relay_server_port:
    description: UDP port of this node's peer relay; V(0) for any free port, V(-1) for no peer relay.
    type: int
  relay_server_static_endpoints:
    description:
      - Additional addresses and ports at which peers try to reach this node's peer relay, such as V(192.0.2.1:40000) or
        V([2001:db8::1]:40000); an empty list for none.
    type: list
    elements: str
  nickname:
    description: The local name of this login, which C(tailscale switch) shows.
    type: str
  operator:
    description: A user other than root who may change tailscaled's settings; an empty string for none.
    type: str
  accept_risk:
    description:
      - Allow changes that may end the SSH connection of this run. Set it only if there is another access path to the host.
      - If the run came over the tailnet, such changes are turning on O(shields_up), turning O(ssh) on or off, O(netfilter_mode)
        other than V(on), any new login (O(tags), O(login_server), an expired key), and O(state=absent).
      - If the run came over the LAN or the internet, they are an O(exit_node), unless the client is on a LAN and
        O(exit_node_allow_lan_access) is set, and O(accept_routes) where a peer advertises the client's subnet.
    type: bool
    default: false
  timeout:
    description:
      - How long to wait for the node to reach O(state), in seconds. A login that takes longer ends, so that it does not go on
        with an old key; the next run begins another. Everything else tailscaled finishes by itself.
    type: int
    default: 20
"""

EXAMPLES = r"""
- name: Join the tailnet
  homelab.tailsync.tailscale_node:
    auth_key: "{{ tailscale_auth_key }}"
    hostname: nas
  become: true

- name: Change the tags of a server, over its LAN address
  homelab.tailsync.tailscale_node:
    auth_key: "{{ tailscale_auth_key }}"
    tags: ["tag:server", "tag:backup"]
  become: true

- name: Make the host a subnet router, and turn Tailscale SSH off
  homelab.tailsync.tailscale_node:
    advertise_routes: [192.168.1.0/24]
    ssh: false
  become: true

- name: Log out
  homelab.tailsync.tailscale_node:
    state: absent
  become: true
"""

RETURN = r"""
joined:
  description: Whether this call logged the node in, for the first time or again, or in check mode would do so.
  returned: always
  type: bool
node:
  description: The node; values that are not known are V(null).
  returned: always
  type: dict
  sample:
    backend_state: Running
    hostname: nas
    dns_name: nas.tail1234.ts.net
    ipv4: 100.64.0.2
    ipv6: fd7a:115c:a1e0::2
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
requests:
  description: Number of requests to tailscaled.
  returned: always
  type: dict
  sample: {reads: 2, writes: 0}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.homelab.tailsync.plugins.module_utils._common.module import run
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import LocalAPI
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._node import apply
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._ssh_origin import ssh_connection
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._tables import CONNECTION, NODE


def main() -> None:
    module = AnsibleModule(argument_spec={**CONNECTION, **NODE}, supports_check_mode=True)
    run(module, lambda: apply(LocalAPI(module.params["socket"]), module.params, module.check_mode, ssh_connection()))


if __name__ == "__main__":
    main()
