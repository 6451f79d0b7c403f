# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""check_sizes finds everything that is too long, with its line, and nothing else."""

from __future__ import annotations

import pathlib
import subprocess

import check_sizes
import pytest

LONG = " + ".join(["a"] * 60)


def found(path: pathlib.Path, text: str) -> list[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return [line for line, _text in check_sizes.CHECKS[path.suffix](path)]


@pytest.mark.parametrize(("lines", "expected"), [(400, []), (401, [1])])
def test_file_with_more_than_400_lines_is_found(lines: int, expected: list[int], tmp_path: pathlib.Path) -> None:
    assert found(tmp_path / "any.py", "pass\n" * lines) == expected


@pytest.mark.parametrize(("folder", "lines", "expected"), [("modules", 30, []), ("modules", 31, [2]), ("module_utils", 31, [])])
def test_main_of_a_module_with_more_than_30_lines_is_found(
    folder: str, lines: int, expected: list[int], tmp_path: pathlib.Path
) -> None:
    text = "\ndef main():\n" + "    pass\n" * (lines - 1)
    assert found(tmp_path / folder / "any.py", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"a: '{{{{ {LONG} }}}}'", [1], id="braces"),
        pytest.param(f"- b:\n  - a: >-\n      text {{{{ {LONG} }}}}", [2], id="folded and nested"),
        pytest.param(f"when: {LONG}", [1], id="a condition has no braces"),
        pytest.param(f"that:\n  - {LONG}", [2], id="one of several conditions"),
        pytest.param("a: '{% if a %}" + " {{ b }}" * 30 + "{% endif %}'", [1], id="statements are one program"),
        pytest.param("a: '" + " {{ b }}" * 60 + "'", [], id="many short ones"),
        pytest.param(f"description: {LONG}", [], id="prose"),
        pytest.param(f"a: !vault {'0' * 300}\nb: !unsafe {'0' * 300}", [], id="what Ansible tags"),
    ],
)
def test_expression_with_more_than_200_characters_is_found(text: str, expected: list[int], tmp_path: pathlib.Path) -> None:
    assert found(tmp_path / "any.yml", text) == expected


def test_files_that_git_ignores_are_not_checked(tmp_path: pathlib.Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    for name in ("tracked.py", "new.py", "ignored.py"):
        (tmp_path / name).touch()
    (tmp_path / ".gitignore").write_text("ignored.py\n", encoding="utf-8")
    subprocess.run(["git", "-C", tmp_path, "add", "tracked.py", ".gitignore"], check=True)
    assert {path.name for path in check_sizes.tracked(tmp_path)} == {".gitignore", "tracked.py", "new.py"}
