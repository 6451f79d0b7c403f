# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of joins: in which situation a node is, with which key it logs in, and whose manners its control server has.

A cell is run by the module tailscale_node on a real tailscaled. tests/slow/test_joins.py runs all of them,
tests/integration/tailscale/test_joins.py one of each situation.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import re
import signal
import typing as t

from control_servers import Server
from module_call import printed
from tailscaled import Tailscaled, wait_for

Json = t.Dict[str, t.Any]  # noqa: UP006
NOTE = "tailsync for nas"
MODULE_KILLED = "killed in the middle, the module alone"
SHORT = 3  # seconds: the timeout of a run whose control server does not answer
GIVEN = ("single-use", "reusable", "tagged")
MADE = ("by API key", "by OAuth", "by OIDC")  # single-use keys that tailscale_auth_key makes and revokes, as the role does
TAGGED = ("tagged", "by OAuth", "by OIDC")  # a client may only make keys with tags
MANNERS = ("tailscale", "headscale", "headscale-0.30")
NO_KEY = r"http://\S+"  # tailscale_auth_key names the server that it does not reach
NO_ANSWER = r"did not log in within \d s, because the control server \S+ did not answer it|did not log in within \d s: it is"
TAG_COMMAND = r"headscale nodes tag --identifier \d+ --tags tag:other"
EXPIRE_COMMAND = r"headscale nodes expire --identifier (\d+|ID) --disable, and run again with a new key"


class Cell:
    """One cell of the table: a node, a server, and the kind of key."""

    def __init__(self, server: Server, kind: str) -> None:
        self.server, self.kind = server, kind
        self.node = Tailscaled()
        self.declared: Json = {"hostname": "nas", "login_server": server.url, "timeout": 15}
        if kind in TAGGED:
            self.declared["tags"] = ["tag:server"]
        self.outputs: list[str] = []
        self.reusable = ""

    @property
    def whose(self) -> str:
        return self.server.manners.partition("-")[0]

    def key(self, other: bool = False) -> str:
        """A given key; a reusable one is given again."""
        if self.kind != "reusable" or other:
            return self.server.key(tags=self.declared.get("tags", ()) if self.kind in TAGGED else (), other=other)
        self.reusable = self.reusable or self.server.key(reusable=True)
        return self.reusable

    def run(self, key: str = "", **options: t.Any) -> Json:
        """Run tailscale_node."""
        return self.module("tailscale_node", socket=str(self.node.socket), auth_key=key, **{**self.declared, **options})

    def module(self, name: str, **options: t.Any) -> Json:
        """Run a module, and keep what it printed, with its invocation as -vvv shows it. The role hides a new key by no_log."""
        text = printed(name, **options)
        result = t.cast("Json", json.loads(text))
        if result.get("key"):
            self.server.secrets.append(result["key"])
        else:
            self.outputs.append(text)
        return result

    def log_in(self, **options: t.Any) -> Json:
        """Run tailscale_node with a key: a given one, or one that is made if tailscale_node_info asks for it."""
        if self.kind in GIVEN:
            return self.run(self.key(), **options)
        asked: Json = {name: self.declared[name] for name in ("login_server", "tags") if name in self.declared}
        asked.update(socket=str(self.node.socket), api=self.whose, timeout=15)
        need = self.module("tailscale_node_info", **asked)["needs_login"]
        if not need or need["refused"]:
            return self.run(**options)
        api = self.server.api(self.kind)
        tags = self.declared.get("tags", [])
        made = self.module("tailscale_auth_key", **api, tags=tags, description=NOTE, replace=True)
        if made.get("failed"):
            return made
        result: Json = {}
        try:
            result = self.run(made["key"], **options)
        finally:
            if not result.get("joined"):
                self.module("tailscale_auth_key", **api, state="absent", id=made["id"])
        return result

    def preferences(self) -> Json:
        found = self.node.request("GET", "prefs")
        found.pop("Config", None)
        return t.cast("Json", found)

    def joined(self) -> None:
        """Log in for the first time."""
        result = self.log_in()
        assert result.get("joined"), result.get("msg")

    def close(self) -> None:
        self.node.close()


