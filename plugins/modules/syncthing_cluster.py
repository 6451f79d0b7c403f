#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: syncthing_cluster
short_description: Configure devices, folders and settings of a host's Syncthing in one call
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Reads Syncthing's configuration once, sets the declared keys in it, writes the objects that differ (devices before folders,
    all of them at once) and reads the result back.
  - A device whose ID is neither given nor known to this host, by its name or by the host name that it is dialed at, is left out
    with a warning, so that a run on some of the machines works as well. Until the ID is known, folders that name the device
    keep all of their devices, and nothing is purged.
  - A folder whose disk is not mounted is left out with a warning, and everything else is done.
  - If Syncthing refuses a change, or does not keep it, the configuration and ignore patterns of before are put back, and new
    directories that are still empty are removed. If somebody else has changed the configuration in the meantime, it is left as it
    is. The message says what was done. Before Syncthing 1.25 a password of the web interface cannot be put back.
  - Only named objects are removed. A folder that declares its devices is, however, no longer shared with any others.
extends_documentation_fragment:
  - homelab.tailsync.syncthing
  - homelab.tailsync.syncthing.writer
  - homelab.tailsync.syncthing.cluster
  - homelab.tailsync.syncthing.system
options:
  absent_devices:
    description: Names or IDs of devices to remove. Folders are no longer shared with them.
    type: list
    elements: str
    default: []
  absent_folders:
    description: IDs of folders to remove. Their files stay where they are.
    type: list
    elements: str
    default: []
  purge_devices:
    description:
      - Remove all devices that are not declared. Devices added by an introducer are kept, because it would add them again.
      - Check mode lists in RV(after) what would be removed.
    type: bool
    default: false
  purge_folders:
    description: Remove all folders that are not declared. Their files stay where they are.
    type: bool
    default: false
  replace_devices:
    description:
      - If this host knows a declared name with another ID, as after a machine was set up from scratch, replace the old ID by the
        new one in all folders, and remove the old device. With V(false) such a name is an error. Set it for one run only.
    type: bool
    default: false
  partial:
    description:
      - If a folder is refused, for example because its path is a file, or its type is to change, do everything else, and return
        the folder in RV(refused). With V(false) a refused folder is an error, and nothing is changed.
      - A refused folder that Syncthing already has is not changed, and not purged.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Share the documents with the Pi
  homelab.tailsync.syncthing_cluster:
    devices:
      - name: pi
        device_id: MFZWI3D-BONSGYC-YLTMRWG-C43ENR5-QXGZDMM-FZWI3DP-BONSGYY-LTMRWAD
        addresses: ["tcp://pi:22000"]
        allowed_networks: [100.64.0.0/10]
    folders:
      - id: documents
        path: /srv/sync/documents
        devices:
          - name: pi
  become: true

- name: Forget a machine that was sold
  homelab.tailsync.syncthing_cluster:
    absent_devices: [old-laptop]
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
refused:
  description: Folders that were refused while everything else was done (see O(partial)), with the reason and the fix.
  returned: always
  type: list
  elements: dict
  sample:
    - id: photos
      path: /srv/photos
      reason: "its type is sendonly, and is to be sendreceive."
unresolved:
  description: Names of devices that were left out because their ID is not known.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._module import Module, run
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._tables import CLUSTER, CONNECTION


def main() -> None:
    module = Module(argument_spec={**CONNECTION, **CLUSTER}, supports_check_mode=True)
    run(module, module.params)


if __name__ == "__main__":
    main()
