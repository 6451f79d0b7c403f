# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make apt ready: which lines of apt stop a run, when dpkg is repaired, and how long a lock is waited for."""

from __future__ import annotations

import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._apt import _output
from ansible_collections.homelab.tailsync.plugins.module_utils._apt._ready import Apt, ready
from ansible_collections.homelab.tailsync.plugins.module_utils._common.errors import UserError

OURS = "https://pkgs.tailscale.com/stable/debian"
NOT_FOUND = "E: The repository 'http://old.example/debian trixie Release' does not have a Release file."
BAD_KEY = (
    "W: An error occurred during the signature verification. The repository is not updated and the previous index files will be "
    "used. GPG error: {} trixie InRelease: The following signatures were invalid"
)
SUMMARY = "E: Some index files failed to download. They have been ignored, or old ones used instead."
LOCK = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 77 (apt-get)"


@pytest.mark.parametrize(
    ("code", "text", "stops", "warns"),
    [
        (0, "Hit:1 http://deb.debian.org/debian trixie InRelease\nReading package lists...", False, False),
        (100, NOT_FOUND, False, True),
        (100, f"Err:3 {OURS} trixie Release\nE: Failed to fetch http://old.example/x  404\n{SUMMARY}", False, True),
        (0, BAD_KEY.format("http://old.example/debian"), False, True),
        (0, f"W: {OURS}/dists/trixie/InRelease: Policy will reject signature within a year", False, False),
        (0, f"W: Target Packages ({OURS}) is configured multiple times in /etc/apt/sources.list:1", False, False),
        (0, BAD_KEY.format(OURS), True, False),
        (100, f"E: The repository '{OURS} trixie Release' does not have a Release file.", True, False),
        (100, f"E: Failed to fetch {OURS}/dists/trixie/InRelease  404  Not Found\n{SUMMARY}", True, False),
        (100, "E: Malformed entry 1 in list file /etc/apt/sources.list.d/x.list (Suite)", True, False),
        (100, "E: The list of sources could not be read.", True, False),
        (100, "", True, False),
    ],
)
def test_only_own_repository_and_unreadable_sources_stop(code: int, text: str, stops: bool, warns: bool) -> None:
    fatal, others = _output.problems(code, text, [f"{OURS}/"])
    assert (bool(fatal), bool(others)) == (stops, warns)


def test_another_repository_below_the_same_server_is_not_ours() -> None:
    assert _output.problems(0, BAD_KEY.format(f"{OURS}-other"), [OURS])[0] == []


class Commands:
    """Answers of the commands by their first words; a list gives one answer after the other."""

    def __init__(self, **answers: t.Any) -> None:
        self.answers = answers
        self.called: list[str] = []

    def __call__(self, command: list[str], **options: t.Any) -> tuple[int, str, str]:
        assert options["environ_update"]["LC_ALL"] == "C"
        name = next(word for word in command if word in {"--configure", "--audit", "--fix-broken", "check", "update", "showhold"})
        self.called.append(name)
        answer = self.answers.get(name.strip("-").replace("-", "_"), (0, "", ""))
        found: tuple[int, str, str] = answer.pop(0) if isinstance(answer, list) else answer
        return found


def made_ready(commands: Commands, root: Path, check_mode: bool = False) -> dict[str, t.Any]:
    return ready(Apt(commands, 6, root, sleep=lambda _: None), [OURS], check_mode)


def test_healthy_dpkg_is_left_alone_and_the_lists_are_read(tmp_path: Path) -> None:
    commands = Commands(showhold=(0, "ufw\n", ""))
    assert made_ready(commands, tmp_path) == {"changed": False, "steps": ["apt-get update"], "held": ["ufw"], "warnings": []}
    assert commands.called == ["--audit", "update", "showhold"]


