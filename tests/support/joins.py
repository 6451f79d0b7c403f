# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of joins: in which situation a node is, with which key it logs in, and whose manners its control server has.

A cell is run by the module tailscale_node on a real tailscaled. tests/slow/test_joins.py runs all of them,
tests/integration/tailscale/test_joins.py one of each situation.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import typing as t

from control_servers import Server
from module_call import printed
from tailscaled import Tailscaled, wait_for

Json = t.Dict[str, t.Any]  # noqa: UP006
SHORT = 3  # seconds: the timeout of a run whose control server does not answer
KEY_KINDS = ("single-use", "reusable", "tagged")
MANNERS = ("tailscale", "headscale")
NO_ANSWER = r"did not log in within 3 s, because the control server \S+ did not answer it|did not log in within 3 s: it is"
TAG_COMMAND = r"headscale nodes tag --identifier \d+ --tags tag:other"
EXPIRE_COMMAND = r"headscale nodes expire --identifier (\d+|ID) --disable, and run again with a new key"


class Cell:
    """One cell of the table: a node, a server, and the kind of key."""

    def __init__(self, server: Server, kind: str) -> None:
        self.server, self.kind = server, kind
        self.node = Tailscaled()
        self.declared: Json = {"hostname": "nas", "login_server": server.url, "timeout": 15}
        if kind == "tagged":
            self.declared["tags"] = ["tag:server"]
        self.outputs: list[str] = []
        self.kept = ""

    def key(self, other: bool = False, tags: t.Sequence[str] = ("tag:server",)) -> str:
        """A key for the next run; a reusable one is used again."""
        if self.kind == "reusable" and self.kept and not other:
            return self.kept
        made = self.server.key(self.kind == "reusable", tags if self.kind == "tagged" else (), other)
        self.kept = self.kept if other else made
        return made

    def run(self, key: str = "", **options: t.Any) -> Json:
        """Run tailscale_node, and keep all that it printed, with its invocation."""
        text = printed("tailscale_node", socket=str(self.node.socket), auth_key=key, **{**self.declared, **options})
        self.outputs.append(text)
        return t.cast("Json", json.loads(text))

    def preferences(self) -> Json:
        found = self.node.request("GET", "prefs")
        found.pop("Config", None)
        return t.cast("Json", found)

    def joined(self, **options: t.Any) -> None:
        """Log in for the first time."""
        result = self.run(self.key(), **options)
        assert result.get("joined"), result.get("msg")

    def close(self) -> None:
        self.node.close()


class Row(t.NamedTuple):
    """A situation: what is done to a node before the run that is to put it right."""

    arrange: t.Callable[[Cell], Json]  # returns options of that run
    refused: t.Mapping[tuple[str, str], str] = {}
    cure: t.Callable[[Cell], None] | None = None  # what the message asks for
    logs_in: bool = True


def _fresh(_cell: Cell) -> Json:
    return {}


def _logged_out(cell: Cell) -> Json:
    cell.joined()
    assert cell.run(state="absent")["changed"]
    return {}


def _expired(cell: Cell) -> Json:
    cell.joined()
    cell.server.change("expire")
    cell.node.wait("NeedsLogin")
    return {}


def _deleted(cell: Cell) -> Json:
    cell.joined()
    cell.server.change("delete")
    cell.node.restart()
    return {}


def _renamed(cell: Cell) -> Json:
    cell.joined()
    cell.server.change("rename", "attic")
    cell.node.restart()
    return {}


def _moved(cell: Cell) -> Json:
    result = cell.run(cell.key(other=True), login_server=cell.server.other_url)
    assert result.get("joined"), result.get("msg")
    return {}


def _retagged(cell: Cell) -> Json:
    cell.joined()
    cell.declared["tags"] = ["tag:other"]
    return {}


