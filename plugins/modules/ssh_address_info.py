#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ssh_address_info
short_description: Find the address at which a host accepts an SSH login
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Tries the given addresses of a host one after the other, with the host's own SSH settings
    (user, key, port, C(ProxyCommand), C(~/.ssh/config)), and returns the first that accepts a login.
  - The host must show the same host key at every address. C(known_hosts) has this key under the address of the inventory, or
    else under O(tailnet_name), or else under the address that is tried. No other key is stored.
  - The machine that answers is asked for the name of its own node, over the same connection and without privileges. At
    O(tailnet_name) and at an address of the tailnet, only the machine with that name is accepted. At one of O(addresses), a
    machine without Tailscale or logged out of it is accepted, another host of the inventory is not, and a machine with yet
    another name is accepted only if SSH checks its host key.
  - A machine whose firewall allows only the tailnet no longer answers at its RV(ignore:ansible_host).
    With this module one inventory serves the first run and all later ones.
extends_documentation_fragment:
  - homelab.tailsync.attributes.info
  - homelab.tailsync.attributes.controller
options:
  tailnet_name:
    description:
      - The host's name in the tailnet. It is tried first, then the address that the controller's own tailscaled has for this
        name.
    type: str
  tailscale_command:
    description:
      - The command that asks the controller's own tailscaled for the address of O(tailnet_name), as a list of the program and
        its first arguments. If it is missing or fails, that address is not tried.
    type: list
    elements: str
    default: [tailscale]
  tailscale_socket:
    description:
      - The socket of the host's tailscaled, if it is not in one of the usual places.
    type: str
  addresses:
    description:
      - Names or addresses to try after O(tailnet_name), in order. SSH resolves the names, on the jump host if there is one.
    type: list
    elements: str
    default: []
  node_addresses:
    description:
      - Addresses that are known only from the host itself. They are tried last, and a login there is not accepted, because the
        next run would not know the address. The error message then says which variable to set.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - How long one address may take, in seconds.
    type: int
    default: 5
  require_tailnet:
    description:
      - Accept only a login that arrived at a tailnet address of the host, according to its C(SSH_CONNECTION). Tailnet addresses
        are those of its node or, where the host does not tell them, those in 100.64.0.0/10 and fd7a:115c:a1e0::/48.
    type: bool
    default: false
  refuse_tailnet:
    description:
      - Accept only a login that did not arrive at a tailnet address of the host. The name and the address in the tailnet are not
        tried; O(tailnet_name) is used only to identify the machine.
    type: bool
    default: false
  fresh:
    description:
      - Open a new connection instead of using an open multiplexed one.
      - An established connection survives a firewall that would block every new one, so only a new connection is proof.
    type: bool
    default: true
  firewall:
    description:
      - The variables of the role firewall that are to come into force, for the machine that runs Ansible.
      - An administrator who is logged in to it by SSH from outside the tailnet, and could not log in again, is an error. Without
        O(require_tailnet) an opening for C(firewall_ssh_port) is enough, whichever port the login used.
    type: dict
    default: {}
notes:
  - One of O(tailnet_name) and O(addresses) is required; O(require_tailnet) and O(refuse_tailnet) exclude each other.
  - If no address accepts a login, the error message names the likely causes and what to do about each.
  - The module fails if C(ansible_ssh_common_args) is among the extra variables, which override every fact, and the address that
    it found is not the one in the inventory.
  - The host must be managed over the connection plugin P(ansible.builtin.ssh#connection), or over
    P(ansible.builtin.local#connection) if it is the machine that runs Ansible. That machine needs no login.
  - Ignores what M(homelab.tailsync.ssh_config) has written, which may be out of date.
seealso:
  - module: ansible.builtin.wait_for_connection
"""

EXAMPLES = r"""
- name: Find out whether the host is reached over the tailnet or as the inventory says
  homelab.tailsync.ssh_address_info:
    tailnet_name: "{{ inventory_hostname }}"
    addresses: ["{{ ansible_host }}"]
    fresh: false
  register: ssh

- name: Use that address from here on
  ansible.builtin.set_fact:
    ansible_ssh_common_args: "{{ ssh.ssh_common_args }}"

- name: Prove that a new login over the tailnet works
  homelab.tailsync.ssh_address_info:
    tailnet_name: "{{ inventory_hostname }}"
    require_tailnet: true
"""

RETURN = r"""
address:
  description: The first address that accepted a login, V(null) if none did.
  returned: always
  type: str
  sample: nas
tailnet:
  description: Whether that login arrived at a tailnet address of the host.
  returned: always
  type: bool
node_name:
  description:
    - The name in the tailnet of the machine that answered, according to its own tailscaled; V(null) if that is not known.
  returned: always
  type: str
  sample: nas
ssh_client:
  description: The address that the login came from, as seen by the host.
  returned: always
  type: str
  sample: 100.64.0.1
ssh_server:
  description: The address of the host that the login arrived at.
  returned: always
  type: str
  sample: 100.64.0.7
local:
  description:
    - Whether the host is the machine that runs Ansible. Then no login was tried, and RV(address) is its name in the inventory.
  returned: always
  type: bool
refused:
  description: That the host answers, but must not be changed from here; C(msg) has the reason.
  returned: if it is so
  type: bool
ssh_port:
  description: The port of the host's SSH server that the login arrived at, V(null) if that is not known.
  returned: always
  type: int
  sample: 22
host_key:
  description: The host's key, for M(homelab.tailsync.ssh_config); V(null) if no address accepted a login.
  returned: always
  type: dict
  contains:
    name:
      description: The name that C(known_hosts) has the key under.
      type: str
    port:
      description: The port that SSH connects to.
      type: int
    known_hosts:
      description: SSH's files with known keys.
      type: list
      elements: str
    verified:
      description: Whether the login proved that the host has this key.
      type: bool
ssh_common_args:
  description:
    - The value for C(ansible_ssh_common_args) that makes Ansible use RV(address). It begins with the earlier value, without the
      additions of an earlier call.
  returned: always
  type: str
  sample: -o HostName=nas -o HostKeyAlias=192.168.1.10 -o HostName=nas
tried:
  description: The addresses that were tried before RV(address), each with the reason why it was not accepted.
  returned: always
  type: list
  elements: dict
  sample:
    - address: nas
      error: "ssh: connect to host nas port 22: Connection timed out"
"""
