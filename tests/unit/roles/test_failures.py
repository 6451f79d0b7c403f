# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reason of a failure is on the error line, on all versions of ansible-core."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from playbook import ansible_playbook

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
FILES = sorted(
    [*CHECKOUT.glob("roles/*/tasks/**/*.yml"), *CHECKOUT.glob("roles/*/handlers/*.yml"), *CHECKOUT.glob("playbooks/**/*.yml")]
)
REASON = "no answer from the control server"


def tasks(found: t.Any) -> t.Iterator[dict[str, t.Any]]:
    """All mappings with tasks, in plays and blocks of any depth."""
    for entry in found if isinstance(found, list) else []:
        if isinstance(entry, dict):
            yield entry
            for key in ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always"):
                yield from tasks(entry.get(key))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_no_condition_takes_the_place_of_a_reason(path: pathlib.Path) -> None:
    """Where `failed_when` is true, ansible-core 2.21 says only that. So it may be `false`, and a later task has the reason."""
    found = list(tasks(yaml.safe_load(path.read_text(encoding="utf-8"))))
    wrong = [task["name"] for task in found if task.get("failed_when", False) is not False]
    assert wrong == [], (
        f"failed_when with a condition hides the reason: write `failed_when: false` and a task that fails: {wrong}"
    )
    unread = [task["name"] for task in found if "failed_when" in task and "register" not in task and not is_harmless(task)]
    assert unread == [], f"these failures are seen by nobody: {unread}"


def is_harmless(task: dict[str, t.Any]) -> bool:
    return "reset-failed" in str(task)  # of a unit that may not have been loaded


def test_files_were_found() -> None:
    assert len(FILES) > 40


@pytest.mark.slow  # runs ansible-playbook
def test_reason_is_on_the_error_line(tmp_path: pathlib.Path) -> None:
    """Of the form that is left, with the installed ansible-core."""
    task = {"ansible.builtin.fail": {"msg": REASON}, "register": "result", "failed_when": False}
    play = [task, {"ansible.builtin.fail": {"msg": "{{ result.msg }}"}, "when": "result.msg is defined"}]
    (tmp_path / "play.yml").write_text(
        yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": play}]), encoding="utf-8"
    )
    done = ansible_playbook("-i", "localhost,", "play.yml", cwd=tmp_path)
    line = next(line for line in (done.stdout + done.stderr).splitlines() if line.startswith("[ERROR]"))
    assert (done.returncode, REASON in line) == (2, True), line


@pytest.mark.slow  # runs ansible-playbook
@pytest.mark.parametrize(
    ("stopped", "code"),
    [
        # As ansible.builtin.service answers in check mode where systemd does not run, as on Alpine.
        ({"changed": True, "msg": "changing service enablement"}, 0),
        ({"changed": False, "msg": "Could not find the requested service tailscaled: host"}, 0),
        ({"changed": False, "msg": REASON}, 2),
    ],
)
def test_only_a_service_that_could_not_be_stopped_ends_the_removal(tmp_path: pathlib.Path, stopped: t.Any, code: int) -> None:
    path = CHECKOUT / "roles" / "tailscale" / "tasks" / "uninstall_package.yml"
    explain = [task for task in yaml.safe_load(path.read_text(encoding="utf-8")) if "archive's service could" in task["name"]]
    play = {"hosts": "localhost", "gather_facts": False, "vars": {"__tailscale_stopped": stopped}, "tasks": explain}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    done = ansible_playbook("-i", "localhost,", "play.yml", cwd=tmp_path)
    assert (len(explain), done.returncode) == (1, code), done.stdout + done.stderr
