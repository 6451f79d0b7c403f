# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the change of a node from its present to its declared state: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _exit_node, _login, _prefs, _risk
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import OR_ACCEPT, NodeError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._login import Login
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._options import Wanted
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._status import Status, has_login

Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)
APPROVAL = (
    "the node is in the tailnet but waits for approval (NeedsMachineAuth): approve it in the admin console, "
    "or use a pre-approved auth key, and run again"
)


class Join(t.NamedTuple):
    """A plan to join a node to its tailnet with the declared preferences."""

    login: Login | None
    options: Json  # the declared preferences, with the exit node's ID, or without the exit node
    prefs: Json  # the wanted preferences
    edit: Json  # the preferences that change
    exit_node: str  # an exit node that can be set only once the node is in the tailnet; else empty
    before: Json
    after: Json


class Leave(t.NamedTuple):
    """A plan to log a node out of its tailnet."""

    reset: Json | None  # preferences that end an attempt to join, or an interrupted logout
    log_out: bool
    before: Json
    after: Json

    @property
    def needed(self) -> bool:
        return self.before != self.after


def join(status: Status, prefs: Status, wanted: Wanted) -> Join:
    """Plan a join. Raises NodeError for a change that would end the run's own connection, and for a login without a key."""
    params = wanted.params
    login = _login.needed(status, prefs, params)
    if status["BackendState"] == "NeedsMachineAuth" and not login:
        raise NodeError(APPROVAL)
    options, later = _exit_node.by_id(wanted.options, status, login is not None)
    wish = {**_prefs.wanted(prefs, options), "WantRunning": True, "LoggedOut": False}
    if login:
        wish.update(_login.preferences(status, prefs, params))
        _login.refuse(login, wanted.origin.over_tailnet, params)
    if not params["accept_risk"]:
        # To decide whether the connection ends, the name of an exit node is as good as its unknown ID.
        foreseen = _prefs.wanted(wish, wanted.options) if later else wish
        _risk.refuse_self_disconnect(prefs, foreseen, wanted.options, status, wanted.origin)
    before = {"state": status["BackendState"], **_describe(status, prefs, options, wanted)}
    return Join(
        login=login,
        options=options,
        prefs=wish,
        edit=_prefs.masked(prefs, wish),
        exit_node=wanted.options["exit_node"] if later else "",
        before=before,
        after={**before, **_declared(wish, wanted), **_login.declared(params, prefs), "state": "Running"},
    )


def _describe(status: Status, prefs: Status, options: Json, wanted: Wanted) -> Json:
    """The present values of the declared options; an exit node by the name that the user gave."""
    present = {**_prefs.describe(prefs, wanted.options), **_login.describe_present(status, prefs, wanted.params)}
    same_node = "exit_node" in options and present["exit_node"] == options["exit_node"]
    return {**present, "exit_node": wanted.options["exit_node"]} if same_node else present


def _declared(wish: Json, wanted: Wanted) -> Json:
    given = {"exit_node": wanted.options["exit_node"]} if "exit_node" in wanted.options else {}
    return {**_prefs.describe(wish, wanted.options), **given}


def leave(status: Status, prefs: Status, wanted: Wanted) -> Leave:
    """Plan a logout. Raises NodeError if the run came over the tailnet that the node is to leave."""
    inside = has_login(status)
    # An unfinished join continues in the background until it is cancelled.
    trying = bool(prefs.get("WantRunning")) and not inside
    if inside and wanted.origin.over_tailnet and not wanted.params["accept_risk"]:
        raise NodeError(
            "state: absent would end the connection of this run, which is over the tailnet: run it from the LAN "
            f"or a console, {OR_ACCEPT}"
        )
    before = {"state": status["BackendState"], "logged_in": inside or trying}
    # After an interrupted logout tailscaled has only a part of its state.
    ends = trying or (inside and bool(prefs.get("LoggedOut")))
    return Leave(
        reset={**prefs, "WantRunning": False, "LoggedOut": True} if ends else None,
        log_out=inside,
        before=before,
        after={"state": "NeedsLogin", "logged_in": False} if inside or trying else before,
    )


def refuse_dropped(options: Json, wish: Json, taken: Json) -> None:
    """Raise NodeError if tailscaled accepted the preferences without an error but has others."""
    for name, (wanted, found) in _prefs.dropped(wish, taken, options).items():
        raise NodeError(
            f"{name} is to be {wanted}, and tailscaled accepted that without an error, but has {found}: this version of it does "
            f"not know the preference, or a policy of this host or its tailnet sets it. Leave {name} out for this host"
        )
