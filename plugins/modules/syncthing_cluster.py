#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: syncthing_cluster
short_description: Bring a host's Syncthing devices and folders to what is declared, in one call
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Reads Syncthing's configuration once, lays the declared keys over it, writes what differs (devices before folders, all
    of them at once) and reads it back.
  - What is not declared keeps its value; nothing is removed, except that a folder that declares its devices is no longer
    shared with others. Whom an introducer brought stays.
  - Not changed by the way are the path and the type of a folder that is there already, which could lose files.
    A folder is not put on a mount point of C(/etc/fstab) whose disk is not mounted, nor inside another folder.
extends_documentation_fragment:
  - homelab.tailsync.syncthing
attributes:
  check_mode:
    support: full
    description: Says what would change. Before Syncthing's first start it says what would change in an empty one.
  diff_mode:
    support: full
    description: Shows the declared keys before and after, secrets masked.
  idempotent:
    support: full
    description: What is as declared costs one request.
options:
  devices:
    description: Devices that are to be known here, this host itself not among them.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The device's name.
        type: str
        required: true
      device_id:
        description:
          - The device's ID. Without it the device of this name that is there already is meant;
            if there is none, it is left out with a warning.
        type: str
      addresses:
        description: Where to reach it, such as V(tcp://nas:22000), or V(dynamic) to ask discovery.
        type: list
        elements: str
      allowed_networks:
        description: Networks that it may connect from and be dialed at, as CIDR.
        type: list
        elements: str
      introducer:
        description: Take over the devices that it knows.
        type: bool
      auto_accept_folders:
        description: Take every folder that it offers.
        type: bool
      paused:
        description: Do not connect.
        type: bool
      untrusted:
        description: Share folders with it only encrypted.
        type: bool
      compression:
        description: What is compressed on the way.
        type: str
        choices: [metadata, always, never]
      settings:
        description: Other keys of a device by Syncthing's own names; a key that this Syncthing does not know is an error.
        type: dict
  folders:
    description: Folders that are to be here.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: The folder's ID, the same on all devices.
        type: str
        required: true
      label:
        description: Its name for people.
        type: str
      path:
        description: Where it is on this host.
        type: str
      type:
        description: What is done with changes; V(receiveencrypted) holds only ciphertext.
        type: str
        choices: [sendreceive, sendonly, receiveonly, receiveencrypted]
      devices:
        description: With whom it is shared, completely.
        type: list
        elements: dict
        suboptions:
          name:
            description: The name of a device among O(devices), or of one that is there already.
            type: str
          device_id:
            description: Its ID, instead of the name.
            type: str
          encryption_password:
            description: Send only ciphertext to this device, encrypted with this password.
            type: str
      versioning:
        description: What is kept of files that other devices change or delete.
        type: dict
        suboptions:
          type:
            description: The kind of versioning.
            type: str
            choices: [none, trashcan, simple, staggered, external]
            required: true
          params:
            description: Its parameters by Syncthing's own names, such as C(keep) or C(maxAge).
            type: dict
          path:
            description: Where versions are kept; by default in C(.stversions) in the folder.
            type: path
      paused:
        description: Do not sync.
        type: bool
      rescan_interval:
        description: How often to look for changes that the watcher missed, in seconds.
        type: int
      ignore_permissions:
        description: Do not sync file permissions.
        type: bool
      order:
        description: In which order files are fetched.
        type: str
      settings:
        description: Other keys of a folder by Syncthing's own names; a key that this Syncthing does not know is an error.
        type: dict
  options:
    description: Keys of Syncthing's options by Syncthing's own names; lists are taken as complete.
    type: dict
    default: {}
  folder_owner:
    description: Make the missing root of a new folder, for this user.
    type: str
  allow_moves:
    description: Let the path and the type of folders that are there already change. For one run.
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
"""

RETURN = r"""
device_id:
  description: The host's own device ID, V(null) in check mode before the first start.
  returned: always
  type: str
version:
  description: Syncthing's version, V(null) in check mode before the first start.
  returned: always
  type: str
  sample: v1.29.5
unresolved:
  description: Names of devices that were left out because nobody knows their ID.
  returned: always
  type: list
  elements: str
before:
  description: The declared keys as they were, secrets masked.
  returned: always
  type: dict
after:
  description: The declared keys as they are now, or in check mode would be.
  returned: always
  type: dict
requests:
  description: How many requests went to Syncthing.
  returned: always
  type: dict
  sample: {reads: 1, writes: 0}
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._client import REQUESTS_ERROR, SyncthingError
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._runner import bring
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._spec import CLUSTER, CONNECTION


def main() -> None:
    module = AnsibleModule(argument_spec={**CONNECTION, **CLUSTER}, supports_check_mode=True)
    if REQUESTS_ERROR and not module.check_mode:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_ERROR)
    try:
        result = bring(module.params, module.check_mode)
    except SyncthingError as error:
        module.fail_json(msg=str(error))
    if not module.check_mode and result["unresolved"]:
        names = ", ".join(result["unresolved"])
        module.warn(f"left out, because their device ID is not known here yet: {names}. Run once together with them")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
