# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shutil
import typing as t

import dirty_fixtures
import pytest
from dirty_fixtures import DONE, LABS, WATCHED, Logins, Outcome, Snapshot, site
from past.a import Network

KNOWN_HOSTS = LABS / "known_hosts"


class Watched(t.NamedTuple):
    outcome: Outcome
    logins: dict[str, dict[str, t.Any]]


@pytest.fixture(scope="session")
def before() -> dict[str, Snapshot]:
    return dirty_fixtures.prepare()


@pytest.fixture(scope="session")
def guests_before(before: dict[str, Snapshot]) -> dict[str, Network]:
    return dirty_fixtures.guests_networks()


@pytest.fixture(scope="session")
def checked(guests_before: dict[str, Network]) -> Outcome:
    return site("--check", "--diff", "--limit", "neighbour,messy,slow")


@pytest.fixture(scope="session")
def first(checked: Outcome) -> Watched:
    """The first run on all hosts, from a controller that does not use MagicDNS."""
    logins = Logins(WATCHED)
    try:
        outcome = site()
    finally:
        seen = logins.stop()
    return Watched(outcome, seen)


@pytest.fixture(scope="session")
def again(first: Watched, lab: t.Any) -> Watched:
    """The second run: the disk is mounted, and another controller has only the hosts' first known_hosts entries."""
    dirty_fixtures.situation("plug", "disks", "usb", "/media/usb")
    lab("exec", "disks", "--", "chown", "-R", "syncthing:", "/media/usb/photos")  # their owner before
    lab("exec", "laptop", "--", "tailscale", "set", "--accept-dns=true")
    known = [line for line in KNOWN_HOSTS.read_text(encoding="ascii").splitlines() if line.lstrip("[").startswith("172.31.77.")]
    KNOWN_HOSTS.write_text("".join(f"{line}\n" for line in known), encoding="ascii")
    shutil.rmtree(LABS / "cp", ignore_errors=True)
    home = LABS / "another-home"
    home.mkdir(exist_ok=True)
    logins = Logins(set(DONE) & set(WATCHED))
    try:
        outcome = site("--limit", ",".join(DONE), HOME=str(home))
    finally:
        seen = logins.stop()
    return Watched(outcome, seen)
