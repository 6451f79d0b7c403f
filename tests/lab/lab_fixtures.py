# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all scenarios: testinfra hosts that run commands through the lab's containers, never through the code under test.

A scenario's tests/conftest.py loads this file as a plugin. A locked-down host allows no SSH from the test machine,
and a test that connects over the tailnet would depend on the code under test.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import typing as t

import pytest
from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
LAB = [sys.executable, str(CHECKOUT / "tests" / "lab" / "lab.py")]
INVENTORY = CHECKOUT / "inventories" / "lab"
# Files that a scenario leaves for its tests, and the tests for the Makefile; one folder for each lab.
EVIDENCE = pathlib.Path(os.environ["TAILSYNC_CACHE"]) / "evidence" / os.environ.get("TAILSYNC_LAB", "lab")
HOSTS = tuple(name.partition("=")[0] for name in os.environ.get("TAILSYNC_LAB_HOSTS", "nas pi vps").split())


def run_lab(*arguments: str, check: bool = True, timeout: int = 120) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*LAB, *arguments], capture_output=True, text=True, check=False, timeout=timeout)
    if check and done.returncode != 0:
        raise AssertionError(f"lab.py {' '.join(arguments)} failed: {done.stdout}{done.stderr}")
    return done


class LabBackend(BaseBackend):
    NAME = "lab"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def run(self, command: str, *args: str, **_kwargs: t.Any) -> CommandResult:
        done = subprocess.run(
            [*LAB, "exec", self.name, "--", "sh", "-c", self.get_command(command, *args)],
            capture_output=True,
            check=False,
            timeout=180,
        )
        return self.result(done.returncode, self.encode(command), done.stdout, done.stderr)


@dataclasses.dataclass
class Run:
    """The result of a run of ansible-playbook."""

    code: int
    output: str
    seconds: float

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        lines = re.findall(r"^(\S+)\s+: (ok=\d+.*)$", self.output, re.MULTILINE)
        return {host: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", counts)} for host, counts in lines}

    @property
    def changed(self) -> dict[str, int]:
        return {host: counts["changed"] for host, counts in self.recap.items()}


def run_playbook(
    *arguments: str,
    variables: dict[str, t.Any] | None = None,
    cwd: pathlib.Path = CHECKOUT,
    inventory: pathlib.Path = INVENTORY,
    timeout: int = 600,
    **environment: str,
) -> Run:
    command = ["ansible-playbook", "--inventory", str(inventory), *arguments]
    start = time.monotonic()
    # In a file, because ansible-playbook prints its command line at -vvvv.
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(variables or {}, file)
        file.flush()
        done = subprocess.run(
            [*command, "--extra-vars", f"@{file.name}"],
            cwd=cwd,
            env={**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=timeout,
            start_new_session=True,  # a run that kills its process group kills no other process
        )
    return Run(done.returncode, done.stdout, time.monotonic() - start)


def wait_until(condition: t.Callable[[], bool], seconds: float, pause: float = 0.5) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(pause)
    return condition()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write down how many tests ran: for molecule a folder without tests is a success, for the Makefile it is a failure."""
    counts = collections.Counter(item.path.parent.name for item in session.items)
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    with (EVIDENCE / "ran").open("a", encoding="ascii") as file:
        file.writelines(f"{folder} {count}\n" for folder, count in counts.items())


@pytest.fixture(scope="session")
def lab_hosts() -> dict[str, Host]:
    """testinfra's Host for every machine of the lab, by name."""
    return {name: Host(LabBackend(name)) for name in (*HOSTS, "laptop", "outsider")}


@pytest.fixture(params=HOSTS)
def lab_host(request: pytest.FixtureRequest, lab_hosts: dict[str, Host]) -> Host:
    """testinfra's Host for each managed host in turn."""
    return lab_hosts[request.param]


# The helpers above as fixtures, so that test files need not import them.
@pytest.fixture(scope="session")
def lab() -> t.Callable[..., subprocess.CompletedProcess[str]]:
    return run_lab


@pytest.fixture(scope="session")
def play() -> t.Callable[..., Run]:
    return run_playbook


@pytest.fixture(scope="session")
def eventually() -> t.Callable[..., bool]:
    return wait_until


@pytest.fixture(scope="session")
def evidence() -> pathlib.Path:
    return EVIDENCE


@pytest.fixture(scope="session")
def addresses() -> t.Callable[[Host, str], str]:
    """A host's own address on the LAN, by IP family ("4" or "6")."""

    def of(host: Host, family: str) -> str:
        listed = host.check_output(f"ip -{family} -oneline address show dev eth0 scope global")
        return str(listed.split()[3].split("/")[0])

    return of


@pytest.fixture(scope="session")
def port_is_open(lab_hosts: dict[str, Host]) -> t.Callable[[str, int], bool]:
    """Tell whether the outsider can open a TCP connection to a port."""

    def is_open(address: str, port: int) -> bool:
        return bool(lab_hosts["outsider"].run(f"nc -z -w 3 {address} {port}").succeeded)

    return is_open
