# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from testinfra.host import Host

pytest_plugins = ["lab_fixtures"]
CONTROL = "http://172.31.77.2:8080"  # tests/lab/coordinator/main.go
Steps = t.Dict[str, t.List[t.Dict[str, t.Any]]]  # noqa: UP006


class Outcome(t.NamedTuple):
    """The result of each module call, by host, and the output of the run."""

    results: dict[str, list[dict[str, t.Any]]]
    output: str

    def of(self, host: str) -> list[dict[str, t.Any]]:
        return self.results[host]


def grouped(steps: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Combine consecutive module calls into one task with a loop, which is faster."""
    found: list[dict[str, t.Any]] = []
    for step in steps:
        if "node" not in step:
            found.append(step)
        elif found and "nodes" in found[-1]:
            found[-1]["nodes"].append(step)
        else:
            found.append({"nodes": [step]})
    return found


@pytest.fixture(scope="session")
def run_steps(play: t.Any, tmp_path_factory: pytest.TempPathFactory) -> t.Callable[..., Outcome]:
    """Run steps on hosts (see steps.yml), on all hosts at the same time."""

    def steps(given: Steps, *arguments: str, tailnet: bool = False, **environment: str) -> Outcome:
        answers = tmp_path_factory.mktemp("answers")
        variables = {
            "steps": {host: grouped(of_host) for host, of_host in given.items()},
            "answers": str(answers),
            "tailnet": tailnet,
        }
        run = play("molecule/node/steps.yml", "--limit", ",".join(given), *arguments, variables=variables, **environment)
        assert run.code == 0, run.output
        assert "[WARNING]: Dep" not in run.output
        return Outcome({host: json.loads((answers / f"{host}.json").read_text(encoding="utf-8")) for host in given}, run.output)

    return steps


@pytest.fixture(scope="session")
def key(lab: t.Any) -> str:
    return str(lab("auth-key").stdout.strip())


@pytest.fixture(scope="session")
def set_coordinator(lab: t.Any) -> t.Callable[[str, str], None]:
    """Change a setting of the coordinator."""

    def send(request: str, value: str) -> None:
        lab("coordinator", request, value)

    return send


@pytest.fixture
def prefs(lab_hosts: dict[str, Host]) -> t.Callable[[str], dict[str, t.Any]]:
    """The preferences as `tailscale debug prefs` shows them."""

    def of(name: str) -> dict[str, t.Any]:
        return dict(json.loads(lab_hosts[name].check_output("tailscale debug prefs")))

    return of


@pytest.fixture
def status(lab_hosts: dict[str, Host]) -> t.Callable[[str], dict[str, t.Any]]:
    def of(name: str) -> dict[str, t.Any]:
        return dict(json.loads(lab_hosts[name].check_output("tailscale status --json")))

    return of


@pytest.fixture(scope="session")
def watchers(pytestconfig: pytest.Config) -> pathlib.Path:
    return pytestconfig.rootpath / "tests" / "lab"
