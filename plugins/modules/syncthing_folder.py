#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: syncthing_folder
short_description: Manage one folder of a host's Syncthing
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Adds a folder to this host, changes its declared keys, or removes it. The files in it are never changed.
  - M(homelab.tailsync.syncthing_cluster) does the same for many devices and folders in one call.
extends_documentation_fragment:
  - homelab.tailsync.syncthing
  - homelab.tailsync.syncthing.writer
  - homelab.tailsync.syncthing.folder
options:
  id:
    description: ID of the folder, the same on all devices.
    type: str
    required: true
  state:
    description: Whether this host is to have the folder. The files of a folder that is removed stay where they are.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Share the photos with the NAS, and with a server that holds only ciphertext
  homelab.tailsync.syncthing_folder:
    id: photos
    path: /mnt/ssd/photos
    folder_owner: syncthing
    devices:
      - name: nas
      - name: vps
        encryption_password: "{{ vault_photos_password }}"
    versioning:
      type: staggered
      params: {maxAge: 31536000}
    ignores: ["(?d).DS_Store", "*.tmp"]
  become: true

- name: Stop syncing the photos, and keep the files
  homelab.tailsync.syncthing_folder:
    id: photos
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
left_out:
  description:
    - Folders that were left out because their disk is not mounted, with the reason and what to do.
      There is a warning for each as well. If Syncthing already has such a folder, it was not changed.
  returned: always
  type: list
  elements: dict
  sample:
    - id: photos
      path: /mnt/ssd/photos
      kind: away
      reason: "the disk for /mnt/ssd (/etc/fstab) is not mounted: mount it, and run again"
"""

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._module import Module, run
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._tables import CONNECTION, FOLDER, FOLDER_GUARDS, STATE


def main() -> None:
    module = Module(argument_spec={**CONNECTION, **FOLDER, **FOLDER_GUARDS, "state": STATE}, supports_check_mode=True)
    if module.params["state"] == "absent":
        run(module, {"absent_folders": [module.params["id"]]})
    else:
        guards = {name: module.params[name] for name in FOLDER_GUARDS}
        run(module, {"folders": [module.params], **guards, "all_known": True})


if __name__ == "__main__":
    main()
