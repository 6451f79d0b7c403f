#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: syncthing_info
short_description: Tell how a host's Syncthing is doing
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Returns listeners, dial errors, connections, folders and what waits for an answer, without any secret.
  - It can wait, in one call, until devices are connected and folders are in sync, or seen to come nearer to it.
extends_documentation_fragment:
  - homelab.tailsync.attributes.info
  - homelab.tailsync.syncthing
options:
  wait_for:
    description:
      - What to wait for. The wait ends as soon as all of it is there, or what is missing is of a kind that waiting does not cure.
      - What is not reached in time is no failure; it is there to be seen in what is returned.
    type: dict
    suboptions:
      devices:
        description: Device IDs that are to be connected.
        type: list
        elements: str
        default: []
      folders:
        description:
          - Folder ID to a list of the device IDs that are to share it, too.
          - Such a folder is also waited for until it is in sync, data is seen to arrive, or for half a minute nothing has moved.
        type: dict
        default: {}
  wait_timeout:
    description:
      - How long to wait for O(wait_for), in seconds.
      - A Syncthing that says that it is just starting, such as one that converts its database, is given as much.
    type: int
    default: 0
  folders:
    description: Folders of which to say in RV(left_out) whether their disk is away.
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
        description: A path that must be a mount point, or else the folder's disk is away.
        type: path
"""

EXAMPLES = r"""
- name: Who is connected?
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
  description: Listen address to the error it has, V(null) for none.
  returned: always
  type: dict
  sample: {"tcp://100.64.0.2:22000": {"error": null}}
dials:
  description: Dialed address to the error of the last attempt, V(null) for none, and its time.
  returned: always
  type: dict
uptime:
  description: How long Syncthing has been running, in seconds.
  returned: always
  type: int
devices:
  description: Device ID to name, addresses, whether it is paused, who introduced it, and when it was last seen.
  returned: always
  type: dict
connections:
  description: Device ID to whether it is connected, how, at what address, and how many bytes came in over this connection.
  returned: always
  type: dict
folders:
  description: Folder ID to what is known of the folder. Of a paused one Syncthing tells no more than its configuration.
  returned: always
  type: dict
  contains:
    label:
      description: Its label.
      type: str
    path:
      description: Where it is.
      type: str
    type:
      description: Its type, such as V(sendreceive).
      type: str
    paused:
      description: Whether it is paused.
      type: bool
    devices:
      description: Device IDs of those that it is shared with.
      type: list
      elements: str
    state:
      description: Syncthing's own word for its state, such as V(idle), V(scanning) or V(syncing).
      type: str
    error:
      description: Why the whole folder is stopped, V(null) if it is not.
      type: str
    errors:
      description: Number of files that could not be scanned or brought in.
      type: int
    failures:
      description: The first five of these, each with its path and error.
      type: list
      elements: dict
    watch_error:
      description: Why changes are not seen as they are made, V(null) if they are, or are not to be.
      type: str
    need_items:
      description: Number of files, directories, links and deletions that are still to be brought in.
      type: int
    need_bytes:
      description: Number of bytes that are still to be brought in, less what is there of the files in transfer.
      type: int
    global_bytes:
      description: Number of bytes in the whole folder, by what all its devices know.
      type: int
    receive_only_items:
      description: Number of changes made here in a folder that only receives.
      type: int
    moving:
      description:
        - Whether what is still needed became less, or data came in, since the first reading.
        - V(null) if nothing is needed, or it was not watched for long enough, or it was busy with a scan.
      type: bool
    disk:
      description:
        - Space that is free at the folder, and how much of it Syncthing leaves free (C(minDiskFree)), as C(free_bytes) and
          C(needed_bytes). V(null) if the folder is paused or its path is not there.
      type: dict
    completion:
      description:
        - Device ID to completion (percent), bytes needed, and remote state (V(valid) if it shares the folder, too; V(null) before
          Syncthing 1.20).
      type: dict
left_out:
  description: Those of O(folders) whose disk is away, each with its ID, path and the reason.
  returned: always
  type: list
  elements: dict
watched:
  description: How long it was waited, in seconds.
  returned: always
  type: int
pending:
  description: Devices and folders that wait for an answer.
  returned: always
  type: dict
errors:
  description: Syncthing's own list of recent errors.
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
