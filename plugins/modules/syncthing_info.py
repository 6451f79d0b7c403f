#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: syncthing_info
short_description: Gather the state of a host's Syncthing
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Returns listeners, dial errors, connections, folders and pending devices and folders, without any secret.
  - Can wait, in one call, until devices are connected and folders are in sync or make progress.
extends_documentation_fragment:
  - homelab.tailsync.attributes.info
  - homelab.tailsync.syncthing
options:
  wait_for:
    description:
      - Devices and folders to wait for. The wait ends as soon as all of them are ready, or the others have a problem that waiting
        does not solve.
      - Reaching the time limit is no failure; the returned values show the state.
    type: dict
    suboptions:
      devices:
        description: Device IDs that are to be connected.
        type: list
        elements: str
        default: []
      folders:
        description:
          - Folder IDs, each with a list of the device IDs that are to share the folder as well.
          - The module also waits until such a folder is in sync, data arrives, or there was no progress for half a minute.
        type: dict
        default: {}
  wait_timeout:
    description:
      - How long to wait for O(wait_for), in seconds.
      - The module waits as long for a Syncthing that reports that it is starting, such as while it converts its database.
    type: int
    default: 0
  folders:
    description: Folders whose disks are checked; those whose disk is not mounted are returned in RV(left_out).
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
"""

EXAMPLES = r"""
- name: Find out which devices are connected
  homelab.tailsync.syncthing_info:
  become: true
  register: syncthing

- name: Wait for the documents to arrive
  homelab.tailsync.syncthing_info:
    wait_for:
      folders: {documents: []}
    wait_timeout: 300
  become: true
  register: syncthing
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
listeners:
  description: The listen addresses, each with its error, V(null) for none.
  returned: always
  type: dict
  sample: {"tcp://100.64.0.2:22000": {"error": null}}
dials:
  description: The dialed addresses, each with the time of the last attempt and its error, V(null) for none.
  returned: always
  type: dict
uptime:
  description: How long Syncthing has been running, in seconds.
  returned: always
  type: int
devices:
  description: The devices by ID, each with name, addresses, whether it is paused, its introducer, and when it was last seen.
  returned: always
  type: dict
connections:
  description: The connections by device ID, each with whether it is connected, its kind, its address, and the bytes received.
  returned: always
  type: dict
folders:
  description: The folders by ID. For a paused folder Syncthing reports only its configuration.
  returned: always
  type: dict
  contains:
    label:
      description: The folder's label.
      type: str
    path:
      description: The folder's path on this host.
      type: str
    type:
      description: The folder's type, such as V(sendreceive).
      type: str
    paused:
      description: Whether the folder is paused.
      type: bool
    devices:
      description: IDs of the devices that the folder is shared with.
      type: list
      elements: str
    state:
      description: The folder's state in Syncthing's own words, such as V(idle), V(scanning) or V(syncing).
      type: str
    error:
      description: The error that stops the whole folder; V(null) if there is none.
      type: str
    errors:
      description: Number of files that could not be scanned or received.
      type: int
    failures:
      description: The first five files of RV(folders.errors), each with its path and error.
      type: list
      elements: dict
    watch_error:
      description: The error of the file watcher; V(null) if it works or is turned off.
      type: str
    need_items:
      description: Number of files, directories, links and deletions that are still to be received.
      type: int
    need_bytes:
      description: Number of bytes that are still to be received, without the parts of files that have arrived already.
      type: int
    global_bytes:
      description: Number of bytes in the whole folder, over all of its devices.
      type: int
    receive_only_items:
      description: Number of local changes in a folder that only receives.
      type: int
    moving:
      description:
        - Whether the folder made progress since the first reading, as needed data became less or data arrived.
        - V(null) if nothing is needed, the folder was not watched for long enough, or it was busy with a scan.
      type: bool
    disk:
      description:
        - The free space on the folder's disk as C(free_bytes), and the part of it that Syncthing leaves free (C(minDiskFree)) as
          C(needed_bytes). V(null) if the folder is paused or its path does not exist.
      type: dict
    completion:
      description:
        - The state of the folder on its other devices, by device ID, with completion (percent), bytes needed, and remote state
          (V(valid) if the device shares the folder as well; V(null) before Syncthing 1.20).
      type: dict
left_out:
  description:
    - Those of O(folders) whose disk is not mounted, or whose path cannot be used, each with its ID, path, kind (V(away) or
      V(unusable)) and the reason.
  returned: always
  type: list
  elements: dict
watched:
  description: How long the module waited, in seconds.
  returned: always
  type: int
pending:
  description: Devices and folders that were offered to this host and neither accepted nor rejected yet.
  returned: always
  type: dict
errors:
  description: Recent errors, from Syncthing's own list.
  returned: always
  type: list
  elements: dict
restart_required:
  description: Whether a change of the configuration waits for a restart.
  returned: always
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.homelab.tailsync.plugins.module_utils._common.module import run
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._info import gather
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._tables import CONNECTION, PLACE

WAIT_FOR = {
    "devices": {"type": "list", "elements": "str", "default": []},
    "folders": {"type": "dict", "default": {}},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CONNECTION,
            "wait_for": {"type": "dict", "options": WAIT_FOR},
            "wait_timeout": {"type": "int", "default": 0},
            "folders": {"type": "list", "elements": "dict", "default": [], "options": PLACE},
        },
        supports_check_mode=True,
    )
    run(module, lambda: gather(module.params))


if __name__ == "__main__":
    main()
