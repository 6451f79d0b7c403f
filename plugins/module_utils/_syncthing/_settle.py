# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for devices to connect and folders to come into step, and seeing whether data moves.

Whether it moves is judged by what is still needed: Syncthing takes off what it has of the files that it is just bringing in, in
blocks of up to 16 MiB. On a slow line one of these takes minutes, so what came in over the connections counts as well, unless
another folder has taken it.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

Found = t.Dict[str, t.Any]  # noqa: UP006
Params = t.Mapping[str, t.Any]

POLL = 2.0  # seconds
STALLED_AFTER = 30.0  # seconds in which nothing moved
LEAST_TO_JUDGE = 8.0  # seconds; after less than that it cannot be said that nothing moves
WINDOW = 10.0  # seconds
CHATTER = 512  # bytes a second that devices say to each other without sending data
# While one of these goes on, a folder brings nothing in (lib/model/folderstate.go).
SCANNING = ("scanning", "scan-waiting", "starting")
PREPARING = ("sync-waiting", "sync-preparing", "cleaning", "clean-waiting")
# Of what Syncthing says of a file, what it will cure by itself (lib/model/folder_sendrecv.go).
PASSING = ("will retry later", "will try again later", "scheduling scan", "no connected device has")


def passes(failures: t.Iterable[Params]) -> bool:
    """Whether all that failed is of a kind that Syncthing tries again with success."""
    return all(any(text in one["error"] for text in PASSING) for one in failures)


def needs(folder: Params) -> bool:
    """Whether a folder waits for data. One that only sends waits for none, whatever the others have."""
    return folder.get("type") != "sendonly" and bool(folder.get("need_items") or folder.get("need_bytes"))


@dataclasses.dataclass
class Watched:
    """What is known of one folder's movement."""

    most_items: int
    most_bytes: int
    quiet: float = 0.0  # seconds in which nothing moved although it could have
    moving: bool = False

    def update(self, items: int, size: int) -> None:
        self.moving = self.moving or items < self.most_items or size < self.most_bytes
        self.most_items, self.most_bytes = max(items, self.most_items), max(size, self.most_bytes)


class Arrivals:
    """Whether more comes in over the connections, and keeps coming, than talk and what the folders have got of it."""

    def __init__(self, now: float) -> None:
        self.begin = now
        self.unexplained = 0
        self.windows = 0

    def update(self, before: Found, found: Found, now: float) -> None:
        for key, one in found["connections"].items():
            earlier = (before["connections"].get(key) or {}).get("received_bytes", 0)
            self.unexplained += max(0, one["received_bytes"] - earlier)  # it begins again with each connection
        for name, folder in found["folders"].items():
            earlier = (before["folders"].get(name) or {}).get("need_bytes") or 0
            self.unexplained -= max(0, earlier - (folder.get("need_bytes") or 0))
        if now - self.begin >= WINDOW:
            self.windows = self.windows + 1 if self.unexplained > CHATTER * (now - self.begin) else 0
            self.begin, self.unexplained = now, 0

    @property
    def steady(self) -> bool:
        return self.windows > 1  # one may be the first exchange of what there is, without a byte of data


class Watch:
    """Folders from one reading to the next."""

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
            # Only if no other folder can have got what came in, it is this one's.
            watched.moving = watched.moving or (waiting == [name] and self.arrivals.steady)
            if not scanning and folder.get("state") not in PREPARING:
                watched.quiet += passed
        self.found = found

    def moves(self, name: str) -> bool | None:
        """Whether data moved; None if that cannot be said (yet)."""
        watched = self.folders.get(name)
        if watched is None or not needs(self.found["folders"].get(name) or {}):
            return None
        if watched.moving:
            return True
        return False if watched.quiet >= self.stalled_after else None

    def may_improve(self, wait_for: Params) -> bool:
        """Whether there is still something that waiting may cure."""
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
        # What is scanned or prepared for so long is left to itself.
        return self.moves(name) is None and self.last - self.begin < 2 * self.stalled_after


def gather_and_wait(
    gather: t.Callable[[], Found],
    wait_for: Params,
    seconds: float,
    clock: t.Callable[[], float] = time.monotonic,
    sleep: t.Callable[[float], None] = time.sleep,
) -> Found:
    """What was found last, and what moved: gathered until waiting cures nothing that is left of wait_for, or the time is over."""
    begin = clock()
    found = gather()
    watch = Watch(found, clock(), max(LEAST_TO_JUDGE, min(STALLED_AFTER, seconds - POLL)))
    pause = max(POLL, 4 * (clock() - begin))  # so that looking is not what keeps Syncthing busy
    while watch.may_improve(wait_for) and clock() - begin < seconds:
        sleep(max(0.0, min(pause, seconds - (clock() - begin))))
        watch.update(gather(), clock())
    found = watch.found
    for name, folder in found["folders"].items():
        folder["moving"] = watch.moves(name)
    return {**found, "watched": round(watch.last - watch.begin)}


def _needed(folder: Params) -> tuple[int, int]:
    return folder.get("need_items") or 0, folder.get("need_bytes") or 0
