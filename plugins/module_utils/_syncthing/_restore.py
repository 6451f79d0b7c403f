# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put back what was there if a write fails, or if Syncthing does not keep what was written.

If somebody else has changed the configuration in the meantime, it is left as it is: their change may build on this one.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import posixpath
import stat
import time
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common.files import write_whole
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _describe, _disk, _plan, _schema
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._client import Client
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import NotReady, SyncthingError
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._schema import Json, Present

IN_FORCE = "what was there is in force again"
MARKER_WAIT = 2.0  # seconds; Syncthing removes the marker of a removed folder itself
POLL = 0.05


def write(client: Client, writes: t.Iterable[_plan.Write]) -> None:
    for one in writes:
        if one.path == "config/gui":
            # The web interface may restart before it has answered; the result is read back.
            with contextlib.suppress(NotReady):
                client.write(*one)
        else:
            client.write(*one)


def put_back(client: Client, before: _describe.State, plan: _plan.Plan, accepted: bool) -> tuple[bool, str]:
    """Undo the writes of a plan that failed. Returns whether that was done, and a clause about it.

    `accepted` is whether Syncthing accepted all writes, but did not keep them.
    """
    try:
        now = client.config_again()
        state = _describe.State(now, _present_ignores(client, now, plan))
        strange = changed_by_others(before, state, plan, accepted)
        if strange:
            others = ", ".join(strange)
            return False, f"somebody else changed {others} in the meantime, so what this run has written stays in force"
        writes = _plan.back(now, _restorable(before.config, now, client.rehashes()), state.ignores, before.ignores)
        write(client, writes)
        left = differing(before.config, client.config_again() if writes else now)
    except SyncthingError as error:
        return False, f"what this run has written could not be taken back: {error}"
    return True, f"{IN_FORCE}, but for {', '.join(left)}" if left else IN_FORCE


def _restorable(before: Json, now: Json, rehashes: bool) -> Json:
    """What can be written of the configuration before: no folder whose place is not there, since Syncthing would create it."""
    present = Present(now).folders
    folders = [one for one in before["folders"] if one["id"] in present or not _is_missing(one["path"])]
    gui = {**before["gui"], "password": now["gui"]["password"]} if rehashes else before["gui"]
    return {**before, "folders": folders, "gui": gui}


def _is_missing(path: str) -> bool:
    """Whether a directory is certainly not there."""
    try:
        return path.startswith("/") and not pathlib.Path(path).is_dir()
    except OSError:  # such as a FUSE mount that root cannot enter
        return False


def _present_ignores(client: Client, now: Json, plan: _plan.Plan) -> _describe.Ignores:
    present = Present(now).folders
    return {key: client.ignores(key) for key in plan.ignores if key in present}


# --- pure ---------------------------------------------------------------------------------------


class _Object(t.NamedTuple):
    name: str
    before: Json | None
    planned: Json | None
    now: Json | None
    own: t.Collection[str]  # keys that Syncthing sets itself

    def is_changed_by_others(self, accepted: bool) -> bool:
        """Whether it is neither as before nor as planned, and no key that was to change shows that Syncthing replaced it.

        If Syncthing has accepted all writes, it may also have put an old value in place of a new one.
        """
        if _is_as(self.now, self.before, self.own) or _is_as(self.now, self.planned, self.own):
            return False
        if self.now is None or self.planned is None:
            return True
        to_change = {key for key, value in self.planned.items() if self.before is None or not _same(self.before.get(key), value)}
        differs = set(_describe.differing(self.now, self.planned, self.own))
        if not accepted:
            differs &= set(_describe.differing(self.now, self.before, self.own)) if self.before else differs
        return bool(differs) and not to_change & differs


def changed_by_others(before: _describe.State, now: _describe.State, plan: _plan.Plan, accepted: bool) -> list[str]:
    """The objects that were changed neither by the plan nor by Syncthing itself."""
    found = [one.name for one in _objects(before.config, plan.whole, now.config) if one.is_changed_by_others(accepted)]
    for key, lines in now.ignores.items():
        if lines not in (before.ignores.get(key, []), plan.ignores[key]):
            found.append(f"the ignore patterns of folder {key}")
    return found


def differing(before: Json, now: Json) -> list[str]:
    """The objects that are not as they were."""
    return [one.name for one in _objects(before, before, now) if not _is_as(one.now, one.before, one.own)]


