#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: tailscale_device
short_description: Remove a machine that is offline from a tailnet
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Removes the machine that has a name in the tailnet, so that another one can get the name, such as the same host after it was
    installed again. Control servers otherwise give C(nas-1) to a machine that asks for the taken name C(nas).
  - A machine that is online is not removed; the module fails. With O(api=headscale) it asks twice, 45 seconds apart, because a
    Headscale that has just started calls all machines offline until they have connected again.
  - Run it on the controller (C(delegate_to=localhost)), so that the long-lived secret is not sent to any host.
extends_documentation_fragment:
  - homelab.tailsync.tailscale_api
attributes:
  check_mode:
    support: full
    description: Removes nothing, and returns what it would remove.
  diff_mode:
    support: none
    description: Only a whole machine is removed; RV(devices) describes it.
  idempotent:
    support: full
    description: Whether a second call changes nothing.
options:
  state:
    description: The machine is removed.
    type: str
    choices: [absent]
    default: absent
  name:
    description: The machine's name in the tailnet, the first part of its MagicDNS name.
    type: str
    required: true
  keep:
    description: IDs of machines that are not removed even if they have the name.
    type: list
    elements: str
    default: []
notes:
  - An OAuth client or a federated identity needs the scope C(devices:core).
seealso:
  - module: homelab.tailsync.tailscale_auth_key
"""

EXAMPLES = r"""
- name: Free the name of a host that was installed again
  homelab.tailsync.tailscale_device:
    api_token: "{{ vault_tailscale_api_token }}"
    name: nas
  delegate_to: localhost
"""

RETURN = r"""
devices:
  description: The machines that were removed, or in check mode would be.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: ID in the control server.
      type: str
    name:
      description: Name in the tailnet.
      type: str
    addresses:
      description: Addresses in the tailnet.
      type: list
      elements: str
    online:
      description: Always V(false), because a machine that is online is not removed.
      type: bool
    last_seen:
      description: When the machine was last online, if the server knows it.
      type: str
  sample:
    - {id: "1", name: nas, addresses: [100.64.0.1], online: false, last_seen: "2026-11-01T12:00:00Z"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.homelab.tailsync.plugins.module_utils._common.module import run
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._device import apply
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._tables import DEVICE


def main() -> None:
    module = AnsibleModule(
        argument_spec=DEVICE,
        supports_check_mode=True,
        required_one_of=[("oauth_client_secret", "api_token", "oidc")],
        mutually_exclusive=[("oauth_client_secret", "api_token", "oidc")],
    )
    run(module, lambda: apply(module.params, module.check_mode))


if __name__ == "__main__":
    main()