class Row(t.NamedTuple):
    """A situation: what is done to a node before the run that is to put it right."""

    arrange: t.Callable[[Cell], None]
    refused: t.Mapping[tuple[str, str], str] = {}
    cure: t.Callable[[Cell], None] | None = None  # what the message asks for
    logs_in: bool = True


def _fresh(_cell: Cell) -> None:
    """Nothing."""


def _logged_out(cell: Cell) -> None:
    cell.joined()
    assert cell.run(state="absent")["changed"]


def _expired(cell: Cell) -> None:
    cell.joined()
    cell.server.change("expire")
    cell.node.wait("NeedsLogin")


def _deleted(cell: Cell) -> None:
    cell.joined()
    cell.server.change("delete")
    cell.node.restart()


def _renamed(cell: Cell) -> None:
    cell.joined()
    cell.server.change("rename", "attic")
    cell.node.restart()


def _moved(cell: Cell) -> None:
    result = cell.run(cell.server.key(tags=cell.declared.get("tags", ()), other=True), login_server=cell.server.other_url)
    assert result.get("joined"), result.get("msg")


def _retagged(cell: Cell) -> None:
    cell.joined()
    cell.declared["tags"] = ["tag:other"]


def _fails_without_an_answer(cell: Cell, how: str, also: str = "") -> None:
    """A run whose server does not answer fails, with the preferences of before."""
    before, given = cell.preferences(), cell.key() if cell.kind in GIVEN else ""
    cell.server.away(how)
    result = cell.run(given, timeout=SHORT) if given else cell.log_in(timeout=SHORT)
    assert result.get("failed"), result
    assert_matches(NO_KEY if not given and how == "away" else f"({NO_ANSWER}).*{also}", result["msg"])
    assert cell.preferences() == before


def _away_at_the_start(cell: Cell) -> None:
    _fails_without_an_answer(cell, "away")
    cell.server.back()


def _expired_and_away(cell: Cell) -> None:
    _expired(cell)
    _away_at_the_start(cell)


def _moved_and_away(cell: Cell) -> None:
    _moved(cell)
    _fails_without_an_answer(cell, "away", "The node keeps its earlier login")
    assert cell.node.status()["Self"]["Online"]
    cell.server.back()


def _away_in_the_middle(cell: Cell) -> None:
    _fails_without_an_answer(cell, "middle")
    cell.server.back()


def _killed(cell: Cell) -> None:
    """The module and tailscaled are killed after the server has registered the node, and before it answers."""
    before = cell.server.registered()
    given = cell.key() if cell.kind in GIVEN else ""
    cell.server.away("middle")
    child = os.fork()
    if not child:
        with contextlib.redirect_stdout(io.StringIO()):
            _result = cell.run(given) if given else cell.log_in()
        os._exit(0)
    try:
        wait_for(lambda: cell.server.registered() > before, "a registration")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    cell.node.stop(kill=True)
    cell.server.back()
    cell.node.start()


def _module_killed(cell: Cell) -> None:
    """The module is killed between its two requests of a first login."""
    prefs = {**cell.preferences(), "ControlURL": cell.server.url, "WantRunning": True, "LoggedOut": False}
    key = cell.key()
    if cell.kind in MADE:
        made = cell.module(
            "tailscale_auth_key", **cell.server.api(cell.kind), tags=cell.declared.get("tags", []), description=NOTE
        )
        key = made["key"]
    cell.node.request("POST", "start", {"AuthKey": key, "UpdatePrefs": prefs})


def _keep_expiry_away(cell: Cell) -> None:
    cell.server.change("keep")


def _retag(cell: Cell) -> None:
    cell.server.change("tag", "tag:other")
    wait_for(lambda: cell.node.status()["Self"].get("Tags") == ["tag:other"], "the other tag")


