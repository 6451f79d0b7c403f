# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting in syncthing_info, with a simulated clock."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _settle

Json = t.Dict[str, t.Any]  # noqa: UP006
PEER = "PEER"
FOLDER: Json = {
    "type": "sendreceive",
    "paused": False,
    "error": None,
    "state": "syncing",
    "failures": [],
    "need_items": 5,
    "need_bytes": 1000,
    "completion": {PEER: {"remote_state": "valid"}},
}
WAIT_FOR: Json = {"devices": [PEER], "folders": {"photos": [PEER]}}


class World:
    """Syncthing's answers as a function of time."""

    def __init__(
        self, state: t.Callable[[float], Json], connected_at: float = 0, received: t.Callable[[float], int] | None = None
    ) -> None:
        self.now = 1000.0
        self.state, self.connected_at = state, connected_at
        self.received = received or (lambda _second: 0)

    def look(self) -> Json:
        second = self.now - 1000
        connection = {"connected": second >= self.connected_at, "received_bytes": self.received(second)}
        folders = self.state(second)
        return {
            "connections": {PEER: connection},
            "folders": folders if "photos" in folders else {"photos": {**FOLDER, **folders}},
        }

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def wait(self, seconds: float = 120, wait_for: Json | None = None) -> tuple[bool | None, float]:
        found = _settle.gather_and_wait(
            self.look, WAIT_FOR if wait_for is None else wait_for, seconds, lambda: self.now, self.sleep
        )
        return found["folders"]["photos"]["moving"], self.now - 1000


IN_SYNC = {"need_items": 0, "need_bytes": 0, "state": "idle"}


def test_wait_without_a_condition_takes_no_time() -> None:
    assert World(lambda _second: IN_SYNC).wait() == (None, 0)
    assert World(lambda _second: {}).wait(wait_for={}) == (None, 0)
    assert World(lambda _second: {}).wait(seconds=0) == (None, 0)


def test_wait_ends_when_the_device_is_connected() -> None:
    assert World(lambda _second: IN_SYNC, connected_at=7).wait() == (None, 8)


def test_wait_ends_with_the_timeout() -> None:
    assert World(lambda _second: IN_SYNC, connected_at=999).wait(seconds=21) == (None, 21)


@pytest.mark.parametrize("state", ["unknown", "notSharing"])
def test_wait_lasts_until_the_peer_shares_the_folder(state: str) -> None:
    def states(second: float) -> Json:
        return {**IN_SYNC, "completion": {PEER: {"remote_state": state if second < 5 else "valid"}}}

    assert World(states).wait() == (None, 6)


def test_fewer_needed_bytes_are_progress() -> None:
    assert World(lambda second: {"need_items": 1, "need_bytes": 10**12 - int(second) * 10**5}).wait() == (True, 2)


def test_fewer_needed_files_are_progress() -> None:
    assert World(lambda second: {"need_items": 9 - int(second) // 4, "need_bytes": 0}).wait() == (True, 4)


def test_received_data_is_progress_although_new_files_come_faster() -> None:
    def growing(second: float) -> Json:
        return {"need_items": 1, "need_bytes": int(1000 + 100 * second - (300 if second >= 6 else 0))}

    assert World(growing).wait() == (True, 6)


def test_folder_without_progress_is_stalled_after_30_seconds() -> None:
    assert World(lambda _second: {}).wait() == (False, 30)
    assert World(lambda _second: {"state": "idle"}).wait() == (False, 30)
    assert World(lambda _second: {"type": "receiveencrypted"}).wait() == (False, 30)


def test_slow_transfer_within_a_block_is_progress() -> None:
    """A block has up to 16 MiB: at 10 kB/s it takes half an hour, during which Syncthing's counters do not change."""
    assert World(lambda _second: {}, received=lambda second: int(10_000 * second)).wait()[0] is True
    assert World(lambda _second: {}, received=lambda second: int(1_024 * second)).wait()[0] is True


def test_protocol_traffic_is_no_progress() -> None:
    assert World(lambda _second: {}, received=lambda second: int(100 * second)).wait()[0] is False
    assert World(lambda _second: {}, received=lambda second: 5_000_000 if second > 3 else 0).wait()[0] is False, (
        "a received index is no data"
    )


def test_data_of_another_folder_is_no_progress() -> None:
    def two(second: float) -> Json:
        other = {**FOLDER, "need_bytes": 10**9 - int(10_000 * second)}
        return {"photos": dict(FOLDER), "other": other}

    world = World(two, received=lambda second: int(10_000 * second))
    assert world.wait(wait_for={"folders": {"photos": [], "other": []}})[0] is False


@pytest.mark.parametrize("state", ["scanning", "sync-preparing", "sync-waiting"])
def test_busy_folder_is_not_stalled(state: str) -> None:
    moving, second = World(lambda _second: {"state": state}).wait()
    assert moving is None
    assert second <= 60


def test_folder_is_not_stalled_while_another_is_scanned() -> None:
    world = World(lambda _second: {"photos": dict(FOLDER), "other": {**FOLDER, **IN_SYNC, "state": "scanning"}})
    assert world.wait()[0] is None


def test_folder_is_judged_after_its_scan() -> None:
    assert World(lambda second: {"state": "scanning" if second < 10 else "idle"}).wait() == (False, 38)


def test_folder_is_not_judged_after_a_short_time() -> None:
    assert World(lambda _second: {}).wait(seconds=6) == (None, 6)
    assert World(lambda _second: {}).wait(seconds=12)[0] is False


def failing(text: str, until: float = 999) -> t.Callable[[float], Json]:
    def state(second: float) -> Json:
        return {"state": "idle", "failures": [{"path": "x", "error": text}]} if second < until else IN_SYNC

    return state


def test_permanent_error_is_not_waited_for() -> None:
    assert World(failing("permission denied")).wait()[1] == 0


def test_temporary_error_is_waited_for() -> None:
    text = "file modified but not rescanned; will try again later"
    assert World(failing(text, until=60)).wait()[1] == 60
    assert World(failing(text)).wait()[1] == 120
