# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The implementation of tailscale_node: gather, plan, apply, wait. The decisions are in _plan.py and _wait.py.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common.tailnet import first_label, label_of
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import (
    _exit_node,
    _login,
    _options,
    _plan,
    _prefs,
    _wait,
)
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import (
    DaemonUnavailable,
    LoginFailed,
    NoAnswer,
    NodeError,
)
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import LocalAPI
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._manners import other_tags
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._status import (
    describe,
    has_login,
    is_connected,
    is_cut_off,
    login_error,
    login_is_over,
    node_id,
    refusal,
    tags_of,
    unknown_node,
    warnings_of,
)

POLL = 0.2  # seconds
Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)


def apply(api: LocalAPI, params: t.Mapping[str, t.Any], check_mode: bool, ssh_connection: str = "") -> Json:
    """Apply the declared state. Each step follows from the node's state, so if tailscaled restarts they begin again."""
    node = Node(api, _options.wanted(params, ssh_connection), check_mode)
    work = node.leave if params["state"] == "absent" else node.join
    deadline = time.monotonic() + params["timeout"]
    while True:
        last = time.monotonic() > deadline
        try:
            return work()
        except DaemonUnavailable:
            if check_mode:
                # If the package is not installed yet, check mode can only report that everything is still to be done.
                node.joined = params["state"] == "present"
                return node.result({}, {}, unknown_node())
            if last:
                raise
        time.sleep(POLL)


