# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a node to what is declared: read, decide, send the smallest change, wait.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailnet import first_label, label_of
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _login, _options, _prefs, _risk
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import (
    DaemonUnavailable,
    LocalAPI,
    NoAnswer,
    NodeError,
)
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._status import (
    describe,
    has_login,
    is_up,
    login_error,
    login_is_over,
    node_key,
    peers_of,
    refusal,
    tags_of,
    unknown_node,
)

POLL = 0.2  # seconds
# What comes with the first network map or soon after it: how long to wait for that.
SOON = 5  # seconds
Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)


class Runner:
    def __init__(self, api: LocalAPI, params: t.Mapping[str, t.Any], check_mode: bool, ssh_connection: str = "") -> None:
        """`ssh_connection` is sshd's SSH_CONNECTION: client address and port, server address and port."""
        self.api = api
        tags = params["tags"]
        declared = {"tags": None if tags is None else sorted(set(tags)), "login_server": params["login_server"] or None}
        self.params = {**params, **declared}
        self.check_mode = check_mode
        self.connection = _risk.connection(ssh_connection)
        self.options = _options.declared(params)
        self.with_peers = bool(self.options.get("exit_node") or self.options.get("accept_routes"))
        self.first: Json | None = None  # how it was before anything was sent
        self.joined = False

    def run(self) -> Json:
        """Each step follows from the state, so when tailscaled restarts in between they begin again."""
        deadline = time.monotonic() + self.params["timeout"]
        while True:
            result = self._attempt(last=time.monotonic() > deadline)
            if result is not None:
                return result
            time.sleep(POLL)

    def _attempt(self, last: bool) -> Json | None:
        try:
            return self._leave(self.api.status()) if self.params["state"] == "absent" else self._present(self._settled())
        except DaemonUnavailable:
            if self.check_mode:
                # Before the package is installed a check can only say that everything is still to be done.
                self.joined = self.params["state"] == "present"
                return self._result({}, {}, unknown_node())
            if last:
                raise
        return None

    # --- in the tailnet -------------------------------------------------------------------------

    def _present(self, status: Json) -> Json:
        prefs = self.api.prefs()
        login = _login.needed(status, prefs, self.params)
        if status["BackendState"] == "NeedsMachineAuth" and not login:
            raise NodeError(APPROVAL)
        options, later = self._with_exit_node_by_id(status, login)
        wish = {**_prefs.wanted(prefs, options), "WantRunning": True, "LoggedOut": False}
        if login:
            wish.update(_login.preferences(status, prefs, self.params))
            self._refuse_login(login)
        # For what cuts a connection any exit node is as good as the one whose ID is not known yet.
        self._refuse_to_cut_the_own_connection(status, prefs, _prefs.wanted(wish, self.options) if later else wish)
        before = {"state": status["BackendState"], **self._view(status, prefs, options)}
        after = {**before, **self._asked(wish), **_login.declared(self.params, prefs), "state": "Running"}
        edit = _prefs.masked(prefs, wish)
        if self.check_mode:
            if login or edit:
                self.api.check_prefs(wish)
            self.joined = login is not None
        else:
            self.first = self.first or before
            status = self._log_in(login, status, prefs, wish, options) if login else self._edited(status, wish, edit, options)
            if later:
                self._set_exit_node(self.options["exit_node"])
        return self._result(before, after, describe(status))

    def _edited(self, status: Json, wish: Json, edit: Json, options: Json) -> Json:
        if edit:
            _refuse_what_was_dropped(options, wish, self.api.edit_prefs(edit))
        status = self._wait(lambda now: is_up(now) or login_is_over(now), "come up", status)
        login = _login.needed(status, wish, self.params)
        if not login:
            return self._with_name(status) if edit.get("HostnameSet") else status
        # A node that was down did not show that its key has expired, nor its tags.
        self._refuse_login(login)
        return self._log_in(login, status, wish, {**wish, **_login.preferences(status, wish, self.params)}, options)

    def _log_in(self, login: _login.Login, status: Json, prefs: Json, wish: Json, options: Json) -> Json:
        key, earlier = node_key(status), refusal(status)
        self.api.start(self.params["auth_key"], wish)
        self.api.login_interactive()
        try:
            # Until the new login is there, tailscaled shows the old one as if it went on.
            status = self._wait(
                lambda now: is_up(now) and node_key(now) != key, "log in", earlier=earlier, server=wish["ControlURL"]
            )
        except LoginFailed as failure:
            raise NodeError(f"{failure}{self._set_back(prefs) if login.returns else ''}") from failure
        self.joined = True
        _refuse_what_was_dropped(options, wish, self.api.prefs())
        return self._with_name(self._with_tags(status))

    def _set_back(self, prefs: Json) -> str:
        """A login that still works is not given up for one that does not."""
        self.api.start("", {**prefs, "WantRunning": True, "LoggedOut": False})
        deadline = time.monotonic() + SOON
        while time.monotonic() < deadline:
            status = self.api.status()
            if is_up(status) and login_error(status) is None and (status.get("Self") or {}).get("Online"):
                return ". The node goes on as it was before"
            time.sleep(POLL)
        return ". The node was set back to how it was before, but the control server has not confirmed that yet"

    def _with_tags(self, status: Json) -> Json:
        tags = self.params["tags"]
        deadline = time.monotonic() + SOON
        while tags is not None and tags_of(status) != tags:
            if time.monotonic() > deadline:
                raise NodeError(
                    f"the node has joined, but the control server gave it the tags {_login.listed(tags_of(status))} where tags "
                    f"asks for {_login.listed(tags)}: a key brings its own tags, and others only an owner of theirs may give "
                    "(tagOwners in the access policy). Make a key with exactly these tags, or set tags to what the node has"
                )
            time.sleep(POLL)
            status = self.api.status()
        return status

    def _with_name(self, status: Json) -> Json:
        """The control server names a node by its hostname, and tells it soon after; it does not give a name that is taken."""
        wanted, deadline = label_of(self.options.get("hostname")), time.monotonic() + SOON
        while wanted and _name_of(status) not in ("", wanted) and time.monotonic() < deadline:
            time.sleep(POLL)
            status = self.api.status(peers=self.with_peers)
        return status

    # --- out of it ------------------------------------------------------------------------------

    def _leave(self, status: Json) -> Json:
        prefs = self.api.prefs()
        # A join that was given up goes on in the background until it is told not to.
        trying = bool(prefs.get("WantRunning")) and not has_login(status)
        inside = has_login(status)
        before = {"state": status["BackendState"], "logged_in": inside or trying}
        if inside and self.connection.over_tailnet and not self.params["accept_risk"]:
            raise NodeError(
                "state: absent would end the connection that this run came in by, which is over the tailnet: run it from the LAN "
                "or a console, or set accept_risk: true if you have another way in"
            )
        if (inside or trying) and not self.check_mode:
            self.first = self.first or before
            if not inside or prefs.get("LoggedOut"):  # or a logout that was cut off, of which tailscaled remembers only half
                self.api.start("", {**prefs, "WantRunning": False, "LoggedOut": True})
            if inside:
                self._log_out(_login.server_of(prefs))
            status = self._wait(lambda now: now["BackendState"] == "NeedsLogin" and not has_login(now), "log out")
        return self._result(before, {"state": "NeedsLogin", "logged_in": False} if inside or trying else before, describe(status))

    def _log_out(self, server: str) -> None:
        try:
            self.api.logout(self.params["timeout"])
        except NodeError as error:
            if isinstance(error, DaemonUnavailable) and not isinstance(error, NoAnswer):
                raise
            raise NodeError(
                f"the control server {server} has not taken the logout, for which the run waits {self.params['timeout']} s at "
                f"most ({error}): the node is down, but still a member of its tailnet. Run again when the server answers, or "
                "remove the machine there"
            ) from error

    # --- what comes back ------------------------------------------------------------------------

    def _result(self, before: Json, after: Json, node: Json) -> Json:
        before = self.first or before
        return {
            "changed": self.joined or before != after,
            "joined": self.joined,
            "node": node,
            "requests": {"reads": self.api.reads, "writes": self.api.writes},
            "diff": {"before": before, "after": after},
        }

    def _view(self, status: Json, prefs: Json, options: Json) -> Json:
        """What is declared, as it is; an exit node by the name that the user has for it."""
        present = {**_prefs.view(prefs, self.options), **_login.view(status, prefs, self.params)}
        same_node = "exit_node" in options and present["exit_node"] == options["exit_node"]
        return {**present, "exit_node": self.options["exit_node"]} if same_node else present

    def _asked(self, wish: Json) -> Json:
        given = {"exit_node": self.options["exit_node"]} if "exit_node" in self.options else {}
        return {**_prefs.view(wish, self.options), **given}

    # --- exit node ------------------------------------------------------------------------------

    def _with_exit_node_by_id(self, status: Json, login: _login.Login | None) -> tuple[Json, bool]:
        """The options with the exit node by its ID; without it, and true, if that can be known only later."""
        given = self.options.get("exit_node", "")
        if not given or given.startswith(_prefs.AUTO):
            return dict(self.options), False
        peer = None if login else _exit_node(given, status)  # a login may lead to other peers
        if peer:
            return {**self.options, "exit_node": peer}, False
        if not login and status["BackendState"] == "Running":
            raise NodeError(_no_exit_node(given, status))
        return {name: value for name, value in self.options.items() if name != "exit_node"}, True

    def _set_exit_node(self, given: str) -> None:
        """Peers have names only once the node is in the tailnet."""
        deadline = time.monotonic() + SOON
        while True:
            status = self.api.status(peers=True)
            peer = _exit_node(given, status)
            if peer:
                break
            if time.monotonic() > deadline:
                raise NodeError(_no_exit_node(given, status))
            time.sleep(POLL)
        prefs, option = self.api.prefs(), {"exit_node": peer}
        wish = _prefs.wanted(prefs, option)
        edit = _prefs.masked(prefs, wish)
        if edit:
            _refuse_what_was_dropped(option, wish, self.api.edit_prefs(edit))

    # --- refusals -------------------------------------------------------------------------------

    def _refuse_login(self, login: _login.Login) -> None:
        if login.way and self.connection.over_tailnet and not self.params["accept_risk"]:
            raise NodeError(
                f"{login.reason}. A new login would end the connection that this run came in by, which is over the tailnet: "
                f"{login.way}, or set accept_risk: true if you have another way in"
            )
        if self.params["auth_key"]:
            return
        if not login.way:
            raise NodeError(
                f"{login.reason}, and auth_key is empty: give one for this run (the role's variable is tailscale_auth_key); "
                "a node that is logged in needs none"
            )
        raise NodeError(
            f"{login.reason}. That takes a new login, and auth_key is empty: give one for this run (the role's variable is "
            "tailscale_auth_key)"
        )

    def _refuse_to_cut_the_own_connection(self, status: Json, prefs: Json, wish: Json) -> None:
        # Some providers give their customers addresses of the range that Tailscale uses.
        way_in = self.connection._replace(over_tailnet=self.connection.over_tailnet and has_login(status))
        found = _risk.cuts(prefs, wish, self.options, status, way_in)
        if not found or self.params["accept_risk"]:
            return
        if way_in.over_tailnet:
            came, way = "over the tailnet", "run it from the LAN or a console"
        else:
            came, way = f"from {self.connection.client}", "run it over the tailnet or from a console"
            if "exit_node" in found and not wish.get("ExitNodeAllowLANAccess"):
                way += ", set exit_node_allow_lan_access: true if that is its LAN"
        raise NodeError(
            f"{' and '.join(found)} would end the connection that this run came in by, which is {came}, because "
            f"{', and '.join(found.values())}: {way}, or set accept_risk: true if you have another way in"
        )

    # --- waiting --------------------------------------------------------------------------------

    def _settled(self) -> Json:
        """The status once tailscaled has made up its mind after its start."""
        return self._wait(lambda now: now.get("BackendState") not in ("NoState", "Starting"), "settle after its start")

    def _wait(
        self,
        done: t.Callable[[Json], bool],
        what: str,
        status: Json | None = None,
        earlier: str | None = None,
        server: str | None = None,
    ) -> Json:
        """`server` is where a login goes; `earlier` is the refusal of the one before it, which may still stand at first."""
        started = time.monotonic()
        while status is None or not done(status):
            status = self.api.status(peers=self.with_peers)
            if done(status):
                break
            no, waited = refusal(status), time.monotonic() - started
            if server and no and (no != earlier or waited > SOON):
                raise LoginFailed(
                    f"the control server refused auth_key: {no}. Make a new key (the role's variable is tailscale_auth_key) and "
                    "run again"
                )
            if status["BackendState"] == "NeedsMachineAuth" and what != "log out":
                raise NodeError(APPROVAL)
            if waited > self.params["timeout"]:
                raise (LoginFailed if server else NodeError)(self._too_long(what, status, server))
            time.sleep(POLL)
        return status

    def _too_long(self, what: str, status: Json, server: str | None) -> str:
        limit, error = self.params["timeout"], login_error(status)
        if error and refusal(status) is None:
            return (
                f"the node did not {what} within {limit} s, because the control server {server or 'of this node'} did not answer "
                f"it ({error}): is it up, is login_server right, and can the host reach it? tailscaled goes on trying; run again "
                "when it answers"
            )
        health = "; ".join(sorted(status.get("Health") or [])) or "tailscaled gives no reason"
        hint = (
            " The control server neither took nor refused auth_key: is login_server right, and can the host reach it?"
            if status["BackendState"] == "NeedsLogin" and server
            else ""
        )
        return f"the node did not {what} within {limit} s: it is {status['BackendState']} ({health}).{hint}"


