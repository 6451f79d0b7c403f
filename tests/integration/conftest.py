# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Syncthing daemons in a network namespace that has only loopback."""

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
    """A directory for Unix sockets: their paths have at most 107 bytes, and pytest's own directories may be longer."""
    with tempfile.TemporaryDirectory() as name:
        yield pathlib.Path(name)


@pytest.fixture(scope="session", autouse=True)
def _only_loopback() -> None:
    """Fail if the tests could reach another machine: only loopback is allowed."""
    links = {line.split(":")[0].strip() for line in pathlib.Path("/proc/net/dev").read_text(encoding="ascii").splitlines()[2:]}
    assert links == {"lo"}, f"run this by `make integration`, which removes the network: {sorted(links)}"


@pytest.fixture(scope="session", autouse=True)
def _cache_of_apt() -> t.Iterator[None]:
    """apt reads this machine's lists once, as on most hosts: images of containers turn its cache off."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        config = pathlib.Path(folder) / "apt.conf"
        config.write_text(f'Dir::Etc::parts "/dev/null";\nDir::Cache "{folder}";\n', encoding="ascii")
        patch.setenv("APT_CONFIG", str(config))
        yield


@pytest.fixture(params=sorted(VERSIONS))
def suite(request: pytest.FixtureRequest) -> str:
    """The release of Debian whose Syncthing a test runs with: each one in turn."""
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
