# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a user could make a unix socket somewhere."""

from __future__ import annotations

import os
import pathlib
import pwd
import socket
import tempfile

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _listen

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def place(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A directory whose parents let everybody in."""
    (tmp_path / "run").mkdir()
    allowed, inode = _listen._allowed, (tmp_path / "run").stat().st_ino

    def of_the_place_only(status: os.stat_result, uid: int, needed: int) -> bool:
        return (needed == os.X_OK and status.st_ino != inode) or allowed(status, uid, needed)

    monkeypatch.setattr(_listen, "_allowed", of_the_place_only)
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("owner", "group", "mode", "fine"),
    [
        (NOBODY.pw_uid, 0, 0o700, True),
        (NOBODY.pw_uid, 0, 0o500, False),
        (0, NOBODY.pw_gid, 0o770, True),
        (0, NOBODY.pw_gid, 0o750, False),
        (0, 0, 0o777, True),
        (0, 0, 0o755, False),
        (NOBODY.pw_uid, 0, 0o077, False),
    ],
)
def test_who_may_write_there(place: pathlib.Path, owner: int, group: int, mode: int, fine: bool) -> None:
    os.chown(place, owner, group)
    place.chmod(mode)
    problem = _listen.socket_problem(str(place / "gui.sock"), NOBODY.pw_uid)
    assert (problem is None) is fine, problem
    assert fine or "may not write to" in str(problem)
    assert _listen.socket_problem(str(place / "gui.sock"), 0) is None


def test_a_socket_that_is_there_is_no_problem(place: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(place)  # its whole path may be longer than a socket's
        listener.bind("gui.sock")
        assert _listen.socket_problem(str(place / "gui.sock"), 0) is None


def test_who_cannot_enter_cannot_write() -> None:
    with tempfile.TemporaryDirectory() as closed:  # a short path, whatever pytest's is: a socket's has a limit
        place = pathlib.Path(closed) / "open"
        place.mkdir()
        place.chmod(0o777)
        assert "may not enter" in str(_listen.socket_problem(str(place / "gui.sock"), NOBODY.pw_uid))