class LoginFailed(NodeError):
    """The control server did not take the login."""


def _exit_node(given: str, status: Json) -> str | None:
    """The stable ID of the peer that is meant, whichever of its names or addresses was given."""
    for peer in peers_of(status):
        full_name = (peer.get("DNSName") or "").rstrip(".")
        names = {peer.get("ID"), peer.get("HostName"), full_name, full_name.split(".")[0], *(peer.get("TailscaleIPs") or [])}
        if given.rstrip(".") in names:
            if not peer.get("ExitNodeOption"):
                raise NodeError(_no_exit_node(given, status, "which does not offer to be one, or is not approved as one"))
            return str(peer["ID"])
    return None


def _name_of(status: Json) -> str:
    return first_label((status.get("Self") or {}).get("DNSName"))


def _no_exit_node(given: str, status: Json, why: str = "which is no peer of this node") -> str:
    offers = sorted(peer.get("HostName", "") for peer in peers_of(status) if peer.get("ExitNodeOption"))
    return f"exit_node is {given}, {why}; peers that offer to be one: {', '.join(offers) or 'none'}"


def _refuse_what_was_dropped(options: Json, wish: Json, taken: Json) -> None:
    for name, (wanted, found) in _prefs.dropped(wish, taken, options).items():
        raise NodeError(
            f"{name} is to be {wanted}, and tailscaled took that without an error, but has {found}: this version of it does not "
            f"know the preference, or a policy of this host or its tailnet holds it. Leave {name} out for this host"
        )


APPROVAL = (
    "the node is in the tailnet but waits for approval (NeedsMachineAuth): approve it in the admin console, "
    "or use a pre-approved auth key, and run again"
)
