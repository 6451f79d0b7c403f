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
  - The host must show the same host key at every address. It is the one that C(known_hosts) has under the address of the
    inventory, or else under O(tailnet_name), or else under the address that is tried; nothing else is remembered.
  - The machine that answers is asked for the name of its own node, over the same connection and without any rights. By
    O(tailnet_name) and by an address of the tailnet only the machine of that name counts. At one of O(addresses), a machine
    without Tailscale or logged out of it counts; one that is another host of the inventory does not; and one of yet another
    name counts only if SSH checks its host key.
  - A machine whose firewall lets only the tailnet in does not answer at its RV(ignore:ansible_host) any more.
    This is how one inventory serves the first run and all later ones.
extends_documentation_fragment:
  - homelab.tailsync.attributes.info
  - homelab.tailsync.attributes.controller
options:
  tailnet_name:
    description:
      - The host's name in the tailnet. It is tried first, and after it the address that the controller's own tailscaled gives
        for it.
    type: str
  tailscale_command:
    description:
      - The command that asks the controller's own tailscaled, with its arguments in front. Where it is missing or does not
        answer, that address is not tried.
    type: list
    elements: str
    default: [tailscale]
  tailscale_socket:
    description:
      - The socket of the host's tailscaled, if it is not in one of the usual places.
    type: str
  addresses:
    description:
      - Names or addresses to try after O(tailnet_name), in order. Names are resolved by SSH, on the jump host if there is one.
    type: list
    elements: str
    default: []
  node_addresses:
    description:
      - Addresses that only the host itself has told. They are tried last, and an answer there does not count, because the next
        run would not know them; the failure then says what to set.
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
      - Let only a login count that arrived at a tailnet address of the host
        (one of its node's, or of 100.64.0.0/10 and fd7a:115c:a1e0::/48 where it does not say), as its own C(SSH_CONNECTION) says.
    type: bool
    default: false
  refuse_tailnet:
    description:
      - Let only a login count that did not arrive at a tailnet address of the host; the tailnet's name and address are not
        tried, and O(tailnet_name) only says whose answer is wanted.
    type: bool
    default: false
  fresh:
    description:
      - Make a new connection instead of using an open multiplexed one.
      - An established connection survives a firewall that no new one would get through, so only a new
        one proves anything.
    type: bool
    default: true
notes:
  - One of O(tailnet_name) and O(addresses) is required; O(require_tailnet) and O(refuse_tailnet) exclude each other.
  - When no address answers, the message names the likely causes by what was seen, each with what to do.
  - It fails if C(ansible_ssh_common_args) is among the extra variables, which overrule every fact, and another address than the
    inventory's was found.
  - Needs a host that is managed over the connection plugin P(ansible.builtin.ssh#connection).
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
    - The name that the machine which answered has in its tailnet, as its own tailscaled says; V(null) if it does not say.
  returned: always
  type: str
  sample: nas
ssh_client:
  description: The address that the login came from, as the host saw it.
  returned: always
  type: str
  sample: 100.64.0.1
ssh_server:
  description: The address of the host that the login arrived at.
  returned: always
  type: str
  sample: 100.64.0.7
ssh_common_args:
  description:
    - What C(ansible_ssh_common_args) has to be to use that address; what it was is kept in front, without what an earlier call
      had added.
  returned: always
  type: str
  sample: -o HostName=nas -o HostKeyAlias=192.168.1.10 -o HostName=nas
tried:
  description: The addresses that were tried before, and why each did not do.
  returned: always
  type: list
  elements: dict
  sample:
    - address: nas
      error: "ssh: connect to host nas port 22: Connection timed out"
"""