@pytest.mark.parametrize("broken", ["journal", "audit"])
def test_interrupted_dpkg_is_finished_before_the_lists_are_read(broken: str, tmp_path: Path) -> None:
    if broken == "journal":
        (tmp_path / "var/lib/dpkg/updates").mkdir(parents=True)
        (tmp_path / "var/lib/dpkg/updates/0001").touch()
        commands = Commands()
    else:
        commands = Commands(audit=[(0, "half-configured: x", ""), (0, "", "")])
    assert made_ready(commands, tmp_path)["changed"]
    assert [name for name in commands.called if name != "--audit"] == ["--configure", "update", "check", "showhold"]


def test_dependencies_are_fixed_if_the_configuration_was_not_enough(tmp_path: Path) -> None:
    commands = Commands(audit=(0, "half-installed: x", ""), configure=[(1, "", "x"), (0, "", "")], check=(100, "", "E: unmet"))
    made_ready(commands, tmp_path)
    assert [name for name in commands.called if name != "--audit"][:5] == [
        "--configure",
        "update",
        "check",
        "--fix-broken",
        "--configure",
    ]


def test_dpkg_that_cannot_be_repaired_is_named(tmp_path: Path) -> None:
    commands = Commands(audit=(0, "half-installed: x", ""), fix_broken=(100, "", "E: Packages need to be removed"))
    with pytest.raises(UserError, match=r"without removing packages: E: Packages need to be removed\. Repair it"):
        made_ready(commands, tmp_path)


def test_check_mode_names_the_repair_and_does_nothing(tmp_path: Path) -> None:
    commands = Commands(audit=(0, "half-installed: x", ""))
    assert made_ready(commands, tmp_path, check_mode=True)["steps"] == ["dpkg --configure -a", "apt-get update"]
    assert commands.called == ["--audit", "showhold"]


def test_lock_is_waited_for(tmp_path: Path) -> None:
    commands = Commands(update=[(100, "", LOCK), (100, "", LOCK), (0, "", "")])
    assert not made_ready(commands, tmp_path)["warnings"]
    assert commands.called.count("update") == 3


def test_lock_that_stays_is_an_error_that_names_its_holder(tmp_path: Path) -> None:
    (tmp_path / "proc/77").mkdir(parents=True)
    (tmp_path / "proc/77/comm").write_text("unattended-upgr\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"locked by process 77 \(unattended-upgr\), still after 6 seconds"):
        made_ready(Commands(update=(100, "", LOCK)), tmp_path)


def test_locks_of_all_commands_are_waited_for_two_minutes_in_all(tmp_path: Path) -> None:
    slept: list[float] = []
    commands = Commands(
        audit=(0, "half-configured: x", ""), configure=[(2, "", LOCK)] * 20 + [(0, "", "")], update=(100, "", LOCK)
    )
    with pytest.raises(UserError, match="still after 120 seconds"):
        ready(Apt(commands, 120, tmp_path, sleep=slept.append), [OURS], False)
    assert sum(slept) == 120


HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def lists_lock(tmp_path: Path) -> t.Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of the package lists, as apt-daily does."""
    lock = tmp_path / "var/lib/apt/lists/lock"
    lock.parent.mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holding:
        assert holding.stdout
        assert holding.stdout.readline() == "held\n"
        yield holding
        holding.communicate()


def test_lock_of_the_lists_is_waited_for_before_anything_is_done(lists_lock: subprocess.Popen[str], tmp_path: Path) -> None:
    commands = Commands()
    with pytest.raises(UserError, match=f"locked by process {lists_lock.pid}, still after 6 seconds"):
        made_ready(commands, tmp_path)
    assert commands.called == []
    assert made_ready(commands, tmp_path, check_mode=True)["steps"] == ["apt-get update"]
    ready(Apt(commands, 6, tmp_path, sleep=lambda _: lists_lock.communicate() and None), [OURS], False)
    assert "update" in commands.called


def test_broken_repository_of_others_is_a_warning(tmp_path: Path) -> None:
    assert "old.example" in made_ready(Commands(update=(100, "", NOT_FOUND)), tmp_path)["warnings"][0]
