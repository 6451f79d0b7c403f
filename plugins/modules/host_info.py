#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_info
short_description: Gather facts about a host before it is changed
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Gathers in one call all facts about a host that the roles of this collection need before they change it.
  - Changes nothing and leaves no files on the host.
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
    description: The socket of the tailscaled that connects the host to the tailnet.
    type: path
    default: /run/tailscale/tailscaled.sock
  syncthing_user:
    description: The account that Syncthing runs as.
    type: str
    default: syncthing
  syncthing_gui_group:
    description: The group whose members may use Syncthing's web interface.
    type: str
  syncthing_addresses:
    description:
      - The TCP addresses that Syncthing is to listen on, such as V(tcp://100.64.0.1:22000) or V(127.0.0.1:8384), to see what
        holds them now. One without a host means the node's address in the tailnet.
    type: list
    elements: str
    default: [":22000"]
  login_servers:
    description: URLs of control servers that may run on this host.
    type: list
    elements: str
    default: []
  folders:
    description: Folders whose places are checked, see RV(places).
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: The folder's ID.
        type: str
        required: true
      path:
        description: The folder's path on this host.
        type: str
      requires_mount:
        description: A path that must be a mount point; otherwise the folder's disk counts as not mounted.
        type: path
  packages:
    description: Packages that are to be installed with apt, which is asked about its sources only if one of them is missing.
    type: list
    elements: str
    default: [tailscale, ufw, syncthing, python3-requests]
  ufw_policy:
    description: Options of M(homelab.tailsync.ufw_policy), to say whether ufw is as they declare.
    type: dict
  tailscale_node:
    description: Options of M(homelab.tailsync.tailscale_node) but its secret, to say whether the node is as they declare.
    type: dict
"""

EXAMPLES = r"""
- name: Gather facts about the host
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
  description: Those of O(login_servers) that run on this host.
  returned: always
  type: list
  elements: dict
  contains:
    url:
      description: The URL as in O(login_servers).
      type: str
    port:
      description: The TCP port of the control server.
      type: int
tailscaled:
  description: The Tailscale on the host.
  returned: always
  type: dict
  contains:
    socket:
      description: The socket that was queried.
      type: str
    node:
      description: Status and preferences of the tailscaled at the socket, with its own names; V(null) if none answers.
      type: dict
    node_interface:
      description: The network interface that carries the node's address; V(null) without one.
      type: str
    state_kept:
      description: Whether the package's tailscaled was logged in when it last ran; V(null) if its state file does not tell.
      type: bool
    daemons:
      description:
        - The tailscaled processes in the host's network namespace, with process ID, command line, unit, socket, and in C(own)
          whether a package or the role tailscale has installed it.
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
      description: Whether there is an interface tailscale0, and the process that holds it if that is no tailscaled.
      type: dict
tun:
  description: The device /dev/net/tun, which Tailscale makes its network interface with.
  returned: always
  type: dict
  contains:
    error:
      description: The error at opening it, such as V(ENOENT); V(null) without one.
      type: str
    contained:
      description: Whether the host is a container.
      type: bool
    kernel:
      description: The release of the running kernel.
      type: str
kernel:
  description: Whether the running kernel can filter packets.
  returned: always
  type: dict
  contains:
    release:
      description: The release of the running kernel.
      type: str
    problem:
      description: Why the kernel could not list a table of packet filters; V(null) if it could, or if that is unknown.
      type: str
packet_filter:
  description: Rules of the kernel's packet filter that apply before ufw's chains, or after them to packets they do not decide on.
  returned: always
  type: dict
  contains:
    rules:
      description:
        - The rules and policies that decide on new connections, each with its C(line), its C(verdict) (accept or block), its
          C(chain), C(family), C(protocol), C(ports) (empty for all), and C(source) if it is limited to one network.
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
      description: Other services that manage the packet filter, now or from the next boot on.
      type: list
      elements: str
    interfaces:
      description: The addresses of each interface.
      type: dict
    networks:
      description: The private networks that the host is directly connected to.
      type: list
      elements: str
      sample: [192.168.1.0/24]
    guests:
      description:
        - The interfaces whose guests, containers, VPN clients or machines use this host, each with C(name), C(kind) (bridge,
          docker, lan or tunnel), the number of C(guests), their C(networks), and whether iptables lets them reach this host's DNS
          (C(answered)) and other machines (C(forwarded)) whatever ufw says.
        - C(bridged) guests are on a bridge to the LAN whose traffic the kernel filters.
      type: list
      elements: dict
listeners:
  description: The sockets that other machines can reach, with the processes that hold them.
  returned: always
  type: dict
  contains:
    sockets:
      description: The sockets, each with C(proto), C(port), C(address), and C(process), which is empty for sockets of the kernel.
      type: list
      elements: dict
      sample:
        - {proto: tcp, port: 445, address: 0.0.0.0, process: smbd}
    published:
      description: The ports that Docker forwards to containers, each as protocol and port.
      type: list
      elements: list
      sample: [[tcp, 8080]]
    docker_closed:
      description: Whether M(homelab.tailsync.ufw_policy) has put the ports of RV(listeners.published) behind ufw's rules.
      type: bool
    ufw:
      description:
        - Whether ufw filters (C(active)), its default policies for incoming and for routed traffic (C(incoming), C(routed)), its
          rules for both (C(rules), C(routes)), and the place of each block of another tool for Docker's chain (C(docker_blocks)).
      type: dict
    profiles:
      description: The ports of ufw's application profiles.
      type: dict
syncthing:
  description: The Syncthing on the host, and the account that it runs or would run as.
  returned: always
  type: dict
places:
  description:
    - What M(homelab.tailsync.syncthing_cluster) will say of the places of O(folders). A folder that Syncthing has at another path
      is not checked.
  returned: always
  type: dict
  contains:
    left_out:
      description: The folders whose disk is not mounted, each with C(id), C(path), C(kind) and C(reason).
      type: list
      elements: dict
    refused:
      description: The folders that cannot be at their path, each with C(id), C(path) and C(reason).
      type: list
      elements: dict
syncthings:
  description: Every Syncthing on the host, and what holds the ports of O(syncthing_addresses).
  returned: always
  type: dict
  contains:
    wanted:
      description: The O(syncthing_addresses), each with C(host), which may be empty, and C(port).
      type: list
      elements: dict
    daemons:
      description:
        - The Syncthings in the host's network namespace, each with its process IDs C(pids), C(user), C(unit), C(home) (V(null) if
          unknown), whether it is in a container (C(contained)), whether its unit belongs to a user's systemd (C(by_user)), and
          whether the unit is its own (C(is_main)), unlike cron's.
      type: list
      elements: dict
    holders:
      description: The sockets that listen on the ports, each with C(port), C(address), C(pid), C(process) and C(unit).
      type: list
      elements: dict
    forwarded:
      description: Those of the ports that are forwarded to a container, each with C(port) and C(address), empty for all.
      type: list
      elements: dict
    enabled:
      description: The accounts whose C(syncthing@) service starts at boot.
      type: list
      elements: str
    shows:
      description: The options in the C(config.xml) of O(syncthing_home) that show this Syncthing outside the tailnet.
      type: list
      elements: str
    candidate:
      description: The version that apt would install; V(null) if there is none, or one is installed.
      type: str
system:
  description: The operating system of the host, with the names that M(ansible.builtin.setup) uses, and its C(/etc/os-release).
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
    - The completely installed packages that this collection's roles install, by name, with C(version), and C(held) where dpkg
      manages them. With apk, C(world) has their entries in C(/etc/apk/world).
  returned: always
  type: dict
  sample:
    tailscale: {version: 1.102.5, held: false}
apt:
  description:
    - The enabled package sources of apt (C(sources)), each with its C(file), C(line), C(uri), C(suite), C(signed_by), and the
      options that must be the same in all sources of a repository (C(flags)).
    - What apt says if it cannot read them (C(problem)); it is asked only if a package of this collection's roles
      is missing, or a repository is there twice.
  returned: always
  type: dict
  sample:
    sources:
      - file: /etc/apt/sources.list.d/tailscale.sources
        line: 1
        uri: https://pkgs.tailscale.com/stable/debian
        suite: trixie
        signed_by: /etc/apt/keyrings/tailscale.gpg
        flags: []
    problem: ""
files:
  description:
    - The files that this collection's roles write, by path, with C(kind), C(mode), and C(sha256) or C(target). V(null) for a file
      that does not exist.
    - C(blocks) has the text that the role tailscale has written into tailscaled's settings.
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
