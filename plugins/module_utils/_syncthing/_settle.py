# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until devices are connected and folders in sync, and find out whether folders make progress.

A folder makes progress if its needed data become less: Syncthing subtracts the received blocks, of up to 16 MiB, of files in
transfer. On a slow line one block takes minutes, so data that arrive over the connections count as well, unless another folder
can have received them.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

Found = t.Dict[str, t.Any]  # noqa: UP006
Params = t.Mapping[str, t.Any]

POLL = 2.0  # seconds
STALLED_AFTER = 30.0  # seconds without progress
LEAST_TO_JUDGE = 8.0  # seconds; a shorter time without progress proves nothing
WINDOW = 10.0  # seconds
CHATTER = 512  # bytes a second of protocol messages without data
# States in which a folder receives nothing (lib/model/folderstate.go).
SCANNING = ("scanning", "scan-waiting", "starting")
PREPARING = ("sync-waiting", "sync-preparing", "cleaning", "clean-waiting")
# Errors of a file that Syncthing resolves by itself (lib/model/folder_sendrecv.go).
PASSING = ("will retry later", "will try again later", "scheduling scan", "no connected device has")


def passes(failures: t.Iterable[Params]) -> bool:
    """Whether Syncthing resolves all of these errors by itself."""
    return all(any(text in one["error"] for text in PASSING) for one in failures)


def needs(folder: Params) -> bool:
    """Whether a folder waits for data. A folder that only sends never does."""
    return folder.get("type") != "sendonly" and bool(folder.get("need_items") or folder.get("need_bytes"))


@dataclasses.dataclass
class Watched:
    """The observed progress of one folder."""

    most_items: int
    most_bytes: int
    quiet: float = 0.0  # seconds without progress although it was possible
    moving: bool = False

    def update(self, items: int, size: int) -> None:
        self.moving = self.moving or items < self.most_items or size < self.most_bytes
        self.most_items, self.most_bytes = max(items, self.most_items), max(size, self.most_bytes)


class Arrivals:
    """Data that arrive over the connections, without protocol messages and data that folders are known to have received."""

    def __init__(self, now: float) -> None:
        self.begin = now
        self.unexplained = 0
        self.windows = 0

    def update(self, before: Found, found: Found, now: float) -> None:
        for key, one in found["connections"].items():
            earlier = (before["connections"].get(key) or {}).get("received_bytes", 0)
            self.unexplained += max(0, one["received_bytes"] - earlier)  # each new connection starts at 0
        for name, folder in found["folders"].items():
            earlier = (before["folders"].get(name) or {}).get("need_bytes") or 0
            self.unexplained -= max(0, earlier - (folder.get("need_bytes") or 0))
        if now - self.begin >= WINDOW:
            self.windows = self.windows + 1 if self.unexplained > CHATTER * (now - self.begin) else 0
            self.begin, self.unexplained = now, 0

    @property
    def steady(self) -> bool:
        return self.windows > 1  # the first may be only the exchange of indexes, without data


class Watch:
    """The progress of all folders over successive readings."""

    def __init__(self, found: Found, now: float, stalled_after: float = STALLED_AFTER) -> None:
        self.begin = self.last = now
        self.stalled_after = stalled_after
        self.found = found
        self.arrivals = Arrivals(now)
        self.folders = {name: Watched(*_needed(folder)) for name, folder in found["folders"].items()}

    def update(self, found: Found, now: float) -> None:
        passed, self.last = now - self.last, now
        self.arrivals.update(self.found, found, now)
        scanning = any(folder.get("state") in SCANNING for folder in found["folders"].values())
        waiting = [name for name, folder in found["folders"].items() if needs(folder)]
        for name, folder in found["folders"].items():
            watched = self.folders.setdefault(name, Watched(*_needed(folder)))
            watched.update(*_needed(folder))
            # Arriving data belong to this folder only if no other folder can have received them.
            watched.moving = watched.moving or (waiting == [name] and self.arrivals.steady)
            if not scanning and folder.get("state") not in PREPARING:
                watched.quiet += passed
        self.found = found

    def moves(self, name: str) -> bool | None:
        """Whether the folder made progress; None if that is not known (yet)."""
        watched = self.folders.get(name)
        if watched is None or not needs(self.found["folders"].get(name) or {}):
            return None
        if watched.moving:
            return True
        return False if watched.quiet >= self.stalled_after else None

    def may_improve(self, wait_for: Params) -> bool:
        """Whether further waiting may improve anything in `wait_for`."""
        connections, folders = self.found["connections"], self.found["folders"]
        if any(not (connections.get(device) or {}).get("connected") for device in wait_for.get("devices") or []):
            return True
        return any(
            self._folder_may_improve(folders[name], name, peers)
            for name, peers in (wait_for.get("folders") or {}).items()
            if name in folders and not folders[name]["paused"] and not folders[name]["error"]
        )

    def _folder_may_improve(self, folder: Params, name: str, peers: t.Iterable[str]) -> bool:
        states = ((folder["completion"].get(peer) or {}).get("remote_state") for peer in peers)
        if any(state in ("unknown", "notSharing") for state in states):
            return True
        failures = folder.get("failures") or []
        if not passes(failures):
            return False
        if not needs(folder) or failures:
            return bool(failures) and not self.moves(name)
        # The wait ends for a folder that is scanned or prepared for so long.
        return self.moves(name) is None and self.last - self.begin < 2 * self.stalled_after


def gather_and_wait(
    gather: t.Callable[[], Found],
    wait_for: Params,
    seconds: float,
    clock: t.Callable[[], float] = time.monotonic,
    sleep: t.Callable[[float], None] = time.sleep,
) -> Found:
    """Gather until waiting improves nothing in `wait_for` or the time is over. Returns the last facts, with the progress."""
    begin = clock()
    found = gather()
    watch = Watch(found, clock(), max(LEAST_TO_JUDGE, min(STALLED_AFTER, seconds - POLL)))
    pause = max(POLL, 4 * (clock() - begin))  # so that gathering does not keep Syncthing busy
    while watch.may_improve(wait_for) and clock() - begin < seconds:
        sleep(max(0.0, min(pause, seconds - (clock() - begin))))
        watch.update(gather(), clock())
    found = watch.found
    for name, folder in found["folders"].items():
        folder["moving"] = watch.moves(name)
    return {**found, "watched": round(watch.last - watch.begin)}


def _needed(folder: Params) -> tuple[int, int]:
    return folder.get("need_items") or 0, folder.get("need_bytes") or 0
