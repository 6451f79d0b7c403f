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
- name: Limit what is sent, and ask for a password
  homelab.tailsync.syncthing_settings:
    options:
      max_send_kbps: 2000
    gui:
      user: admin
      password: "{{ vault_syncthing_password }}"
  become: true

- name: New folders keep older versions
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
    - Of each device, folder and section that changes, the declared keys as they were, in Syncthing's words, secrets masked;
      V(null) for an object that was not there.
  returned: always
  type: dict
after:
  description: The same as they are now, or in check mode would be; V(null) for an object that was removed.
  returned: always
  type: dict
requests:
  description: How many requests went to Syncthing.
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