class Node:
    """Executes a plan and waits for the result; raises NodeError, and DaemonUnavailable if tailscaled does not answer."""

    def __init__(self, api: LocalAPI, wanted: _options.Wanted, check_mode: bool) -> None:
        self.api = api
        self.wanted = wanted
        self.check_mode = check_mode
        self.first: Json | None = None  # the state before anything was sent
        self.joined = False

    # --- joining --------------------------------------------------------------------------------

    def join(self) -> Json:
        status = self.wait(_wait.STARTED)
        if not self.check_mode and not self.wanted.origin.over_tailnet:
            status = self.look_again(status)
        prefs = self.api.prefs()
        plan = _plan.join(status, prefs, self.wanted)
        if self.check_mode:
            if plan.login or plan.edit:
                self.api.check_prefs(plan.prefs)
            self.joined = plan.login is not None
        else:
            self.first = self.first or plan.before
            status = self.log_in(plan.login, status, prefs, plan) if plan.login else self.edit(status, plan)
            if plan.exit_node:
                self.set_exit_node(plan.exit_node)
        return self.result(plan.before, plan.after, describe(status))

    def edit(self, status: Json, plan: _plan.Join) -> Json:
        if plan.edit:
            _plan.refuse_dropped(plan.options, plan.prefs, self.api.edit_prefs(plan.edit))
        status = self.wait(_wait.UP, status)
        login = _login.needed(status, plan.prefs, self.wanted.params)
        if not login:
            return self.wait_for_name(status) if plan.edit.get("HostnameSet") else status
        # A node that was down showed neither its tags nor that its key has expired.
        _login.refuse(login, self.wanted.origin.over_tailnet, self.wanted.params)
        wish = {**plan.prefs, **_login.preferences(status, plan.prefs, self.wanted.params)}
        return self.log_in(login, status, plan.prefs, plan._replace(prefs=wish))

    def log_in(self, login: _login.Login, status: Json, prefs: Json, plan: _plan.Join) -> Json:
        goal = _wait.logged_in(status, plan.prefs["ControlURL"], _login.whose(plan.prefs, self.wanted.params))
        self.api.start(self.wanted.params["auth_key"], plan.prefs)
        if not has_login(status):
            self.api.login_interactive()  # else `start` logs in, and a second registration would spend the key twice
        try:
            self.wait_shortly(_wait.begun(status))
            status = self.wait(goal)
        except LoginFailed as failure:
            status = self.undo_login(failure, login, prefs, plan)
        self.joined = True
        _plan.refuse_dropped(plan.options, plan.prefs, self.api.prefs())
        return self.wait_for_name(self.wait_for_tags(status))

    def undo_login(self, failure: LoginFailed, login: _login.Login, prefs: Json, plan: _plan.Join) -> Json:
        """End a failed login, and restore what was before. Returns the status if the node is up nevertheless."""
        if login.can_be_restored:
            raise NodeError(f"{failure}{self.restore_login(prefs)}") from failure
        # The answer to a login that worked may have been lost, and tailscaled then tries again with a spent key.
        status = self.api.status()
        if has_login(status) and refusal(status) is not None:
            up = self.restart(plan.prefs)
            if up is not None and is_connected(up):
                return up
        self.api.start("", prefs)
        raise failure

    def restore_login(self, prefs: Json) -> str:
        """Restore the earlier login, which still works, after a new one has failed. Returns a text for the message."""
        up = self.restart({**prefs, "WantRunning": True, "LoggedOut": False})
        if up is not None and is_connected(up):
            return ". The node keeps its earlier login"
        return ". The earlier login of the node was restored, but the control server has not confirmed that yet"

    def restart(self, prefs: Json) -> Json | None:
        """Start without a key, which ends an attempt to log in, and wait a few seconds for what comes of it."""
        before = self.api.status()
        self.api.start("", prefs)
        self.wait_shortly(_wait.begun(before))
        return self.wait_shortly(_wait.decided(before), self.wanted.needs_peers)

    def look_again(self, status: Json) -> Json:
        """The status after a start without a key, if only that tells whether the node's login works; else the given one."""
        # An earlier run may have repeated a login that had worked, with a spent key.
        repeated = has_login(status) and refusal(status) is not None and not self.wanted.params["auth_key"]
        if not repeated and is_cut_off(status):
            status = self.wait_shortly(_wait.decided({}), self.wanted.needs_peers) or status
        # A node that is up without its control server may have been deleted there.
        deleted = is_cut_off(status) and not login_is_over(status) and login_error(status) is None
        if not repeated and not deleted:
            return status
        return self.restart(self.api.prefs()) or self.api.status(peers=self.wanted.needs_peers)

    def set_exit_node(self, given: str) -> None:
        """Set the exit node after a login: peers have names only once the node is in the tailnet."""
        status = self.wait_shortly(lambda now: _exit_node.find(given, now) is not None, peers=True)
        peer = _exit_node.find(given, status) if status else None
        if peer is None:
            raise NodeError(_exit_node.missing(given, self.api.status(peers=True)))
        prefs, option = self.api.prefs(), {"exit_node": peer}
        wish = _prefs.wanted(prefs, option)
        edit = _prefs.masked(prefs, wish)
        if edit:
            _plan.refuse_dropped(option, wish, self.api.edit_prefs(edit))

    # --- leaving --------------------------------------------------------------------------------

    def leave(self) -> Json:
        status, prefs = self.api.status(), self.api.prefs()
        plan = _plan.leave(status, prefs, self.wanted)
        if plan.needed and not self.check_mode:
            self.first = self.first or plan.before
            if plan.reset:
                self.api.start("", plan.reset)
            if plan.log_out:
                self.log_out(_login.server_of(prefs))
            status = self.wait(_wait.LOGGED_OUT)
        return self.result(plan.before, plan.after, describe(status))

    def log_out(self, server: str) -> None:
        timeout = self.wanted.params["timeout"]
        try:
            self.api.logout(timeout)
        except NodeError as error:
            if isinstance(error, DaemonUnavailable) and not isinstance(error, NoAnswer):
                raise
            raise NodeError(
                f"the control server {server} has not confirmed the logout within {timeout} s ({error}): "
                "the node is down, but still a member of its tailnet. Run again when the server answers, or remove the machine "
                "there"
            ) from error

    # --- result ---------------------------------------------------------------------------------

    def result(self, before: Json, after: Json, node: Json) -> Json:
        before = self.first or before
        return {
            "changed": self.joined or before != after,
            "joined": self.joined,
            "node": node,
            "requests": {"reads": self.api.reads, "writes": self.api.writes},
            "diff": {"before": before, "after": after},
            "warnings": warnings_of(node) if self.wanted.params["state"] == "present" else [],
        }

    # --- waiting --------------------------------------------------------------------------------

    def wait(self, goal: _wait.Goal, status: Json | None = None) -> Json:
        started = time.monotonic()
        while status is None or not goal.reached(status):
            status = self.api.status(peers=self.wanted.needs_peers)
            if goal.reached(status):
                break
            failure = _wait.failure(goal, status, time.monotonic() - started, self.wanted.params["timeout"])
            if failure:
                raise failure
            time.sleep(POLL)
        return status

    def wait_shortly(self, done: t.Callable[[Json], bool], peers: bool = False) -> Json | None:
        """Wait a few seconds for a condition. Returns the status that meets it; None if none did."""
        deadline = time.monotonic() + _wait.SETTLE_TIMEOUT
        while time.monotonic() < deadline:
            status = self.api.status(peers=peers)
            if done(status):
                return status
            time.sleep(POLL)
        return None

    def wait_for_tags(self, status: Json) -> Json:
        tags = self.wanted.params["tags"]
        if tags is None or tags_of(status) == tags:
            return status
        status = self.wait_shortly(lambda now: tags_of(now) == tags) or self.api.status()
        if tags_of(status) == tags:
            return status
        whose = _login.whose(self.api.prefs(), self.wanted.params)
        raise NodeError(
            f"the node has joined, but the control server gave it the tags {_login.listed(tags_of(status))} where "
            f"tags asks for {_login.listed(tags)}: {other_tags(tags, node_id(status), whose)}"
        )

    def wait_for_name(self, status: Json) -> Json:
        """Wait until the control server has named the node by its hostname; a name that is taken it does not give."""
        names = ("", label_of(self.wanted.options.get("hostname")))
        if not names[1] or _name_of(status) in names:
            return status
        found = self.wait_shortly(lambda now: _name_of(now) in names, self.wanted.needs_peers)
        return found or self.api.status(peers=self.wanted.needs_peers)


def _name_of(status: Json) -> str:
    return first_label((status.get("Self") or {}).get("DNSName"))
