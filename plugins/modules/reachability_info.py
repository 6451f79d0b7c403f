#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: reachability_info
short_description: Test which ports a host can reach, and list those it listens on
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Tries TCP connections from a host, all at the same time, lets its tailscaled ping others, and lists the host's own addresses
    and the TCP ports it listens on.
  - The values come from the network and the kernel, not from ufw or Syncthing. A check of ufw or Syncthing therefore does not
    depend on what they report themselves.
  - It needs no program on the host. If C(ssh-keyscan) is installed, the host keys of SSH servers can be returned as well.
extends_documentation_fragment:
  - homelab.tailsync.attributes.info
attributes:
  platform:
    support: full
    platforms: linux
    description: Reads C(/proc/net) and asks the kernel by netlink.
options:
  tcp:
    description: TCP ports to try to connect to. A connection is closed as soon as it is open.
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description: Name or address to connect to.
        type: str
        required: true
      port:
        description: TCP port to connect to.
        type: int
        required: true
      host_keys:
        description:
          - Ask for SSH host keys if O(tcp[].port) is open. With V(false) no data is sent over the connection.
        type: bool
        default: false
      patient:
        description:
          - Wait the whole O(timeout) for an answer, also where O(tcp[].address) answers pings (ICMP echo requests).
          - Meant for an address at which a router may answer the ping and pass the connection on to another machine. A name is
            always waited for.
        type: bool
        default: false
  ping:
    description:
      - Tailnet addresses that this host's tailscaled pings through the tunnel. The access policy does not apply to these pings.
        There are two attempts of 5 seconds.
    type: list
    elements: str
    default: []
  control_server:
    description: Try a new connection to the control server that tailscaled's preferences name.
    type: bool
    default: false
  peers:
    description:
      - Names, host names or addresses of nodes. This host's tailscaled is asked what it knows of them, and of the addresses in
        O(ping); see RV(tailnet). An empty list asks for those in O(ping) alone.
    type: list
    elements: str
  tailscale_socket:
    description: The socket of tailscaled's LocalAPI.
    type: path
    default: /run/tailscale/tailscaled.sock
  timeout:
    description:
      - How long one connection may take, in seconds.
      - A port that says nothing counts as closed sooner if its address answers a ping (ICMP echo request) after each of three
        attempts.
    type: int
    default: 3
"""

EXAMPLES = r"""
- name: Test a port of a neighbour
  homelab.tailsync.reachability_info:
    tcp:
      - {address: 192.168.1.11, port: 22}
    ping: [100.64.0.2]
  become: true
  register: seen
"""

RETURN = r"""
addresses:
  description: The host's own addresses without loopback and link-local ones.
  returned: always
  type: list
  elements: dict
  sample:
    - {interface: eth0, address: 192.168.1.10}
macs:
  description: MAC addresses of the host's interfaces.
  returned: always
  type: list
  elements: str
  sample: ["52:54:00:12:34:56"]
listening:
  description: TCP ports that the host listens on at an address other than loopback.
  returned: always
  type: list
  elements: int
  sample: [22, 22000]
host_keys:
  description: Public host keys of the host's SSH server, in base64.
  returned: always
  type: list
  elements: str
ufw_profiles:
  description: ufw's application profiles on this host and the ports in each.
  returned: always
  type: dict
  sample: {"OpenSSH": "22/tcp"}
tcp:
  description:
    - The ports that were tried, each with the addresses of its name and whether it is open. For an open port, also the source
      address of the connection, and the MAC address and the SSH host keys of the other machine where they can be found.
  returned: always
  type: list
  elements: dict
  sample:
    - address: 192.168.1.11
      port: 22
      open: false
      error: timed out
      source: null
      resolved: [192.168.1.11]
      mac: null
      host_keys: []
  contains:
    source:
      description: The address of this host that the connection came from; V(null) if there was no connection.
      type: str
    mac:
      description: The MAC address of the other machine; V(null) if it is not on the same link.
      type: str
    host_keys:
      description: The SSH host keys of the other machine.
      type: list
      elements: str
ping:
  description: The addresses of O(ping), each with whether it answers, and the error if not.
  returned: always
  type: list
  elements: dict
  sample:
    - {address: 100.64.0.2, answers: true, error: null}
control_server:
  description: The control server; V(null) if O(control_server) is V(false) or tailscaled does not answer.
  returned: always
  type: dict
  sample: {host: controlplane.tailscale.com, port: 443, open: true, error: null, resolved: true, proxy: false}
  contains:
    proxy:
      description: Whether tailscaled uses a proxy, so that a direct connection proves nothing.
      type: bool
    resolved:
      description: Whether this host can resolve the name of the control server.
      type: bool
tailnet:
  description:
    - The tailnet as this host's tailscaled knows it from the control server, read after the connections were tried; V(null)
      without O(peers), or if tailscaled does not answer.
  returned: always
  type: dict
  contains:
    online:
      description: Whether tailscaled is connected to its control server. If not, what it knows may be out of date.
      type: bool
    peers:
      description:
        - The nodes that were asked for and that the control server has named as peers. A peer that is missing was deleted there,
          is hidden by the access policy, or is in another tailnet.
      type: list
      elements: dict
      sample:
        - dns_name: pi.home.ts.net
          hostname: pi
          addresses: [100.64.0.2]
          online: true
          last_seen: null
          key_expired: false
          exit_node_option: false
    routes:
      description: >-
        The routes that this node and its peers serve. A route that is advertised, but not served by any node, waits for approval,
        or the access policy hides it.
      type: list
      elements: str
      sample: [192.168.1.0/24]
    advertised_routes:
      description: The routes that this node offers to serve, from its own preferences.
      type: list
      elements: str
      sample: [192.168.1.0/24]
forwarding_needs:
  description:
    - The sysctls that prevent this host from forwarding traffic to the subnets that its tailscaled advertises. Checked only with
      O(control_server).
  returned: always
  type: list
  elements: str
  sample: [net.ipv4.ip_forward]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.homelab.tailsync.plugins.module_utils._common.module import run
from ansible_collections.homelab.tailsync.plugins.module_utils._host._spec import REACHABILITY
from ansible_collections.homelab.tailsync.plugins.module_utils._reachability import gather


def main() -> None:
    module = AnsibleModule(argument_spec=REACHABILITY, supports_check_mode=True)
    run(module, lambda: gather(module.params, module.get_bin_path("ssh-keyscan")))


if __name__ == "__main__":
    main()
