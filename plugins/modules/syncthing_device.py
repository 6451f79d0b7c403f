#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: syncthing_device
short_description: Manage one device of a host's Syncthing
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Adds another device to this host, changes its declared keys, or removes it.
  - M(homelab.tailsync.syncthing_cluster) does the same for many devices and folders in one call.
extends_documentation_fragment:
  - homelab.tailsync.syncthing
  - homelab.tailsync.syncthing.writer
  - homelab.tailsync.syncthing.device
options:
  name:
    description: Name of the device; with O(state=absent) it may be left out if O(device_id) is given.
    type: str
  state:
    description: Whether this host is to know the device. Folders are not shared with a device that is removed.
    type: str
    choices: [present, absent]
    default: present
  replace:
    description:
      - If this host knows O(name) with another ID, replace the old ID by O(device_id) in all folders, and remove the old device.
        With V(false) such a name is an error.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Add the phone
  homelab.tailsync.syncthing_device:
    name: phone
    device_id: MFZWI3D-BONSGYC-YLTMRWG-C43ENR5-QXGZDMM-FZWI3DP-BONSGYY-LTMRWAD
    allowed_networks: [100.64.0.0/10]
  become: true

- name: Remove the phone
  homelab.tailsync.syncthing_device:
    name: phone
    state: absent
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
  sample: v1.29.5
before:
  description:
    - The declared keys before the change, for each device, folder and section that changes. Keys have Syncthing's names, secrets
      are masked; V(null) for an object that did not exist.
  returned: always
  type: dict
after:
  description: The keys of RV(before) after the change, also in check mode; V(null) for an object that was removed.
  returned: always
  type: dict
requests:
  description: Number of requests to Syncthing.
  returned: always
  type: dict
  sample: {reads: 1, writes: 0}
"""

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._module import Module, run
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._tables import CONNECTION, DEVICE_DEFAULTS, STATE, STR


def main() -> None:
    spec = {
        **CONNECTION,
        "name": STR,
        "device_id": STR,
        **DEVICE_DEFAULTS,
        "state": STATE,
        "replace": {"type": "bool", "default": False},
    }
    module = Module(
        argument_spec=spec,
        supports_check_mode=True,
        required_if=[("state", "present", ("name",)), ("state", "absent", ("name", "device_id"), True)],
    )
    if module.params["state"] == "absent":
        run(module, {"absent_devices": [module.params["device_id"] or module.params["name"]]})
    else:
        run(module, {"devices": [module.params], "replace_devices": module.params["replace"], "all_known": True})


if __name__ == "__main__":
    main()
