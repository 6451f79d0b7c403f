# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of the test network when a machine does not boot, and retries when podman fails."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import machines
import pytest
from namespaces import LabError, container


def answer(text: str) -> t.Callable[..., subprocess.CompletedProcess[str]]:
    return lambda *command, **_options: subprocess.CompletedProcess(command, 1, text, "")


@pytest.fixture
def limit(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The kernel's limit of inotify instances, and a lab of seven machines."""
    path = tmp_path / "max_user_instances"
    path.write_text("128\n", encoding="ascii")
    monkeypatch.setattr(machines, "INSTANCES", path)
    monkeypatch.setattr(machines, "STATE", tmp_path)
    return path


@pytest.fixture
def ended(limit: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines whose systemd got no inotify instance."""
    told = {"inspect": "exited, exit code 255", "logs": "Failed to create inotify object: Too many open files"}
    monkeypatch.setattr(machines, "podman_run", lambda action, *_arguments: told[action])
    monkeypatch.setattr(machines, "instances_in_use", lambda: 127)
    monkeypatch.setattr(machines, "running", set)


@pytest.mark.usefixtures("ended")
def test_machine_that_ends_while_booting_is_reported_with_its_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "execute", answer(""))
    with pytest.raises(LabError) as told:
        machines.wait_for_boot("nas")
    for part in ("nas ended", "exit code 255", "Too many open files", "127 inotify instances of 128", "max_user_instances"):
        assert part in str(told.value)


@pytest.mark.usefixtures("ended")
def test_machine_that_does_not_boot_in_time_is_reported_with_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "execute", answer("starting"))
    monkeypatch.setattr(machines, "BOOT_TIMEOUT", 0.1)
    with pytest.raises(LabError, match=r"nas did not boot within 0.1 s \(starting\): the container is exited"):
        machines.wait_for_boot("nas")


def test_low_inotify_limit_is_raised(limit: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "instances_in_use", lambda: 2000)
    machines.check_instances()
    needed = 2000 + machines.INSTANCES_PER_MACHINE * len(machines.machines())
    assert limit.read_text(encoding="ascii") == str(needed)


def test_sufficient_inotify_limit_is_not_changed(limit: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "instances_in_use", lambda: 10)
    limit.write_text("4096\n", encoding="ascii")
    machines.check_instances()
    assert limit.read_text(encoding="ascii") == "4096\n"


def test_inotify_limit_that_cannot_be_raised_gives_the_command(limit: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError("Read-only file system")

    monkeypatch.setattr(pathlib.Path, "write_text", refuse)
    with pytest.raises(LabError, match=r"max_user_instances is 128.*sysctl fs.inotify.max_user_instances=1024"):
        machines.check_instances()


def test_inotify_instances_are_counted() -> None:
    assert machines.instances_in_use() >= 0


def test_suite_after_a_name_is_that_hosts_release_only(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "STATE", tmp_path)
    monkeypatch.setenv("TAILSYNC_LAB_HOSTS", "attic cellar=bookworm")
    for _now in ("before the start", "afterwards"):
        assert machines.hosts() == ("attic", "cellar")
        assert [machines.suite(name) for name in ("attic", "cellar", "laptop")] == ["trixie", "bookworm", "trixie"]
        machines.remember_hosts(["attic", "cellar=bookworm"])
    machines.remember_hosts(["shed"])
    assert (machines.hosts(), machines.suite("cellar")) == (("attic", "cellar", "shed"), "bookworm")


@pytest.fixture
def podman(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The calls of podman; the first fails."""
    calls: list[list[str]] = []

    def call(command: list[str]) -> str:
        calls.append(command)
        if len(calls) == 1:
            raise LabError("open pidfd: No such process")
        return ""

    monkeypatch.setattr(machines, "podman", lambda *arguments: list(arguments))
    monkeypatch.setattr(machines, "checked", call)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    return calls


def test_failed_removal_of_containers_is_retried(podman: list[list[str]]) -> None:
    machines.remove({"nas", "pi"})
    assert len(podman) == 2
    assert podman[0][-2:] == [container("nas"), container("pi")]


def test_removal_that_keeps_failing_is_an_error(podman: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_command: list[str]) -> str:
        raise LabError("open pidfd: No such process")

    monkeypatch.setattr(machines, "checked", fail)
    with pytest.raises(LabError, match="open pidfd"):
        machines.remove(["nas"])


def test_removing_no_machines_does_not_call_podman(podman: list[list[str]]) -> None:
    machines.remove([])
    assert podman == []