# Headscale keeps the expiry of a node with tags, and no login changes the tags of a node.
KEPT = {(kind, "headscale"): EXPIRE_COMMAND for kind in TAGGED}
FIXED = {(kind, "headscale"): TAG_COMMAND for kind in (*GIVEN, *MADE)}
ROWS: t.Mapping[str, Row] = {
    "fresh": Row(_fresh),
    "logged out": Row(_logged_out, KEPT, _keep_expiry_away),
    "expired": Row(_expired, KEPT, _keep_expiry_away),
    "deleted": Row(_deleted),
    "renamed": Row(_renamed, logs_in=False),
    "moved": Row(_moved),
    "retagged": Row(_retagged, FIXED, _retag),
    "server away at the start": Row(_away_at_the_start),
    "server away at the start, expired": Row(_expired_and_away, KEPT, _keep_expiry_away),
    "server away at the start, moved": Row(_moved_and_away),
    "server away in the middle": Row(_away_in_the_middle),
    "killed in the middle": Row(_killed),
    MODULE_KILLED: Row(_module_killed),
}
# Cells that cannot be, with the reason: by situation, kind of key and manners; * is any.
IMPOSSIBLE: t.Mapping[tuple[str, str, str], str] = {
    ("deleted, while connected", "*", "*"): "the server does not tell the node, which stays Running and Online; verify tells",
    ("*", "by OAuth", "headscale"): "Headscale has OAuth clients since 0.30",
    ("*", "by OIDC", "headscale"): "Headscale exchanges no OIDC tokens",
    ("*", "by OIDC", "headscale-0.30"): "Headscale exchanges no OIDC tokens",
    **{("*", kind, "headscale-0.30"): "the same as with 0.29, of which only the API differs" for kind in GIVEN},
}
# Where a made key is left, with the reason.
LEFT: t.Mapping[tuple[str, str, str], str] = {
    (
        MODULE_KILLED,
        "by API key",
        manners,
    ): "Headscale stores no description, so nobody knows whose key it is; it lives 10 minutes"
    for manners in ("headscale", "headscale-0.30")
}


def cells() -> list[tuple[str, str, str]]:
    """All possible cells: situation, kind of key, manners."""
    return [cell for cell in itertools.product(ROWS, (*GIVEN, *MADE), MANNERS) if not reason(*cell)]


def reason(row: str, kind: str, manners: str) -> str:
    """Why a cell is impossible; empty if it is not."""
    keys = itertools.product((row, "*"), (kind, "*"), (manners, "*"))
    return next((IMPOSSIBLE[key] for key in keys if key in IMPOSSIBLE), "")


def assert_matches(pattern: str, text: str) -> None:
    assert re.search(pattern, text), text


def run_cell(name: str, kind: str, server: Server) -> None:
    """Run one cell: it converges in the first undisturbed run, or is refused by the right message with nothing changed."""
    row = ROWS[name]
    cell = Cell(server, kind)
    try:
        row.arrange(cell)
        refusal = row.refused.get((kind, cell.whose))
        if refusal:
            before = cell.preferences()
            result = cell.log_in()
            assert result.get("failed"), result
            assert_matches(refusal, result["msg"])
            assert cell.preferences() == before
            assert row.cure
            row.cure(cell)
        result = cell.log_in()
        assert not result.get("failed"), result["msg"]
        assert result["joined"] == (row.logs_in and not (refusal and row.cure is _retag)), result
        assert (result["node"]["backend_state"], result["node"]["online"]) == ("Running", True)
        again = cell.run()
        assert (again["changed"], again["requests"]) == (False, {"reads": 2, "writes": 0})
        assert len(server.names()) == 1
        assert len(server.unused()) == ((name, kind, server.manners) in LEFT)
        for secret in server.secrets:
            assert not any(secret in text for text in cell.outputs)
    finally:
        cell.close()
