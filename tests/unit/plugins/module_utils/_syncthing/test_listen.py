# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks whether a user can create a Unix socket in a directory."""

from __future__ import annotations

import os
import pathlib
import pwd
import socket
import stat
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _listen

NOBODY = pwd.getpwnam("nobody")


class Place(t.NamedTuple):
    """A directory that all users may enter. Its owner is simulated, because only root may change it."""

    path: pathlib.Path
    pretend: t.Callable[[int, int, int], None]


@pytest.fixture
def place(short_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    allowed, path = _listen._allowed, short_path / "run"
    path.mkdir()
    inode, given = path.stat().st_ino, {"mode": 0o700, "owner": 0, "group": 0}

    def of_the_place_only(status: os.stat_result, uid: int, needed: int) -> bool:
        if status.st_ino != inode:
            return needed == os.X_OK
        pretended = [stat.S_IFDIR | given["mode"], *status[1:4], given["owner"], given["group"], *status[6:]]
        return allowed(os.stat_result(pretended), uid, needed)

    monkeypatch.setattr(_listen, "_allowed", of_the_place_only)
    return Place(path, lambda owner, group, mode: given.update(owner=owner, group=group, mode=mode))


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
def test_user_needs_write_access_to_the_directory_of_the_socket(
    place: Place, owner: int, group: int, mode: int, fine: bool
) -> None:
    place.pretend(owner, group, mode)
    problem = _listen.socket_problem(str(place.path / "gui.sock"), NOBODY.pw_uid)
    assert (problem is None) is fine, problem
    assert fine or "may not write to" in str(problem)
    assert _listen.socket_problem(str(place.path / "gui.sock"), 0) is None


def test_existing_socket_is_no_problem(place: Place) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place.path / "gui.sock"))
        assert _listen.socket_problem(str(place.path / "gui.sock"), 0) is None


def test_user_needs_access_to_the_parents_of_the_directory(short_path: pathlib.Path) -> None:
    place = short_path / "open"
    place.mkdir()
    place.chmod(0o777)
    assert "may not enter" in str(_listen.socket_problem(str(place / "gui.sock"), NOBODY.pw_uid))
