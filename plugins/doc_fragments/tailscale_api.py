# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - requests (Python library, where the module runs)
options:
  api:
    description: Kind of the API at O(base_url).
    type: str
    choices: [tailscale, headscale]
    default: tailscale
  base_url:
    description: The control server's address, without C(/api). Needed for Headscale.
    type: str
    default: https://api.tailscale.com
  oauth_client_id:
    description: ID of the OAuth client of O(oauth_client_secret). Not needed, because the secrets contain the ID.
    type: str
  oauth_client_secret:
    description:
      - Secret of an OAuth client of Tailscale, or of Headscale 0.30 or newer. The secret does not expire.
    type: str
  api_token:
    description: An API token of Tailscale, or Headscale's API key, in place of O(oauth_client_secret).
    type: str
  oidc:
    description:
      - A federated identity of Tailscale (workload identity federation), in place of O(oauth_client_secret), for which no secret
        has to be stored. The OIDC token of a CI job, a cloud machine or another provider is exchanged for an access token.
      - >-
        With neither O(oidc.token) nor O(oidc.token_file), the token is requested from the CI runner, whose address and credential
        are in E(ACTIONS_ID_TOKEN_REQUEST_URL) and E(ACTIONS_ID_TOKEN_REQUEST_TOKEN). GitHub sets them in jobs with the permission
        C(id-token: write); Gitea and Forgejo can do the same.
    type: dict
    suboptions:
      client_id:
        description: The client ID of the federated identity, from the admin console.
        type: str
        required: true
      token:
        description: The OIDC token.
        type: str
      token_file:
        description: A file that holds the OIDC token, where the module runs.
        type: path
      audience:
        description: The audience of the token that is requested from the CI runner, as the federated identity has it.
        type: str
  tailnet:
    description: Name of the tailnet; V(-) for the tailnet of the credentials. Headscale has only one.
    type: str
    default: '-'
attributes:
  platform:
    support: full
    platforms: posix
    description: Runs wherever Python and the library requests are installed.
  action_group:
    support: full
    description: Use C(group/homelab.tailsync.tailscale_api) in C(module_defaults).
    membership:
      - homelab.tailsync.tailscale_api
"""
