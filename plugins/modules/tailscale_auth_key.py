#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: tailscale_auth_key
short_description: Make an auth key to join a tailnet with
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Makes a key at the control server, Tailscale's or a Headscale, that is by default for one machine, lasts ten minutes and
    needs no approval.
  - Run it on the controller (C(delegate_to=localhost)), so that the long-lived secret goes to no host, and with C(no_log=true),
    because it returns a secret.
requirements:
  - requests (Python library, on the controller)
attributes:
  check_mode:
    support: full
    description: Makes no key, and returns none.
  diff_mode:
    support: none
    description: There is nothing to differ.
  idempotent:
    support: none
    description: Each call makes another key. Ask M(homelab.tailsync.tailscale_node_info) first whether one is needed.
  platform:
    support: full
    platforms: posix
    description: Where Python runs.
options:
  api:
    description: Whose API the control server has.
    type: str
    choices: [tailscale, headscale]
    default: tailscale
  base_url:
    description: The control server's address. Needed for Headscale.
    type: str
    default: https://api.tailscale.com
  oauth_client_id:
    description: ID of an OAuth client; Tailscale finds it in the secret.
    type: str
  oauth_client_secret:
    description:
      - Secret of an OAuth client with the scope C(auth_keys), which does not expire. It needs O(tags) that the client may give.
    type: str
  api_token:
    description: An API token instead, or Headscale's API key.
    type: str
  tailnet:
    description: The tailnet; V(-) is the one that the credentials belong to.
    type: str
    default: '-'
  user:
    description: ID of the Headscale user whom the machine will belong to. Not needed with O(tags) since Headscale 0.28.
    type: str
  tags:
    description: Tags of the machines that join with the key, such as V(tag:server).
    type: list
    elements: str
    default: []
  reusable:
    description: Let more than one machine join with it.
    type: bool
    default: false
  ephemeral:
    description: Remove machines that join with it from the tailnet soon after they go offline. For CI, not for servers.
    type: bool
    default: false
  preauthorized:
    description: Let machines join without approval. Headscale has no approval.
    type: bool
    default: true
  expiry:
    description: How long machines can join with it, in seconds; they stay members afterwards.
    type: int
    default: 600
  description:
    description: What the admin console shows, 50 characters at most.
    type: str
    default: tailsync
"""

EXAMPLES = r"""
- name: Make a key for a new server
  homelab.tailsync.tailscale_auth_key:
    oauth_client_secret: "{{ vault_tailscale_oauth_secret }}"
    tags: ["tag:server"]
  delegate_to: localhost
  no_log: true
  register: made

- name: Make one at a Headscale
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
  description: The key; V(null) in check mode.
  returned: always
  type: str
id:
  description: Its ID, to revoke it by.
  returned: always
  type: str
expires:
  description: When it can no longer be used to join.
  returned: always
  type: str
  sample: "2026-11-24T12:00:00Z"
"""

import datetime
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._control import (
    REQUESTS_ERROR,
    TAILSCALE,
    Control,
    ControlError,
)

SPEC: dict[str, t.Any] = {
    "api": {"type": "str", "choices": ["tailscale", "headscale"], "default": "tailscale"},
    "base_url": {"type": "str", "default": TAILSCALE},
    "oauth_client_id": {"type": "str"},
    "oauth_client_secret": {"type": "str", "no_log": True},
    "api_token": {"type": "str", "no_log": True},
    "tailnet": {"type": "str", "default": "-"},
    "user": {"type": "str"},
    "tags": {"type": "list", "elements": "str", "default": []},
    "reusable": {"type": "bool", "default": False},
    "ephemeral": {"type": "bool", "default": False},
    "preauthorized": {"type": "bool", "default": True},
    "expiry": {"type": "int", "default": 600},
    "description": {"type": "str", "default": "tailsync"},
}


def mint(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    headscale = params["api"] == "headscale"
    if headscale and params["base_url"] == TAILSCALE:
        raise ControlError("base_url is Tailscale's own, and api is headscale: set base_url to your Headscale's address")
    if params["oauth_client_secret"] and not params["tags"]:
        raise ControlError("tags is empty, and a key made with an OAuth client must have some: set tags, such as [tag:server]")
    control = Control(params["base_url"])
    if params["oauth_client_secret"]:
        control.log_in(params["oauth_client_id"], params["oauth_client_secret"])
    else:
        control.use_token(params["api_token"])
    wanted = dict(params)
    if headscale:
        return control.headscale_key(params["user"], wanted, datetime.datetime.now(datetime.timezone.utc))
    return control.tailscale_key(params["tailnet"], wanted)


def main() -> None:
    module = AnsibleModule(
        argument_spec=SPEC,
        supports_check_mode=True,
        required_one_of=[("oauth_client_secret", "api_token")],
        mutually_exclusive=[("oauth_client_secret", "api_token")],
    )
    if module.check_mode:
        module.exit_json(changed=True, key=None, id=None, expires=None)
    if REQUESTS_ERROR:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_ERROR)
    try:
        made = mint(module.params)
    except ControlError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=True, **made)


if __name__ == "__main__":
    main()
