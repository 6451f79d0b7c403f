# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the Tailscale modules: name, place in tailscaled's preferences, and specification of each.

To add a preference of a node, add three things: a row of PREFERENCES, the option in the DOCUMENTATION of tailscale_node, and a
row of EVERY in tests/support/tailscale_preferences.py. A unit test says which of them is missing.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

from ansible_collections.homelab.tailsync.plugins.module_utils._common.table import (
    DIRECT,
    INVERTED,
    LOCAL,
    PART,
    Key,
    Spec,
    Table,
    rows,
    spec_of,
)

SOCKET = "/run/tailscale/tailscaled.sock"
TAILSCALE_API = "https://api.tailscale.com"
NETFILTER_MODES = ("off", "nodivert", "on")  # the index is tailscaled's number

TEXT: Spec = {"type": "str"}
BOOL: Spec = {"type": "bool"}
INT: Spec = {"type": "int"}
TEXTS: Spec = {"type": "list", "elements": "str"}

CONNECTION: Spec = {"socket": {"type": "path", "default": SOCKET}}

# Options of the module itself and of a login (_login.py).
LOGIN: Table = (
    Key("state", None, {"type": "str", "choices": ["present", "absent"], "default": "present"}, LOCAL),
    Key("auth_key", None, {"type": "str", "no_log": True}, LOCAL),
    Key("login_server", "ControlURL", TEXT, PART),
    Key("tags", "AdvertiseTags", TEXTS, PART),
    Key("accept_risk", None, {"type": "bool", "default": False}, LOCAL),
    Key("timeout", None, {"type": "int", "default": 20}, LOCAL),
)
# tailscale.com/ipn/prefs.go. A row in the form PART is translated by a function of _prefs.py.
PREFERENCES: Table = (
    Key("hostname", "Hostname", TEXT),
    Key("nickname", "ProfileName", TEXT),
    Key("operator", "OperatorUser", TEXT),
    Key("accept_dns", "CorpDNS", BOOL),
    Key("accept_routes", "RouteAll", BOOL),
    Key("advertise_routes", "AdvertiseRoutes", TEXTS, PART),
    Key("advertise_exit_node", "AdvertiseRoutes", BOOL, PART),
    Key("snat_subnet_routes", "NoSNAT", BOOL, INVERTED),
    Key("shields_up", "ShieldsUp", BOOL),
    Key("ssh", "RunSSH", BOOL),
    Key("webclient", "RunWebClient", BOOL),
    Key("exit_node", "ExitNodeID", TEXT, PART),
    Key("exit_node_allow_lan_access", "ExitNodeAllowLANAccess", BOOL),
    Key("stateful_filtering", "NoStatefulFiltering", BOOL, INVERTED),
    Key("netfilter_mode", "NetfilterMode", {"type": "str", "choices": list(NETFILTER_MODES)}, PART),
    Key("advertise_connector", ("AppConnector", "Advertise"), BOOL),
    Key("report_posture", "PostureChecking", BOOL),
    Key("auto_update", ("AutoUpdate", "Apply"), BOOL),
    Key("update_check", ("AutoUpdate", "Check"), BOOL),
    Key("relay_server_port", "RelayServerPort", INT, PART),
    Key("relay_server_static_endpoints", "RelayServerStaticEndpoints", TEXTS, PART),
)
# By option: the rows that one common rule translates.
TRANSLATED = rows(PREFERENCES, DIRECT, INVERTED)

NODE: Spec = spec_of((*LOGIN, *PREFERENCES))
NODE_INFO: Spec = {
    "missing_ok": {"type": "bool", "default": False},
    **spec_of(tuple(key for key in LOGIN if key.option in ("login_server", "tags", "accept_risk"))),
    "api": {"type": "str", "choices": ["tailscale", "headscale"]},
    "timeout": {"type": "int", "default": 0},
}
# How the modules of the administrative API log in to it.
OIDC: Spec = {
    "client_id": {"type": "str", "required": True},
    "token": {"type": "str", "no_log": True},
    "token_file": {"type": "path", "no_log": False},
    "audience": {"type": "str"},
}
CREDENTIALS: Spec = {
    "api": {"type": "str", "choices": ["tailscale", "headscale"], "default": "tailscale"},
    "base_url": {"type": "str", "default": TAILSCALE_API},
    "oauth_client_id": {"type": "str"},
    "oauth_client_secret": {"type": "str", "no_log": True},
    "api_token": {"type": "str", "no_log": True},
    "oidc": {"type": "dict", "options": OIDC},
    "tailnet": {"type": "str", "default": "-"},
}
AUTH_KEY: Spec = {
    **CREDENTIALS,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "id": {"type": "str"},
    "user": {"type": "str"},
    "tags": {"type": "list", "elements": "str", "default": []},
    "reusable": {"type": "bool", "default": False},
    "ephemeral": {"type": "bool", "default": False},
    "preauthorized": {"type": "bool", "default": True},
    "expiry": {"type": "int", "default": 600},
    "description": {"type": "str", "default": "tailsync"},
    "replace": {"type": "bool", "default": False},
}
DEVICE: Spec = {
    **CREDENTIALS,
    "state": {"type": "str", "choices": ["absent"], "default": "absent"},
    "name": {"type": "str", "required": True},
    "keep": {"type": "list", "elements": "str", "default": []},
}
