# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What host_info says of a node and of ufw is what their modules would find; in doubt it says nothing."""

from __future__ import annotations

import contextlib
import pathlib
import typing as t

import pytest
import tailscale_call
from ansible_collections.homelab.tailsync.plugins.module_utils._host import declared
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _apply, _lock, _record
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._errors import UfwError
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._record import Record
from tailscale_double import Daemon

LOCKED = Record(armed=False, rolled_back=None, original=True)
UNCHANGED = {"commands": [], "changed": False}
_lock_held = _lock.held


class Module:
    def __init__(self, **params: t.Any) -> None:
        self.params = {"ufw_policy": None, "tailscale_node": None, **params}


@pytest.fixture
def ufw(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> t.Callable[..., bool]:
    def held(timeout: float | None) -> contextlib.AbstractContextManager[int]:
        assert timeout == 0, "a change may take a minute, and the module waits for it as well"
        return _lock_held(tmp_path / "lock", timeout)

    def asked(record: Record = LOCKED, given: t.Any = None, answer: t.Any = None, lock: t.Any = None) -> bool:
        def apply(_ufw: t.Any, params: dict[str, t.Any], check_mode: bool) -> t.Any:
            assert check_mode
            assert params["purge"] is True
            if isinstance(answer, Exception):
                raise answer
            return answer or UNCHANGED

        monkeypatch.setattr(_record, "read", lambda: record)
        monkeypatch.setattr(_apply, "apply", apply)
        with contextlib.ExitStack() as stack:
            if lock:
                stack.enter_context(_lock_held(tmp_path / "lock"))
            monkeypatch.setattr(_lock, "held", held)
            found = declared.ufw(Module(), {"purge": True} if given is None else given)
        monkeypatch.undo()
        return found

    return asked


def test_ufw_without_a_change_matches(ufw: t.Callable[..., bool]) -> None:
    assert ufw()


@pytest.mark.parametrize(
    "differs",
    [
        pytest.param({"answer": {"commands": [["ufw", "enable"]]}}, id="a-command"),
        pytest.param({"answer": {"commands": [], "warnings": ["said at each run"]}}, id="a-warning"),
        pytest.param({"answer": UfwError("ufw status failed")}, id="ufw-fails"),
        pytest.param({"answer": OSError("the disk is full")}, id="the-disk-is-full"),
        pytest.param({"given": {"purge": True, "no_such_option": 1}}, id="an-option-that-it-does-not-have"),
        pytest.param({"record": LOCKED._replace(original=False)}, id="never-locked"),
        pytest.param({"record": LOCKED._replace(armed=True)}, id="a-change-waits-for-its-confirmation"),
        pytest.param({"record": LOCKED._replace(rolled_back={"time": "", "reason": ""})}, id="a-change-was-taken-back"),
        pytest.param({"record": LOCKED._replace(is_open=True)}, id="open"),
        pytest.param({"lock": True}, id="another-change-goes-on"),
    ],
)
def test_ufw_does_not_match_in_doubt(ufw: t.Callable[..., bool], differs: dict[str, t.Any]) -> None:
    assert not ufw(**differs)


def test_unlocked_host_gets_no_lock_file(ufw: t.Callable[..., bool], tmp_path: pathlib.Path) -> None:
    ufw(record=LOCKED._replace(original=False))
    assert list(tmp_path.iterdir()) == []


def test_module_without_options_does_not_match() -> None:
    assert declared.gather(Module()) == {"ufw_policy": False, "tailscale_node": None}
    assert declared.gather(Module(ufw_policy={}, tailscale_node={})) == {"ufw_policy": False, "tailscale_node": None}


def node(daemon: Daemon, came_by: str = "", **options: t.Any) -> t.Any:
    return declared.node({"hostname": "nas", **options}, lambda _path: t.cast("t.Any", daemon), came_by)


def test_matching_node_is_returned_as_by_its_module() -> None:
    daemon = Daemon()
    assert node(daemon, tags=["tag:server"], ssh=False) == tailscale_call.declare(Daemon(), hostname="nas")["node"]
    assert (daemon.writes, daemon.sent) == (0, [])


@pytest.mark.parametrize(
    ("daemon", "options"),
    [
        pytest.param(Daemon(), {"accept_routes": True}, id="a-preference"),
        pytest.param(Daemon(), {"hostname": "attic"}, id="another-name"),
        pytest.param(Daemon(), {"tags": ["tag:other"]}, id="other-tags"),
        pytest.param(Daemon(), {"login_server": "https://headscale.example"}, id="another-server"),
        pytest.param(Daemon(), {"exit_node": "vps"}, id="an-exit-node"),
        pytest.param(Daemon(ExitNodeID="n2"), {"exit_node": "vps"}, id="the-exit-node-that-it-has"),
        pytest.param(Daemon(), {"state": "absent"}, id="to-leave"),
        pytest.param(Daemon(), {"timeout": 0}, id="what-the-module-refuses"),
        pytest.param(Daemon(), {"no_such_option": 1}, id="what-it-does-not-have"),
        pytest.param(Daemon("Stopped"), {}, id="down"),
        pytest.param(Daemon("NeedsLogin"), {}, id="logged-out"),
        pytest.param(Daemon("Starting"), {}, id="just-starting"),
    ],
)
def test_node_does_not_match_in_doubt(daemon: Daemon, options: dict[str, t.Any]) -> None:
    assert node(daemon, **options) is None
    assert daemon.sent == []


def test_node_with_a_warning_does_not_match() -> None:
    daemon = Daemon()
    daemon.expiry = "2020-01-01T00:00:00Z"
    assert node(daemon) is None


def test_missing_tailscaled_does_not_match() -> None:
    daemon = Daemon()
    daemon.missing = True
    assert node(daemon) is None
