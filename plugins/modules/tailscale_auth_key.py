#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: tailscale_auth_key
short_description: Create or revoke an auth key for joining a tailnet
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Creates an auth key at the control server, Tailscale's or a Headscale. By default the key is valid for one machine and ten
    minutes, and the machine needs no approval.
  - Refuses a key that no machine could use or that the server would not create, before it sends anything.
  - With O(state=absent) revokes a key that was not used.
  - Run it on the controller (C(delegate_to=localhost)), so that the long-lived secret is not sent to any host, and with
    C(no_log=true), because it returns a secret.
extends_documentation_fragment:
  - homelab.tailsync.tailscale_api
attributes:
  check_mode:
    support: full
    description: Creates no key, and returns none. With O(state=absent) it asks the server whether the key is valid.
  diff_mode:
    support: none
    description: A new key has nothing to be compared with.
  idempotent:
    support: partial
    details:
      - Each call with O(state=present) creates another key. M(homelab.tailsync.tailscale_node_info) returns whether one
        is needed.
      - O(state=absent) is idempotent.
    description: Whether a second call changes nothing.
options:
  state:
    description:
      - V(present) creates a key.
      - V(absent) revokes the key O(id). A key that is gone, expired, or for one machine and used already, is left alone.
        Headscale 0.26 and 0.27 cannot delete a key; it is expired there, which needs O(user).
    type: str
    choices: [present, absent]
    default: present
  id:
    description: The ID of the key to revoke, as RV(id) has it, with O(state=absent).
    type: str
  user:
    description:
      - ID or name of the Headscale user that will own the machine. Not needed with O(tags) since Headscale 0.28, and not used
        with O(oauth_client_secret).
    type: str
  tags:
    description:
      - Tags of the machines that join with the key, such as V(tag:server). An OAuth client and a federated identity need some
        that they may assign.
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
    description: Let machines join with the key without approval. Headscale has no approval, so V(false) is refused there.
    type: bool
    default: true
  expiry:
    description:
      - How long machines can join with the key, in seconds; they stay members afterwards. At least 1, and for Tailscale 90 days
        at most.
    type: int
    default: 600
  description:
    description:
      - A description of the key for the admin console, 50 characters at most. Headscale stores one only with
        O(oauth_client_secret).
    type: str
    default: tailsync
  replace:
    description:
      - Revoke other valid keys for one machine that have the same O(description), such as a key that an interrupted run has left.
        If that fails, the module warns.
      - Headscale's API keys cannot store a description. There a fraction of a second in the key's expiry, derived from
        O(description), says which keys were created with O(replace).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Create a key for a new server
  homelab.tailsync.tailscale_auth_key:
    oauth_client_secret: "{{ vault_tailscale_oauth_secret }}"
    tags: ["tag:server"]
  delegate_to: localhost
  no_log: true
  register: made

- name: Revoke it, if it was not needed
  homelab.tailsync.tailscale_auth_key:
    oauth_client_secret: "{{ vault_tailscale_oauth_secret }}"
    state: absent
    id: "{{ made.id }}"
  delegate_to: localhost

- name: Create a key in a job of GitHub Actions, without a stored secret
  homelab.tailsync.tailscale_auth_key:
    oidc:
      client_id: T123456CNTRL-k123456CNTRL
      audience: api.tailscale.com/T123456CNTRL-k123456CNTRL
    tags: ["tag:ci"]
    ephemeral: true
  delegate_to: localhost
  no_log: true
  register: made

- name: Create a key at a Headscale
  homelab.tailsync.tailscale_auth_key:
    api: headscale
    base_url: https://headscale.example.org
    api_token: "{{ vault_headscale_api_key }}"
    user: alice
  delegate_to: localhost
  no_log: true
  register: made
"""

RETURN = r"""
key:
  description: The auth key; V(null) in check mode and with O(state=absent).
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
revoked:
  description: The IDs of the keys that were revoked, or in check mode would be with O(state=absent).
  returned: always
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.homelab.tailsync.plugins.module_utils._common.module import run
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._auth_key import apply
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._tables import AUTH_KEY


def main() -> None:
    module = AnsibleModule(
        argument_spec=AUTH_KEY,
        supports_check_mode=True,
        required_one_of=[("oauth_client_secret", "api_token", "oidc")],
        mutually_exclusive=[("oauth_client_secret", "api_token", "oidc")],
        required_if=[("state", "absent", ["id"])],
    )
    run(module, lambda: apply(module.params, module.check_mode))


if __name__ == "__main__":
    main()
