#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: apt_ready
short_description: Finish an interrupted dpkg and read apt's package lists
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Makes apt ready to install packages after M(ansible.builtin.apt) has failed.
  - Finishes a dpkg that was interrupted, with the present configuration files, and without removing a package.
  - Reads the package lists. Repositories that cannot be read give a warning, unless O(uris) names them.
  - Waits while another process, such as unattended-upgrades or cloud-init, holds a lock of apt or dpkg, that of
    the package lists included.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and return the changed status without changing the host.
  diff_mode:
    support: none
    description: Returns details on what has changed in diff mode.
  platform:
    support: full
    platforms: debian
    description: Runs C(apt-get), C(apt-mark) and C(dpkg).
options:
  uris:
    description: URIs of the repositories that must be readable.
    type: list
    elements: str
    default: []
  wait:
    description: How long to wait for locks, in seconds.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Make apt ready to install
  homelab.tailsync.apt_ready:
  become: true
"""

RETURN = r"""
steps:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: [dpkg --configure -a, apt-get update]
held:
  description: The packages that are held at their version.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.homelab.tailsync.plugins.module_utils._apt._ready import Apt, ready
from ansible_collections.homelab.tailsync.plugins.module_utils._common.module import run
from ansible_collections.homelab.tailsync.plugins.module_utils._common.table import Spec
from ansible_collections.homelab.tailsync.plugins.module_utils._host.topics import runner

SPEC: Spec = {"uris": {"type": "list", "elements": "str", "default": []}, "wait": {"type": "int", "default": 120}}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    run(module, lambda: ready(Apt(runner(module), module.params["wait"]), module.params["uris"], module.check_mode))


if __name__ == "__main__":
    main()
