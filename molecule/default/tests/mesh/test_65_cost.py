# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upper bounds for the cost of a run that changes nothing and for the length of its output."""

from __future__ import annotations

import collections
import json
import pathlib
import re
import typing as t

import pytest
from lab_fixtures import CHECKOUT

LAB = CHECKOUT / "tests" / "lab"
MAX_HEADINGS = 60
MAX_STEADY_HEADINGS = 40
# Seven, with the search for Python. A future role for backups may add two for its hosts.
MAX_CALLS = 9
HEADING = re.compile(r"^(?:.*\| )?(?:TASK|RUNNING HANDLER) \[(.*)\] \*", re.MULTILINE)
FIRST_RUN = "PLAY [Connect the hosts in one private network]"
PREPARED = "PLAY [Capture the traffic and the process arguments of the run]"
VERIFY = "PLAY [Verify the network]"
REPORT = "PLAY [Report]"


class Measured(t.NamedTuple):
    run: t.Any
    course: list[dict[str, t.Any]]
    calls: dict[str, list[float]]  # times of the calls, by the host's address


@pytest.fixture(scope="module")
def measured(play: t.Any, tmp_path_factory: pytest.TempPathFactory) -> t.Callable[[str], Measured]:
    def run(playbook: str) -> Measured:
        place = tmp_path_factory.mktemp("cost")
        done = play(
            playbook,
            ANSIBLE_DISPLAY_SKIPPED_HOSTS="true",  # the default of ansible-core
            ANSIBLE_CALLBACK_PLUGINS=str(LAB / "callback"),
            ANSIBLE_SSH_EXECUTABLE=str(LAB / "counted_ssh.py"),
            COURSE=str(place / "course"),
            COUNTED_SSH=str(place / "calls"),
        )
        assert done.code == 0, done.output
        lines = (place / "course").read_text(encoding="utf-8").splitlines()
        calls: dict[str, list[float]] = collections.defaultdict(list)
        for line in (place / "calls").read_text(encoding="ascii").splitlines():
            at, address = line.split()
            calls[address].append(float(at))
        return Measured(done, [json.loads(line) for line in lines], dict(calls))

    return run


@pytest.fixture(scope="module")
def steady(measured: t.Callable[[str], Measured]) -> Measured:
    return measured("site.yml")


def first_run(log: str) -> str:
    """The part of molecule's log that belongs to the run on bare hosts."""
    runs = log[log.index(PREPARED) :].split("PLAY RECAP")
    return next(run for run in runs if FIRST_RUN in run)


def test_steady_run_stays_within_its_headings_and_module_calls(steady: Measured, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(steady.run.changed.values()) == {0}, steady.run.output
    headings = HEADING.findall(steady.run.output)
    counts = {address: len(times) for address, times in steady.calls.items()}
    with capsys.disabled():
        print(f"\nsteady run: {len(headings)} headings, calls {counts}")
    assert len(counts) == len(steady.run.changed)
    assert max(counts.values()) <= MAX_CALLS, breakdown(steady)
    assert len(headings) <= MAX_STEADY_HEADINGS, "\n".join(headings)


def test_first_run_stays_within_its_headings(
    steady: Measured, evidence: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Molecule's first run skips verify, so the headings of verify are taken from the steady run."""
    log = (evidence / "converge.log").read_text(encoding="utf-8", errors="replace")
    verify = steady.run.output[steady.run.output.index(VERIFY) : steady.run.output.index(REPORT)]
    headings = HEADING.findall(first_run(log)) + HEADING.findall(verify)
    with capsys.disabled():
        print(f"\nfirst run: {len(headings)} headings")
    assert len(headings) <= MAX_HEADINGS, "\n".join(headings)


def test_time_of_a_steady_run_is_printed_with_that_of_a_ping(
    steady: Measured, measured: t.Callable[[str], Measured], capsys: pytest.CaptureFixture[str]
) -> None:
    pings = measured("tests/lab/playbooks/ping.yml")
    one = durations(pings.course)[-1][1]
    total = steady.run.seconds
    with capsys.disabled():
        print(f"\na steady site.yml takes {total:.1f} s, {total / one:.1f} times the {one:.2f} s of one ping of all its hosts:")
        print(breakdown(steady))
    assert one > 0


def durations(course: list[dict[str, t.Any]]) -> list[tuple[str, float]]:
    return [(first["task"], then["at"] - first["at"]) for first, then in zip(course, course[1:], strict=False)]


def breakdown(steady: Measured) -> str:
    """Each task with its time and its module calls; short tasks are summed up."""
    lines, rest = [], 0.0
    for before, after in zip(steady.course, steady.course[1:], strict=False):
        seconds = after["at"] - before["at"]
        calls = [sum(before["at"] <= at < after["at"] for at in times) for times in steady.calls.values()]
        if seconds < 0.3 and not any(calls):
            rest += seconds
        else:
            lines.append(f"{seconds:6.2f} s  {max(calls, default=0)} calls  {before['task']}")
    start = steady.run.seconds - (steady.course[-1]["at"] - steady.course[0]["at"])
    return "\n".join([*lines, f"{rest:6.2f} s  0 calls  tasks of the controller alone", f"{start:6.2f} s  start and end"])
