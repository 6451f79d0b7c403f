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
extends_documentation_fragment:
  - homelab.tailsync.syncthing
attributes:
  check_mode:
    support: full
    description: Runs in check mode as well; it changes nothing.
  diff_mode:
    support: none
    description: There is nothing to differ.
  idempotent:
    support: full
    description: It changes nothing.
"""

EXAMPLES = r"""
- name: Who is connected?
  homelab.tailsync.syncthing_info:
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
  description: Device ID to whether it is connected, how, and at what address.
  returned: always
  type: dict
folders:
  description:
    - Folder ID to label, path, type, state, error, number of errors, error of the watcher, bytes in all and still needed,
      devices, and each device's completion (percent) and remote state (V(valid) if it shares the folder, too; V(null) before
      Syncthing 1.20).
  returned: always
  type: dict
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

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._client import REQUESTS_ERROR, SyncthingError
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._runner import look
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._spec import CONNECTION


def main() -> None:
    module = AnsibleModule(argument_spec=CONNECTION, supports_check_mode=True)
    if REQUESTS_ERROR:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_ERROR)
    try:
        result = look(module.params)
    except SyncthingError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
