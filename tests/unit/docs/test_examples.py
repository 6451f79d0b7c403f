# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples in docs/ are consistent; molecule/install runs them."""

from __future__ import annotations

import pathlib
import re
import shlex
import subprocess
import typing as t

import pytest
import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
DOCS = CHECKOUT / "docs"
WORKFLOW = DOCS / "examples" / "github-workflow.yml"


def steps() -> list[dict[str, t.Any]]:
    return list(yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["tailnet"]["steps"])


PLAYS = [shlex.split(step["run"]) for step in steps() if step.get("run", "").startswith("ansible-playbook ")]


def test_example_workflow_joins_and_always_leaves() -> None:
    assert [command[-1] for command in PLAYS] == ["docs/examples/ci-join.yml", "docs/examples/ci-leave.yml"]
    assert steps()[-1]["if"] == "always()"


@pytest.mark.parametrize("command", PLAYS, ids=lambda command: str(command[-1]))
def test_commands_of_the_example_workflow_are_valid(command: list[str]) -> None:
    assert all((CHECKOUT / word).exists() for word in command if word.startswith("docs/"))
    done = subprocess.run([*command, "--syntax-check"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_example_workflow_passes_no_secret_in_arguments() -> None:
    for step in steps():
        assert "secrets." not in step.get("run", "")


def test_links_in_the_documentation_lead_to_existing_files() -> None:
    for page in DOCS.glob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
