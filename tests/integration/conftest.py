# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Syncthing daemons on loopback, in a network namespace that has nothing else."""

from __future__ import annotations

import pathlib
import signal
import tempfile
import typing as t

import artefacts
import pytest
from syncthing_daemon import START_TIMEOUT, VERSIONS, Daemon, wait_until


@pytest.fixture
def short_path() -> t.Iterator[pathlib.Path]:
    """A directory for sockets, whose paths have at most 107 bytes: short, wherever pytest's own are."""
    with tempfile.TemporaryDirectory() as name:
        yield pathlib.Path(name)


@pytest.fixture(scope="session", autouse=True)
def _no_way_out() -> None:
    """Nothing here may reach a stranger: the tests have loopback and no more."""
    links = {line.split(":")[0].strip() for line in pathlib.Path("/proc/net/dev").read_text(encoding="ascii").splitlines()[2:]}
    assert links == {"lo"}, f"run this by `make integration`, which takes the network away: {sorted(links)}"


@pytest.fixture(params=sorted(VERSIONS))
def suite(request: pytest.FixtureRequest) -> str:
    """The release of Debian whose Syncthing a test runs with; once each."""
    return str(request.param)


@pytest.fixture
def make_daemon(tmp_path: pathlib.Path) -> t.Iterator[t.Callable[..., Daemon]]:
    made: list[Daemon] = []

    def make(suite: str, start: bool = True) -> Daemon:
        daemon = Daemon(artefacts.syncthing(suite), tmp_path / f"home-{len(made)}")
        made.append(daemon)
        daemon.first_boot()
        if start:
            daemon.start()
            wait_until(lambda: daemon.get("system/ping") is not None, START_TIMEOUT)
        return daemon

    yield make
    for daemon in made:
        daemon.stop(signal.SIGKILL)


@pytest.fixture
def daemon(make_daemon: t.Callable[..., Daemon], suite: str) -> Daemon:
    return make_daemon(suite)


@pytest.fixture
def eventually() -> t.Callable[..., bool]:
    return wait_until
