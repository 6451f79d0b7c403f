#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: syncthing_mesh
short_description: Bring one host of a mesh to what the inventory says
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Finds out on the controller which devices and folders the host is to have, and calls M(homelab.tailsync.syncthing_cluster) on
    the host with them.
  - The role P(homelab.tailsync.syncthing_mesh#role) uses it and checks the options before. Errors and warnings name the role's
    variables.
  - Fails if Syncthing would have no address to listen on, because it would then listen on all. In check mode that is a warning.
attributes:
  check_mode:
    support: full
    description: As M(homelab.tailsync.syncthing_cluster) has it.
  diff_mode:
    support: full
    description: As M(homelab.tailsync.syncthing_cluster) has it.
  platform:
    support: full
    platforms: posix
    description: Where Syncthing runs.
  idempotent:
    support: full
    description: As M(homelab.tailsync.syncthing_cluster) has it.
seealso:
  - module: homelab.tailsync.syncthing_mesh_info
  - module: homelab.tailsync.syncthing_cluster
options:
  folders:
    description:
      - Folders by their ID, as C(syncthing_mesh_folders) of the role P(homelab.tailsync.syncthing_mesh#role) has them. Those that
        the host is no member of may be left out.
    type: dict
    required: true
  members:
    description:
      - RV(homelab.tailsync.syncthing_mesh_info#module:members), what is known of each member. By default it is collected for this
        host alone, which costs more where there are many hosts.
    type: dict
  external_devices:
    description: Devices that Ansible does not manage, by name.
    type: dict
  allowed_networks:
    description: Networks that members may connect from and be dialed at.
    type: list
    elements: str
  private_options:
    description: Syncthing's options that keep it private; O(options) overrules them.
    type: dict
  options:
    description: Syncthing's options, as O(homelab.tailsync.syncthing_cluster#module:options) takes them.
    type: dict
  defaults:
    description: What new devices and folders start from, as O(homelab.tailsync.syncthing_cluster#module:defaults) takes it.
    type: dict
  node_address:
    description: The host's address in the tailnet; empty as long as it has none.
    type: str
  gui:
    description: Web interface and REST API, as O(homelab.tailsync.syncthing_cluster#module:gui) takes them, without the address.
    type: dict
  gui_address:
    description: Address of the web interface. Without it the web interface stays where it is.
    type: str
  gui_group:
    description: Group that may use a unix socket at O(gui_address).
    type: str
  gui_ready:
    description: Whether the directory of a unix socket at O(gui_address) is made at each boot. Otherwise the web interface stays
      where it is, with a warning.
    type: bool
    default: true
  folder_owner:
    description: User that missing roots of new folders are made for.
    type: str
  home:
    description: Syncthing's home folder; C(/var/lib/syncthing) by default.
    type: path
  timeout:
    description: How long to wait for Syncthing to answer, in seconds; 60 by default.
    type: int
  purge_devices:
    description: Remove the devices that are not declared.
    type: bool
  purge_folders:
    description: Remove the folders that are not declared; their files stay.
    type: bool
  replace_devices:
    description: Give a machine that was set up anew its old place. For one run.
    type: bool
  allow_moves:
    description: Let path, type, marker and encryption passwords of a folder that is there already change. For one run.
    type: bool
"""

EXAMPLES = r"""
- name: Collect device IDs and addresses of the members
  homelab.tailsync.syncthing_mesh_info:
  run_once: true
  register: seen

- name: Bring devices and folders to what the inventory says
  homelab.tailsync.syncthing_mesh:
    members: "{{ seen.members }}"
    folders: "{{ syncthing_mesh_folders }}"
    node_address: "{{ tailscale_ipv4 }}"
    options:
      listen_addresses: ["tcp://{{ tailscale_ipv4 }}:22000"]
  become: true
"""

RETURN = r"""
device_id:
  description: The host's own device ID.
  returned: always
  type: str
version:
  description: Syncthing's version.
  returned: always
  type: str
before:
  description: What changed, as it was; secrets masked.
  returned: always
  type: dict
after:
  description: The same as it is now, or in check mode would be.
  returned: always
  type: dict
requests:
  description: How many requests went to Syncthing.
  returned: always
  type: dict
left_out:
  description: Folders that were left out, each with the reason.
  returned: always
  type: list
  elements: dict
unresolved:
  description: Names of devices that were left out because nobody knows their ID.
  returned: always
  type: list
  elements: str
"""