def _object(name: str, states: t.Sequence[Json | None], own: t.Collection[str] = ()) -> _Object:
    before, planned, now = states
    return _Object(name, before, planned, now, own)


def _objects(before: Json, planned: Json, now: Json) -> t.Iterator[_Object]:
    states = [Present(before), Present(planned), Present(now)]
    options = states[2].options
    for kind, word in (("devices", "device"), ("folders", "folder")):
        found = [getattr(state, kind) for state in states]
        for key in dict.fromkeys(key for one in found for key in one):
            three = [one.get(key) for one in found]
            some: Json = next((one for one in three if one is not None), {})
            if some.get("introducedBy"):
                continue  # an introducer adds and removes it at any time
            of_device = kind == "devices"
            own = _describe.keys_set_for_device(some, options) if of_device else _describe.keys_set_for_folder(some)
            name = f"{word} {(some.get('name') if of_device else None) or key}"
            yield _object(name, three if of_device else [_without_introduced(one) for one in three], own)
    for kind in sorted({key for state in states for key in state.defaults}):
        yield _object(f"defaults.{kind}", [state.defaults.get(kind) for state in states])
    yield _object("options", [state.options for state in states], _describe.OPTIONS_SET_BY_SYNCTHING)
    yield _object("gui", [state.gui for state in states])
    yield _object("ldap", [config.get("ldap") or {} for config in (before, planned, now)])


def _without_introduced(folder: Json | None) -> Json | None:
    if folder is None:
        return None
    return {**folder, "devices": [one for one in folder.get("devices") or [] if not one.get("introducedBy")]}


def _is_as(now: Json | None, other: Json | None, own: t.Collection[str]) -> bool:
    if now is None or other is None:
        return now is other
    return not _describe.differing(now, other, own)


def _same(one: t.Any, other: t.Any) -> bool:
    return bool(_schema.canonical(one) == _schema.canonical(other))


# --- on the disk --------------------------------------------------------------------------------


class Disk:
    """What a call is about to create on the disk, so that it can be removed again."""

    def __init__(self) -> None:
        self._missing: dict[str, list[str]] = {}  # by folder, the deepest first
        self._ignores: dict[str, tuple[bytes, os.stat_result] | None] = {}  # by root, the old patterns

    def remember(self, folder: Json, has_ignores: bool) -> None:
        """Record the state of a new folder's place, before anything is created there."""
        path, key = folder["path"], folder["id"]
        if not path.startswith("/") or key in self._missing:
            return
        with contextlib.suppress(OSError):
            found = _disk.locate(os.path.realpath(path))
            whole = [posixpath.join(found.anchor, *found.missing[: number + 1]) for number in range(len(found.missing))]
            self._missing[key] = whole[::-1]
            if has_ignores and not whole:
                file = pathlib.Path(path) / _disk.IGNORE_FILE
                self._ignores[key] = (file.read_bytes(), file.stat()) if file.exists() else None

    def undo(self, folders: t.Iterable[Json], ignores: t.Mapping[str, t.Sequence[str]]) -> None:
        """Remove what was created for folders and is still empty, and put their old ignore patterns back."""
        for folder in folders:
            if folder["path"].startswith("/"):
                self._undo(folder, ignores.get(folder["id"]))

    def _undo(self, folder: Json, ignores: t.Sequence[str] | None) -> None:
        key, file = folder["id"], pathlib.Path(folder["path"]) / _disk.IGNORE_FILE
        with contextlib.suppress(OSError):
            if ignores is not None and file.read_bytes() == _disk.ignore_text(ignores):
                self._put_back_ignores(key, file)
        for directory in self._missing.get(key, ()):
            if not _removed(directory):
                return

    def _put_back_ignores(self, key: str, file: pathlib.Path) -> None:
        old = self._ignores.get(key)
        if old is not None:
            content, status = old
            owner = (status.st_uid, status.st_gid)
            write_whole(file, content, mode=stat.S_IMODE(status.st_mode), owner=owner, temporary=_disk.TEMPORARY)
        elif key in self._ignores or self._missing.get(key):
            file.unlink()


def _removed(directory: str) -> bool:
    """Remove an empty directory. Returns whether it is gone; Syncthing may need a moment for its marker."""
    place, deadline = pathlib.Path(directory), time.monotonic() + MARKER_WAIT
    try:
        while place.is_dir() and {one.name for one in place.iterdir()} == {_disk.MARKER} and time.monotonic() < deadline:
            time.sleep(POLL)
        place.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
