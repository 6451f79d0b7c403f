#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ssh_config
short_description: Let ssh on the controller find a host in its tailnet
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - A host whose firewall allows only the tailnet no longer answers at the address in the inventory. This module writes its
    address in the tailnet into C(tailsync.conf) next to the user's SSH configuration, so that C(ssh nas), C(scp), C(rsync) and
    any playbook still reach it by the same name.
  - Adds an C(Include) of that file once, as the first line of O(config). Nothing else in O(config) changes, and the user's own
    C(Host) blocks for the host stay in force. If O(config) is a link or read-only, it is left alone, and a warning has the line.
  - Only the host's own names are written. A name or address that another host of the inventory has as well is left out, and so
    is a name that the user's own C(Host) block leads to another machine, one whose known host key is not this one.
  - The host key that is known already is required at the new address. If it was verified, C(known_hosts) gets it under O(names)
    and O(address) as well, unless these have a key. Where that is not possible, the file has a C(HostKeyAlias), which holds for
    every SSH server of the machine.
  - Runs on the controller and makes no connection. A file that cannot be written is a warning.
extends_documentation_fragment:
  - homelab.tailsync.attributes.controller
attributes:
  check_mode:
    support: full
    description: In check mode nothing is written; the result is the same.
  diff_mode:
    support: none
    description: No diff is returned.
  idempotent:
    support: full
    description: A second call changes nothing.
options:
  state:
    description: V(absent) removes the host that has one of O(names) from C(tailsync.conf), with all its names.
    type: str
    choices: [present, absent]
    default: present
  config:
    description:
      - The user's SSH configuration, with a path from V(/) or V(~/). V(~) is the home directory that SSH uses, whatever C($HOME)
        is.
      - If root writes, the files belong to the user whose configuration it is.
      - If it is empty, nothing is written.
    type: str
    default: ~/.ssh/config
  names:
    description: The host's names and addresses, such as those that Ansible connects to.
    type: list
    elements: str
    required: true
  address:
    description: The host's address in the tailnet. Required for O(state=present).
    type: str
  host_key:
    description:
      - The host's key, as RV(homelab.tailsync.ssh_address_info#module:host_key) returns it. Required for O(state=present).
    type: dict
    suboptions:
      name:
        description: The name that C(known_hosts) has the key under.
        type: str
        required: true
      port:
        description: The port that SSH connects to.
        type: int
        default: 22
      known_hosts:
        description: The files with known keys. New names are added to the first.
        type: list
        elements: str
        default: []
      verified:
        description: Whether a login proved that the host has this key.
        type: bool
        default: false
seealso:
  - module: homelab.tailsync.ssh_address_info
"""

EXAMPLES = r"""
- name: Find the host in the tailnet
  homelab.tailsync.ssh_address_info:
    tailnet_name: "{{ inventory_hostname }}"
    require_tailnet: true
  register: ssh

- name: Let ssh find it as well
  homelab.tailsync.ssh_config:
    names: ["{{ inventory_hostname }}", "{{ ansible_host }}"]
    address: "{{ ssh.ssh_server }}"
    host_key: "{{ ssh.host_key }}"
"""

RETURN = r"""
names:
  description: The names that were written or removed.
  returned: always
  type: list
  elements: str
  sample: [nas, 192.168.1.10]
file:
  description: The file with the host's address; V(null) if nothing was to be written.
  returned: always
  type: str
  sample: /home/bob/.ssh/tailsync.conf
in_use:
  description: Whether O(config) includes that file, and Ansible's own connections use O(config).
  returned: always
  type: bool
"""
