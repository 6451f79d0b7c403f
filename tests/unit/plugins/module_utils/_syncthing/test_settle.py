# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting in syncthing_info, with a clock of its own."""

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
    """What Syncthing says as time goes by."""

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


def test_nothing_to_wait_for_costs_nothing() -> None:
    assert World(lambda _second: IN_SYNC).wait() == (None, 0)
    assert World(lambda _second: {}).wait(wait_for={}) == (None, 0)
    assert World(lambda _second: {}).wait(seconds=0) == (None, 0)


def test_it_ends_as_soon_as_the_device_is_connected() -> None:
    assert World(lambda _second: IN_SYNC, connected_at=7).wait() == (None, 8)


def test_it_ends_with_its_time() -> None:
    assert World(lambda _second: IN_SYNC, connected_at=999).wait(seconds=21) == (None, 21)


@pytest.mark.parametrize("state", ["unknown", "notSharing"])
def test_it_waits_until_the_other_side_shares(state: str) -> None:
    def states(second: float) -> Json:
        return {**IN_SYNC, "completion": {PEER: {"remote_state": state if second < 5 else "valid"}}}

    assert World(states).wait() == (None, 6)


def test_fewer_bytes_of_one_big_file_are_movement() -> None:
    assert World(lambda second: {"need_items": 1, "need_bytes": 10**12 - int(second) * 10**5}).wait() == (True, 2)


def test_fewer_files_are_movement() -> None:
    assert World(lambda second: {"need_items": 9 - int(second) // 4, "need_bytes": 0}).wait() == (True, 4)


def test_movement_counts_though_new_files_come_faster() -> None:
    def growing(second: float) -> Json:
        return {"need_items": 1, "need_bytes": int(1000 + 100 * second - (300 if second >= 6 else 0))}

    assert World(growing).wait() == (True, 6)


def test_what_does_not_move_is_stalled_after_half_a_minute() -> None:
    assert World(lambda _second: {}).wait() == (False, 30)
    assert World(lambda _second: {"state": "idle"}).wait() == (False, 30)
    assert World(lambda _second: {"type": "receiveencrypted"}).wait() == (False, 30)


def test_a_slow_line_moves_within_a_block() -> None:
    """A block has up to 16 MiB: at 10 kB/s it takes half an hour in which nothing that Syncthing counts becomes less."""
    assert World(lambda _second: {}, received=lambda second: int(10_000 * second)).wait()[0] is True
    assert World(lambda _second: {}, received=lambda second: int(1_024 * second)).wait()[0] is True


def test_talk_is_no_data() -> None:
    assert World(lambda _second: {}, received=lambda second: int(100 * second)).wait()[0] is False
    assert World(lambda _second: {}, received=lambda second: 5_000_000 if second > 3 else 0).wait()[0] is False, "an index"


def test_what_another_folder_got_is_not_this_ones() -> None:
    def two(second: float) -> Json:
        other = {**FOLDER, "need_bytes": 10**9 - int(10_000 * second)}
        return {"photos": dict(FOLDER), "other": other}

    world = World(two, received=lambda second: int(10_000 * second))
    assert world.wait(wait_for={"folders": {"photos": [], "other": []}})[0] is False


@pytest.mark.parametrize("state", ["scanning", "sync-preparing", "sync-waiting"])
def test_what_is_busy_is_not_stalled(state: str) -> None:
    moving, second = World(lambda _second: {"state": state}).wait()
    assert moving is None
    assert second <= 60


def test_nothing_is_stalled_while_another_folder_is_scanned() -> None:
    world = World(lambda _second: {"photos": dict(FOLDER), "other": {**FOLDER, **IN_SYNC, "state": "scanning"}})
    assert world.wait()[0] is None


def test_a_scan_that_ends_is_followed_by_a_judgement() -> None:
    assert World(lambda second: {"state": "scanning" if second < 10 else "idle"}).wait() == (False, 38)


def test_a_short_time_is_not_enough_to_judge() -> None:
    assert World(lambda _second: {}).wait(seconds=6) == (None, 6)
    assert World(lambda _second: {}).wait(seconds=12)[0] is False


def failing(text: str, until: float = 999) -> t.Callable[[float], Json]:
    def state(second: float) -> Json:
        return {"state": "idle", "failures": [{"path": "x", "error": text}]} if second < until else IN_SYNC

    return state


def test_an_error_that_does_not_pass_is_not_waited_for() -> None:
    assert World(failing("permission denied")).wait()[1] == 0


def test_one_that_passes_is() -> None:
    text = "file modified but not rescanned; will try again later"
    assert World(failing(text, until=60)).wait()[1] == 60
    assert World(failing(text)).wait()[1] == 120
