#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: reachability_info
short_description: Tell what can be reached from a host, and what of the host could be
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Tries TCP connections from a host, all at the same time, lets its tailscaled ping others, and lists the host's own addresses
    and the TCP ports it listens on.
  - It asks the network and the kernel, not the firewall's or Syncthing's own word. A check that is to prove
    something about them therefore does not depend on them.
  - It needs no program on the host. Where C(ssh-keyscan) is there, it can tell whose SSH server answers.
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
          - Ask for SSH host keys if O(tcp[].port) is open. Otherwise not one byte is sent.
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
      - Tailnet addresses that this host's tailscaled is to ping, through the tunnel but past the access policy, twice for
        5 seconds.
    type: list
    elements: str
    default: []
  control_server:
    description: Try a new connection to the control server that tailscaled's preferences name.
    type: bool
    default: false
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
- name: Look at the neighbour's open ports
  homelab.tailsync.reachability_info:
    tcp:
      - {address: 192.168.1.11, port: 22}
    ping: [100.64.0.2]
  become: true
  register: seen
"""

RETURN = r"""
addresses:
  description: The host's own addresses but those of loopback and link-local ones.
  returned: always
  type: list
  elements: dict
  sample:
    - {interface: eth0, address: 192.168.1.10}
macs:
  description: MAC addresses of its interfaces.
  returned: always
  type: list
  elements: str
  sample: ["52:54:00:12:34:56"]
listening:
  description: TCP ports on which the host listens on more than loopback.
  returned: always
  type: list
  elements: int
  sample: [22, 22000]
host_keys:
  description: Public host keys of its SSH server, in base64.
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
    - The ports that were tried, with the addresses that a name has, and, if the port is open, from which address the connection
      was made and whose it is, as far as that can be seen.
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
      description: The address of this host that the connection came from, V(null) if there was none.
      type: str
    mac:
      description: The MAC address at the other end, V(null) if that is not on the same link.
      type: str
    host_keys:
      description: The SSH host keys that were shown there.
      type: list
      elements: str
ping:
  description: The addresses that were pinged.
  returned: always
  type: list
  elements: dict
  sample:
    - {address: 100.64.0.2, answers: true, error: null}
control_server:
  description: The control server, V(null) if it was not asked for or tailscaled does not tell.
  returned: always
  type: dict
  sample: {host: controlplane.tailscale.com, port: 443, open: true, error: null, resolved: true, proxy: false}
  contains:
    proxy:
      description: Whether tailscaled goes by a proxy, so that the attempt says nothing.
      type: bool
    resolved:
      description: Whether this host knows an address for the name.
      type: bool
forwarding_needs:
  description:
    - The sysctls that keep this host from forwarding what its tailscaled offers a route to. Only looked at with
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
