# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whether a node must log in, and with which preferences: pure functions.

Observed with tailscaled 1.102.5 at Headscale 0.29.2, and at the test server of Tailscale's own sources:

- `start` with a key registers at once if the node has a node key (HaveNodeKey), and with that node key: it cures an expired
  login, a node that was deleted on the server, and moves to another server, each with one registration, so that a single-use
  key suffices. The node key stays the same at Headscale, so it proves nothing.
- Without a node key (a new node, or after a logout) `start` only takes the key, and `login-interactive` registers. Sent to a node
  that has a node key, it registers a second time with a new node key; the server then says "authkey already used", although
  the first registration has worked, and tailscaled repeats that for ever, each second or so, until the next `start`.
- After `start`, tailscaled shows the earlier network map as if it were in force (Running, addresses, tags), but Online is false
  until the control server has answered the login.
- `start` without a key ends an attempt that goes on with a spent or refused one. With the preferences of before, a login that
  still works is back within a second; if it was over, the server asks for another (AuthURL) and nothing is repeated.
- A refused login of a node without a network map (it was deleted and tailscaled restarted) is NoState, and stays that.
- Headscale refuses an auth key for a new node that advertises tags, even those of the key ("requested tags … are invalid or not
  permitted"). At later logins it ignores the advertised ones. It takes the tags of the key for a new node, and for a known node
  that has none; a node that has some keeps them. Only `headscale nodes tag` changes them, and not to none.
- A node with tags that logs out, or that is expired on the server, keeps that expiry at a login: Headscale accepts (and spends)
  the key, and answers that the node key has expired. tailscaled tries again: "authkey already used", or with a reusable key
  "weird: regen=true but server says NodeKeyExpired". `headscale nodes expire --identifier ID --disable` cures it.
- A node that is deleted while it is connected does not learn of it before its connection ends. Then it is Running and not Online;
  `start` without a key makes the server ask for a login.
- While the server does not answer, tailscaled tries again by itself with the key, and succeeds when it is back. A tailscaled that
  is killed between the registration and its answer has no node key; a new key logs it in as the same node.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import OR_ACCEPT, NodeError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._manners import (
    DEFAULT_LOGIN_SERVER,
    HEADSCALE,
    advertised,
    manners,
    retagging,
    same_server,
)
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._status import (
    Status,
    describe,
    has_login,
    login_is_over,
    node_id,
    refusal,
    tags_of,
)

Params = t.Mapping[str, t.Any]
NO_TAGS = "none (an empty list means that; leave tags, for the role tailscale_tags, out to keep those of the node)"


class Login(t.NamedTuple):
    """A login that is needed."""

    reason: str
    advice: str = ""  # what to do instead if the run came over the tailnet; empty if there is no connection to lose
    can_be_restored: bool = False  # whether the present login still works
    cure: str = ""  # what only the control server can do; no login is tried then


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
            f"tags are to be {listed(tags) if tags else NO_TAGS}, but this node has {listed(own)}",
            "change them in the admin console or by its API, or run it with an auth_key from the LAN or a console",
            can_be_restored=True,
            cure=retagging(tags, node_id(status)) if whose(prefs, params) == HEADSCALE else "",
        )
    return None


def whose(prefs: Status, params: Params) -> str:
    """Whose manners the control server of a login has; a node that is to stay where it is has that server's."""
    return params.get("api") or manners(params.get("auth_key"), params["login_server"] or server_of(prefs))


def forbidden(login: Login, over_tailnet: bool, params: Params) -> str | None:
    """The reason not to try a login, because it would not help or would end the run's connection; None if there is none."""
    if login.cure:
        return f"{login.reason}: {login.cure}"
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
    return {**given, **advertised(params["tags"], whose(given, params))}


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


def listed(words: t.Iterable[str]) -> str:
    return ", ".join(sorted(words)) or "none"
