# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whether a node must log in, and with which preferences: pure functions.

Observed with tailscaled 1.102: `start` with a key and `login-interactive` renew an expired login, change tags and move to another
control server, each without logging out first, so that undeclared preferences are kept.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import OR_ACCEPT, NodeError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._status import (
    Status,
    describe,
    has_login,
    login_is_over,
    refusal,
    tags_of,
)

Params = t.Mapping[str, t.Any]

DEFAULT_LOGIN_SERVER = "https://controlplane.tailscale.com"
SYNONYMS = (DEFAULT_LOGIN_SERVER, "https://login.tailscale.com")


class Login(t.NamedTuple):
    """A login that is needed."""

    reason: str
    advice: str = ""  # what to do instead if the run came over the tailnet; empty if there is no connection to lose
    can_be_restored: bool = False  # whether the present login still works


def needed(status: Status, prefs: Status, params: Params) -> Login | None:
    # After a logout that the control server did not answer, the key is still there.
    if not has_login(status) or prefs.get("LoggedOut"):
        return Login("this node is logged out of its tailnet")
    if login_is_over(status):
        expired = describe(status)["key_expired"] or (status.get("Self") or {}).get("Expired")
        refused = f"the control server refused its last login ({refusal(status)})" if refusal(status) else "its login is over"
        return Login(
            f"this node must log in again, because {'its key has expired' if expired else refused}",
            "run it with an auth_key from the LAN or a console, which a node in that state mostly leaves as the only access path",
        )
    server, present = params["login_server"], server_of(prefs)
    if server and not same_server(server, present):
        return Login(
            f"login_server is {server}, but this node is logged in at {present}",
            "run it with an auth_key of the new server from the LAN or a console, or set login_server (for the role "
            "tailscale_login_server) to where the node is",
            can_be_restored=True,
        )
    tags, own = params["tags"], tags_of(status)
    # A node that is down does not know its tags.
    if tags is not None and status["BackendState"] == "Running" and tags != own:
        return Login(
            f"tags are to be {listed(tags)}, but this node has {listed(own)}",
            "change them in the admin console or by its API, or run it with an auth_key from the LAN or a console",
            can_be_restored=True,
        )
    return None


def forbidden(login: Login, over_tailnet: bool, params: Params) -> str | None:
    """The reason not to try a login, because it would end the connection of this run; None if there is none."""
    if not login.advice or not over_tailnet or params["accept_risk"]:
        return None
    return (
        f"{login.reason}. A new login would end the connection of this run, which is over the tailnet: "
        f"{login.advice}, {OR_ACCEPT}"
    )


def refuse(login: Login, over_tailnet: bool, params: Params) -> None:
    """Raise NodeError if this login must not, or cannot, be tried."""
    reason = forbidden(login, over_tailnet, params)
    if reason:
        raise NodeError(reason)
    if params["auth_key"]:
        return
    if not login.advice:
        raise NodeError(
            f"{login.reason}, and auth_key is empty: give one for this run (the role's variable is tailscale_auth_key); "
            "a node that is logged in needs none"
        )
    raise NodeError(
        f"{login.reason}. That takes a new login, and auth_key is empty: give one for this run (the role's variable is "
        "tailscale_auth_key)"
    )


def describe_need(status: Status, prefs: Status, params: Params, over_tailnet: bool) -> dict[str, t.Any] | None:
    """Describe a needed login in the form that tailscale_node_info returns; None if none is needed."""
    login = needed(status, prefs, params)
    return {"reason": login.reason, "refused": forbidden(login, over_tailnet, params)} if login else None


def preferences(status: Status, prefs: Status, params: Params) -> dict[str, t.Any]:
    """The preferences of a login in addition to the declared ones."""
    # A node keeps its control server unless login_server is another one; the server of a failed attempt does not count.
    stays = server_of(prefs) if has_login(status) else DEFAULT_LOGIN_SERVER
    given: dict[str, t.Any] = {"ControlURL": params["login_server"] or stays}
    if not same_server(given["ControlURL"], server_of(prefs)):
        given.update({"ExitNodeID": "", "ExitNodeIP": ""})  # no peer of the other tailnet, so traffic would be lost
    return given if params["tags"] is None else {**given, "AdvertiseTags": params["tags"]}


def describe_present(status: Status, prefs: Status, params: Params) -> dict[str, t.Any]:
    """The present values of the login's declared options."""
    logged_in = has_login(status)
    present = {"login_server": server_of(prefs) if logged_in else None, "tags": tags_of(status) if logged_in else None}
    return {name: value for name, value in present.items() if params[name] is not None}


def declared(params: Params, prefs: Status) -> dict[str, t.Any]:
    """The declared values of the login's options, in the form of `describe_present`."""
    server, tags = params["login_server"], params["tags"]
    wish: dict[str, t.Any] = {}
    if server is not None:
        wish["login_server"] = server_of(prefs) if same_server(server, server_of(prefs)) else server
    if tags is not None:
        wish["tags"] = tags
    return wish


def server_of(prefs: Status) -> str:
    return str(prefs.get("ControlURL") or DEFAULT_LOGIN_SERVER)


def same_server(one: str, other: str) -> bool:
    one, other = one.rstrip("/"), other.rstrip("/")
    return one == other or (one in SYNONYMS and other in SYNONYMS)


def listed(words: t.Iterable[str]) -> str:
    return ", ".join(sorted(words)) or "none"
