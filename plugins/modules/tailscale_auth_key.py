#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: tailscale_auth_key
short_description: Create an auth key for joining a tailnet
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Creates an auth key at the control server, Tailscale's or a Headscale. By default the key is valid for one machine and ten
    minutes, and the machine needs no approval.
  - Run it on the controller (C(delegate_to=localhost)), so that the long-lived secret is not sent to any host, and with
    C(no_log=true), because it returns a secret.
requirements:
  - requests (Python library, on the controller)
attributes:
  check_mode:
    support: full
    description: Creates no key, and returns none.
  diff_mode:
    support: none
    description: A new key has nothing to be compared with.
  idempotent:
    support: none
    description: Each call creates another key. M(homelab.tailsync.tailscale_node_info) returns whether one is needed.
  platform:
    support: full
    platforms: posix
    description: Runs wherever Python and the library requests are installed.
options:
  api:
    description: Kind of the API at O(base_url).
    type: str
    choices: [tailscale, headscale]
    default: tailscale
  base_url:
    description: The control server's address. Needed for Headscale.
    type: str
    default: https://api.tailscale.com
  oauth_client_id:
    description: ID of the OAuth client of O(oauth_client_secret). Not needed for Tailscale, whose secrets contain the ID.
    type: str
  oauth_client_secret:
    description:
      - Secret of an OAuth client with the scope C(auth_keys). The secret does not expire. Set O(tags) to tags that the client may
        assign.
    type: str
  api_token:
    description: An API token of Tailscale, or Headscale's API key, in place of O(oauth_client_secret).
    type: str
  tailnet:
    description: Name of the tailnet; V(-) for the tailnet of the credentials.
    type: str
    default: '-'
  user:
    description: ID of the Headscale user that will own the machine. Not needed with O(tags) since Headscale 0.28.
    type: str
  tags:
    description: Tags of the machines that join with the key, such as V(tag:server).
    type: list
    elements: str
    default: []
  reusable:
    description: Let more than one machine join with the key.
    type: bool
    default: false
  ephemeral:
    description: Remove machines that join with the key from the tailnet soon after they go offline. For CI, not for servers.
    type: bool
    default: false
  preauthorized:
    description: Let machines join with the key without approval. Headscale has no approval.
    type: bool
    default: true
  expiry:
    description: How long machines can join with the key, in seconds; they stay members afterwards.
    type: int
    default: 600
  description:
    description: A description of the key for the admin console, 50 characters at most.
    type: str
    default: tailsync
"""

EXAMPLES = r"""
- name: Create a key for a new server
  homelab.tailsync.tailscale_auth_key:
    oauth_client_secret: "{{ vault_tailscale_oauth_secret }}"
    tags: ["tag:server"]
  delegate_to: localhost
  no_log: true
  register: made

- name: Create a key at a Headscale
  homelab.tailsync.tailscale_auth_key:
    api: headscale
    base_url: https://headscale.example.org
    api_token: "{{ vault_headscale_api_key }}"
    user: "1"
  delegate_to: localhost
  no_log: true
  register: made
"""

RETURN = r"""
key:
  description: The auth key; V(null) in check mode.
  returned: always
  type: str
id:
  description: The key's ID, which revoking the key needs.
  returned: always
  type: str
expires:
  description: The time from which on machines can no longer join with the key.
  returned: always
  type: str
  sample: "2026-11-24T12:00:00Z"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.homelab.tailsync.plugins.module_utils._common.module import run
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._auth_key import mint
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._tables import AUTH_KEY


def main() -> None:
    module = AnsibleModule(
        argument_spec=AUTH_KEY,
        supports_check_mode=True,
        required_one_of=[("oauth_client_secret", "api_token")],
        mutually_exclusive=[("oauth_client_secret", "api_token")],
    )
    run(module, lambda: mint(module.params, module.check_mode))


if __name__ == "__main__":
    main()
