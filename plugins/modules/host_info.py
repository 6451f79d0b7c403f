#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_info
short_description: Look at a host before anything on it is changed
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Gathers in one call what the roles of this collection must know of a host before they change it.
  - It changes nothing and leaves nothing behind.
extends_documentation_fragment:
  - homelab.tailsync.attributes.info
attributes:
  platform:
    support: full
    platforms: linux
    description: Reads C(/proc), C(/sys) and the output of C(ip), C(iptables), C(systemctl) and the package manager.
options:
  syncthing_home:
    description: Syncthing's home folder, with its key pair and config.xml.
    type: path
    default: /var/lib/syncthing
  tailscale_socket:
    description: The socket of the tailscaled that the host is to be in the tailnet by.
    type: path
    default: /run/tailscale/tailscaled.sock
  syncthing_user:
    description: The account that Syncthing runs as.
    type: str
    default: syncthing
  syncthing_gui_group:
    description: The group whose members may use Syncthing's web interface.
    type: str
  login_servers:
    description: URLs of control servers that may be on this host.
    type: list
    elements: str
    default: []
  ufw_policy:
    description: Options of M(homelab.tailsync.ufw_policy), to say whether ufw is as they declare.
    type: dict
  tailscale_node:
    description: Options of M(homelab.tailsync.tailscale_node) but its secret, to say whether the node is as they declare.
    type: dict
"""

EXAMPLES = r"""
- name: Look at the host
  homelab.tailsync.host_info:
  become: true
  register: host
"""

RETURN = r"""
as_declared:
  description:
    - Whether M(homelab.tailsync.ufw_policy) and M(homelab.tailsync.tailscale_node) would have nothing to do and nothing to say.
      What cannot be told, or was not asked, is not as declared.
  returned: always
  type: dict
  contains:
    ufw_policy:
      description: Whether ufw is as O(ufw_policy) declares.
      type: bool
    tailscale_node:
      description:
        - The node as RV(homelab.tailsync.tailscale_node#module:node), if it is as O(tailscale_node) declares.
        - V(null) otherwise.
      type: dict
control_servers:
  description: Those of O(login_servers) that are on this host.
  returned: always
  type: list
  elements: dict
  contains:
    url:
      description: The URL as it was given.
      type: str
    port:
      description: The TCP port that it is reached at.
      type: int
tailscaled:
  description: Which Tailscale is on the host.
  returned: always
  type: dict
  contains:
    socket:
      description: The socket that was asked.
      type: str
    node:
      description: What the tailscaled there says of itself, in its own words; V(null) if none answers.
      type: dict
    node_interface:
      description: The network interface that carries the node's address; V(null) without one.
      type: str
    state_kept:
      description: Whether the package's tailscaled was logged in when it last ran; V(null) if its file does not say.
      type: bool
    daemons:
      description:
        - The tailscaleds of the host's network, with process, command line, unit, socket, and in C(own) whether a package or the
          role tailscale has brought it.
      type: list
      elements: dict
    unit:
      description: The service tailscaled; V(null) if there is none.
      type: dict
    other_units:
      description: Other services that would start a tailscaled at boot.
      type: list
      elements: dict
    interface:
      description: Whether there is an interface tailscale0, and who holds it if that is no tailscaled.
      type: dict
packet_filter:
  description: What the kernel's packet filter does before ufw's chains are asked, or after they left it undecided.
  returned: always
  type: dict
  contains:
    rules:
      description:
        - The rules and policies that decide about new connections from anywhere, each with its C(line), its C(verdict) (accept or
          block), its C(chain), C(family), C(protocol), C(ports) (empty for all), and C(source) if it is about one network.
      type: list
      elements: dict
      sample:
        - line: iptables -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
          verdict: accept
          chain: INPUT
          family: v4
          protocol: tcp
          ports: ["22"]
          source: ""
    services:
      description: Services that manage a packet filter of their own, now or at the next boot.
      type: list
      elements: str
    interfaces:
      description: The addresses of each interface.
      type: dict
    networks:
      description: The private networks that the host has neighbours in.
      type: list
      elements: str
      sample: [192.168.1.0/24]
listeners:
  description: The sockets that other machines can reach, with the processes that hold them.
  returned: always
  type: dict
  contains:
    sockets:
      description: Each with C(proto), C(port), C(address), and C(process), which is empty for the kernel's own.
      type: list
      elements: dict
      sample:
        - {proto: tcp, port: 445, address: 0.0.0.0, process: smbd}
    published:
      description: Protocol and port of what Docker sends on to containers.
      type: list
      elements: list
      sample: [[tcp, 8080]]
    docker_closed:
      description: Whether M(homelab.tailsync.ufw_policy) has put these behind ufw's rules.
      type: bool
    ufw:
      description: Whether ufw filters (C(active)), what it does with what no rule matches (C(incoming)), and its rules.
      type: dict
    profiles:
      description: The ports of ufw's application profiles.
      type: dict
syncthing:
  description: What is there of Syncthing, and of the account that it would run as.
  returned: always
  type: dict
system:
  description: Which system the host runs, by the names that M(ansible.builtin.setup) has for it, and its C(/etc/os-release).
  returned: always
  type: dict
  sample:
    distribution: Debian
    distribution_release: trixie
    distribution_version: "13.2"
    distribution_major_version: "13"
    os_family: Debian
    pkg_mgr: apt
    service_mgr: systemd
    architecture: x86_64
    userspace_bits: "64"
    os_release: ID=debian
packages:
  description:
    - By name, the packages of this collection's roles that are installed as a whole, with C(version), and C(held) where dpkg has
      them. Of apk, C(world) is what it is to see to.
  returned: always
  type: dict
  sample:
    tailscale: {version: 1.102.5, held: false}
files:
  description:
    - By path, the files that this collection's roles write, with C(kind), C(mode), and C(sha256) or C(target). V(null) where
      nothing is.
    - In C(blocks) what the role tailscale has written into tailscaled's settings.
  returned: always
  type: dict
  sample:
    /etc/apt/sources.list.d/tailscale.list: {kind: file, mode: "0644", sha256: 5f70bf18a08660b3}
    /etc/default/tailscaled: {kind: file, mode: "0644", sha256: 8d5bfa1a6a17ee0a, blocks: []}
syncthing_unit:
  description: The state of Syncthing's unit in systemd's words; empty where there is no systemd.
  returned: always
  type: dict
  sample: {LoadState: loaded, ActiveState: active, UnitFileState: enabled, NeedDaemonReload: "no"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.homelab.tailsync.plugins.module_utils._common.module import run
from ansible_collections.homelab.tailsync.plugins.module_utils._host._spec import HOST
from ansible_collections.homelab.tailsync.plugins.module_utils._host.topics import gather


def main() -> None:
    module = AnsibleModule(argument_spec=HOST, supports_check_mode=True)
    run(module, lambda: gather(module))


if __name__ == "__main__":
    main()
