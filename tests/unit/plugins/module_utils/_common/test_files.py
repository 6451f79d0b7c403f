# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file is replaced atomically."""

from __future__ import annotations

import errno
import os
import pathlib
import stat
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._common import files


def test_written_file_has_its_content_and_mode_for_any_umask(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    before = os.umask(0o077)
    try:
        files.write_whole(path, b"first", mode=0o644)
        files.write_whole(path, b"second")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_failed_write_leaves_only_the_old_file(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    files.write_whole(path, b"old")

    def full(_handle: int) -> t.NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_symlink_is_replaced_and_not_followed(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious", encoding="ascii")
    (tmp_path / "file").symlink_to(target)
    files.write_whole(tmp_path / "file", b"new")
    assert target.read_text(encoding="ascii") == "precious"
    assert not (tmp_path / "file").is_symlink()


@pytest.mark.parametrize(("mode", "owner", "refused"), [(0o644, 0, False), (0o600, 0, True), (0o644, 1, True)])
def test_file_system_with_one_owner_is_accepted_only_for_readable_files(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, mode: int, owner: int, refused: bool
) -> None:
    """For example vfat: owners cannot be changed, and all files belong to the owner of the mount."""

    def forbidden(*_arguments: t.Any) -> t.NoReturn:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", forbidden)
    wanted = (os.getuid() + owner, os.getgid())
    if refused:
        with pytest.raises(PermissionError):
            files.write_whole(tmp_path / "file", b"x", mode=mode, owner=wanted)
        assert list(tmp_path.iterdir()) == []
    else:
        files.write_whole(tmp_path / "file", b"x", mode=mode, owner=wanted)
        assert (tmp_path / "file").read_bytes() == b"x"


def test_file_system_without_directory_fsync_is_accepted(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For example a Samba share, or a shared folder of VirtualBox."""
    real = os.fsync

    def of_files_only(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(handle)

    monkeypatch.setattr(os, "fsync", of_files_only)
    files.write_whole(tmp_path / "file", b"x")
    assert (tmp_path / "file").read_bytes() == b"x"


def test_user_is_found_by_name() -> None:
    root = files.user_named("root")
    assert root is not None
    assert root.pw_uid == 0
    assert files.user_named("no-such-user") is None


def test_only_stale_temporary_files_are_removed(tmp_path: pathlib.Path) -> None:
    place = tmp_path / "config.xml"
    mine = [".config.xml.bak", ".config.xml.2026-11-26", "config.xml", ".other.xml.abcd1234"]
    for name in (*mine, ".config.xml.k3_x9a0z"):
        (tmp_path / name).write_text("", encoding="ascii")
    (tmp_path / ".config.xml.abcdefgh").mkdir()
    files.remove_stale(place)
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted([*mine, ".config.xml.abcdefgh"])
