#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: syncthing_mesh
short_description: Configure the Syncthing of one host of a mesh from the inventory
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Computes on the controller which devices and folders the host is to have, and calls M(homelab.tailsync.syncthing_cluster) on
    the host with them.
  - The role P(homelab.tailsync.syncthing_mesh#role) uses this module and checks the options before. Errors and warnings name the
    role's variables.
  - Fails if Syncthing would have no address to listen on, because it would then listen on all. In check mode this is a warning.
attributes:
  check_mode:
    support: full
    description: The same as for M(homelab.tailsync.syncthing_cluster).
  diff_mode:
    support: full
    description: The same as for M(homelab.tailsync.syncthing_cluster).
  platform:
    support: full
    platforms: posix
    description: Runs on the controller and on the host of Syncthing.
  idempotent:
    support: full
    description: The same as for M(homelab.tailsync.syncthing_cluster).
seealso:
  - module: homelab.tailsync.syncthing_mesh_info
  - module: homelab.tailsync.syncthing_cluster
options:
  folders:
    description:
      - Folders by their ID, in the form of C(syncthing_mesh_folders) of the role P(homelab.tailsync.syncthing_mesh#role). Folders
        that the host is no member of may be left out. Required without O(host).
    type: dict
  members:
    description:
      - The members of the mesh, from RV(homelab.tailsync.syncthing_mesh_info#module:members). By default they are collected for
        this host alone, which takes longer where there are many hosts.
    type: dict
  host:
    description:
      - Configure this host of the play, to which the task is delegated. The other options are then the variables that the role
        P(homelab.tailsync.syncthing_mesh#role) has for it, and the web interface is left as it is.
      - By default the host of the task.
    type: str
  external_devices:
    description: Devices that Ansible does not manage, by name.
    type: dict
  allowed_networks:
    description: Networks that members may connect from and be dialed at.
    type: list
    elements: str
  private_options:
    description: Syncthing's options that keep it private; O(options) overrides them.
    type: dict
  options:
    description: Syncthing's options, as O(homelab.tailsync.syncthing_cluster#module:options) takes them.
    type: dict
  defaults:
    description: Defaults of new devices and folders, as O(homelab.tailsync.syncthing_cluster#module:defaults) takes them.
    type: dict
  node_address:
    description: The host's address in the tailnet; empty as long as it has none.
    type: str
  gui:
    description: Web interface and REST API, as O(homelab.tailsync.syncthing_cluster#module:gui) takes them, without the address.
    type: dict
  gui_address:
    description: Address of the web interface. By default the web interface keeps its present address.
    type: str
  gui_group:
    description: Group that may use a unix socket at O(gui_address).
    type: str
  gui_ready:
    description: Whether the directory of a unix socket at O(gui_address) is created at each boot. Otherwise the web interface
      stays at its present address, with a warning.
    type: bool
    default: true
  folder_owner:
    description: Owner of a new folder's directory, which is created if it is missing.
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
    description: Replace the device ID of a machine that was set up from scratch by its new one. Set it for one run only.
    type: bool
  allow_moves:
    description: Allow changes of path, type, marker and encryption passwords of existing folders. Set it for one run only.
    type: bool
  fail_for_refused:
    description:
      - Whether a refused folder makes the task fail, after devices and all other folders were configured. With V(false) it is a
        warning, and the folder is in RV(refused).
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Collect device IDs and addresses of the members
  homelab.tailsync.syncthing_mesh_info:
  run_once: true
  register: seen

- name: Configure devices and folders from the inventory
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
  description: The declared keys before the change, for each object that changes; secrets are masked.
  returned: always
  type: dict
after:
  description: The keys of RV(before) after the change, also in check mode.
  returned: always
  type: dict
requests:
  description: Number of requests to Syncthing.
  returned: always
  type: dict
left_out:
  description: Folders that were left out, each with the reason.
  returned: always
  type: list
  elements: dict
refused:
  description: Folders that were refused while everything else was done, each with the reason.
  returned: always
  type: list
  elements: dict
unresolved:
  description: Names of devices that were left out because their ID is not known.
  returned: always
  type: list
  elements: str
"""
