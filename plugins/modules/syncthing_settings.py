#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: syncthing_settings
short_description: Manage options, web interface and defaults of a host's Syncthing
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Changes the declared keys of Syncthing's options, web interface and defaults. All others keep their value.
extends_documentation_fragment:
  - homelab.tailsync.syncthing
  - homelab.tailsync.syncthing.writer
  - homelab.tailsync.syncthing.system
"""

EXAMPLES = r"""
- name: Limit the upload rate, and ask for a password
  homelab.tailsync.syncthing_settings:
    options:
      max_send_kbps: 2000
    gui:
      user: admin
      password: "{{ vault_syncthing_password }}"
  become: true

- name: Keep older versions in new folders
  homelab.tailsync.syncthing_settings:
    defaults:
      folder:
        versioning: {type: staggered, params: {maxAge: 31536000}}
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
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._tables import CONNECTION, SYSTEM


def main() -> None:
    module = Module(argument_spec={**CONNECTION, **SYSTEM}, supports_check_mode=True)
    run(module, {name: module.params[name] for name in SYSTEM})


if __name__ == "__main__":
    main()