def _fails_without_an_answer(cell: Cell, how: str, message: str = NO_ANSWER) -> None:
    """A run whose server does not answer fails, with the preferences of before."""
    before, key = cell.preferences(), cell.key()
    cell.server.away(how)
    result = cell.run(key, timeout=SHORT)
    assert result.get("failed"), result
    assert_matches(message, result["msg"])
    assert cell.preferences() == before


def _away_at_the_start(cell: Cell) -> Json:
    _fails_without_an_answer(cell, "away")
    cell.server.back()
    return {}


def _expired_and_away(cell: Cell) -> Json:
    _expired(cell)
    return _away_at_the_start(cell)


def _moved_and_away(cell: Cell) -> Json:
    _moved(cell)
    _fails_without_an_answer(cell, "away", f"({NO_ANSWER}).* The node keeps its earlier login")
    assert cell.node.status()["Self"]["Online"]
    cell.server.back()
    return {}


def _away_in_the_middle(cell: Cell) -> Json:
    _fails_without_an_answer(cell, "middle")
    cell.server.back()
    return {}


def _killed(cell: Cell) -> Json:
    """The module and tailscaled are killed after the server has registered the node, and before it answers."""
    before = cell.server.registered()
    key = cell.key()
    cell.server.away("middle")
    child = os.fork()
    if not child:
        with contextlib.redirect_stdout(io.StringIO()):
            cell.run(key)
        os._exit(0)
    try:
        wait_for(lambda: cell.server.registered() > before, "a registration")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    cell.node.stop(kill=True)
    cell.server.back()
    cell.node.start()
    return {}


def _module_killed(cell: Cell) -> Json:
    """The module is killed between its two requests of a first login."""
    prefs = {**cell.preferences(), "ControlURL": cell.server.url, "WantRunning": True, "LoggedOut": False}
    cell.node.request("POST", "start", {"AuthKey": cell.key(), "UpdatePrefs": prefs})
    return {}


def _keep_expiry_away(cell: Cell) -> None:
    cell.server.change("keep")


def _retag(cell: Cell) -> None:
    cell.server.change("tag", "tag:other")
    wait_for(lambda: cell.node.status()["Self"].get("Tags") == ["tag:other"], "the other tag")


# Headscale keeps the expiry of a node with tags, and no login changes the tags of a node.
KEPT = {("tagged", "headscale"): EXPIRE_COMMAND}
FIXED = {(kind, "headscale"): TAG_COMMAND for kind in KEY_KINDS}
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
    "killed in the middle, the module alone": Row(_module_killed),
}
# Cells that cannot be, with the reason.
IMPOSSIBLE: t.Mapping[str, str] = {
    "deleted, while connected": "the server does not tell the node, which tailscaled shows as Running and Online; verify tells",
}


def assert_matches(pattern: str, text: str) -> None:
    assert re.search(pattern, text), text


def run_cell(name: str, kind: str, server: Server) -> None:
    """Run one cell: it converges in the first undisturbed run, or is refused by the right message with nothing changed."""
    row = ROWS[name]
    cell = Cell(server, kind)
    try:
        options = row.arrange(cell)
        refusal = row.refused.get((kind, server.manners))
        tags = ("tag:other",) if name == "retagged" else ("tag:server",)
        if refusal:
            before = cell.preferences()
            result = cell.run(cell.key(tags=tags), **options)
            assert result.get("failed"), result
            assert_matches(refusal, result["msg"])
            assert cell.preferences() == before
            assert row.cure
            row.cure(cell)
        result = cell.run(cell.key(tags=tags), **options)
        assert not result.get("failed"), result["msg"]
        assert result["joined"] == (row.logs_in and not (refusal and name == "retagged")), result
        assert (result["node"]["backend_state"], result["node"]["online"]) == ("Running", True)
        again = cell.run(**options)
        assert (again["changed"], again["requests"]) == (False, {"reads": 2, "writes": 0})
        assert len(server.names()) == 1
        for secret in server.secrets:
            assert not any(secret in text for text in cell.outputs)
    finally:
        cell.close()
