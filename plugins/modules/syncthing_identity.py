#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: syncthing_identity
short_description: Give a host its Syncthing identity and its first configuration
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Creates Syncthing's home folder, its key pair and a configuration before its first start, and returns the device ID. The ID is
    computed from the certificate, so Syncthing need not run.
  - Existing files are never changed. A key pair is the device's identity, and the configuration belongs to Syncthing
    once it has started.
  - Half a key pair, an empty or damaged file, two files that do not belong together, a home that has a database and no key pair,
    and a home whose disk is not mounted are errors. The message says how to restore the identity.
  - The API key is generated on the host, with Python's C(secrets), and is not returned.
attributes:
  check_mode:
    support: full
    description: Reports what would be created. RV(device_id) is then V(null) if there is no key pair yet.
  diff_mode:
    support: full
    description: Shows the first configuration, its API key masked.
  platform:
    support: full
    platforms: posix
    description: Runs on the host of Syncthing, where Syncthing is a service with its own user.
  idempotent:
    support: full
    description: A second run changes nothing.
options:
  home:
    description: Syncthing's home folder, the value of its option C(--home).
    type: path
    default: /var/lib/syncthing
  owner:
    description: User that Syncthing runs as, and that owns all created files. The user must exist.
    type: str
    default: syncthing
  configuration:
    description:
      - The text of C(config.xml) for the first start. It is used only if that file does not exist.
      - If its C(apikey) element is empty, the API key is put into it.
    type: str
    required: true
  api_key:
    description: API key to use instead of a new one, for the first start only.
    type: str
  certificate:
    description:
      - A certificate in PEM form to use instead of a new one, so that a re-installed host keeps its device ID.
      - It is an error if the host already has another certificate, or a key that does not belong to this one. A missing or empty
        file of the pair is restored.
    type: str
  private_key:
    description: The private key that belongs to O(certificate), in PEM form.
    type: str
"""

EXAMPLES = r"""
- name: Give this host an identity
  homelab.tailsync.syncthing_identity:
    home: /var/lib/syncthing
    configuration: "{{ lookup('ansible.builtin.template', 'config.xml.j2') }}"
  register: identity

- name: Show the device ID
  ansible.builtin.debug:
    var: identity.device_id
"""

RETURN = r"""
device_id:
  description: The host's device ID, V(null) in check mode if it has no key pair yet.
  returned: always
  type: str
  sample: MFZWI3D-BONSGYC-YLTMRWG-C43ENR5-QXGZDMM-FZWI3DP-BONSGYY-LTMRWAD
created:
  description: The objects that were created, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: [home, key pair, config.xml]
"""

from ansible_collections.homelab.tailsync.plugins.module_utils._common.module import run
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._identity import apply
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._masked import Module


def main() -> None:
    module = Module(
        argument_spec={
            "home": {"type": "path", "default": "/var/lib/syncthing"},
            "owner": {"type": "str", "default": "syncthing"},
            "configuration": {"type": "str", "required": True},
            "api_key": {"type": "str", "no_log": True},
            "certificate": {"type": "str"},
            "private_key": {"type": "str", "no_log": True},
        },
        required_together=[("certificate", "private_key")],
        supports_check_mode=True,
    )
    run(module, lambda: apply(module.params, module.check_mode, module.get_bin_path("syncthing")))


if __name__ == "__main__":
    main()
