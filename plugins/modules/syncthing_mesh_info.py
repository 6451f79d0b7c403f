#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: syncthing_mesh_info
short_description: Collect device IDs and addresses of all hosts of a mesh
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Returns the data about all hosts that the role P(homelab.tailsync.syncthing_mesh#role) needs on each host. The data are the
    same for all of them, so call this module with C(run_once).
  - For each host of the inventory it collects the device ID from this run, and the host's C(syncthing_mesh_addresses).
    A host that is not part of the run has no device ID, and is left out.
  - Runs on the controller and makes no connection.
extends_documentation_fragment:
  - homelab.tailsync.attributes.info
  - homelab.tailsync.attributes.controller
seealso:
  - module: homelab.tailsync.syncthing_mesh
options: {}
"""

EXAMPLES = r"""
- name: Collect device IDs and addresses of the members
  homelab.tailsync.syncthing_mesh_info:
  run_once: true
  register: seen
"""

RETURN = r"""
members:
  description: Device ID and addresses of each host, by its inventory name.
  returned: always
  type: dict
  sample:
    nas:
      device_id: MFZWI3D-BONSGYC-YLTMRWG-C43ENR5-QXGZDMM-FZWI3DP-BONSGYY-LTMRWAD
      addresses: ["tcp://nas.tail1234.ts.net:22000", "tcp://100.64.0.2:22000"]
earlier:
  description:
    - The hosts that the role has configured in earlier batches of the play (C(serial)), without the device IDs of this batch.
  returned: always
  type: list
  elements: str
  sample: []
"""
