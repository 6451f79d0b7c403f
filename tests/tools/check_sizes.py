# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""List files, functions and expressions that are too long; ruff checks complexity."""

from __future__ import annotations

import ast
import pathlib
import re
import subprocess
import sys
import typing as t

import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
FILE_LINES = 400
MAIN_LINES = 30  # of a module
EXPRESSION_CHARACTERS = 200
# Keys whose values are expressions without braces.
CONDITIONS = frozenset({"when", "until", "failed_when", "changed_when", "that"})
EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
STATEMENTS = re.compile(r"\{%.*%\}", re.DOTALL)  # from the first to the last statement, which belong together


def tracked(checkout: pathlib.Path) -> list[pathlib.Path]:
    command = ["git", "-C", str(checkout), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    return [checkout / name for name in names if name and (checkout / name).is_file()]


def of_python(path: pathlib.Path) -> t.Iterator[tuple[int, str]]:
    text = path.read_text(encoding="utf-8")
    lines = len(text.splitlines())
    if lines > FILE_LINES:
        yield 1, f"{lines} lines; a Python file has at most {FILE_LINES}: split it by what it does"
    if path.parent.name != "modules":
        return
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == "main" and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > MAIN_LINES:
                yield node.lineno, f"main() has {length} lines; a module's has at most {MAIN_LINES}: move work to module_utils"


def expressions(text: str, condition: bool) -> list[str]:
    found = STATEMENTS.findall(text) or EXPRESSION.findall(text)
    return found or ([text] if condition else [])


def scalars(node: yaml.Node | None, condition: bool = False) -> t.Iterator[tuple[yaml.ScalarNode, bool]]:
    """Yield every value of a document, and whether it is an expression without braces."""
    if isinstance(node, yaml.ScalarNode):
        yield node, condition
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from scalars(item, condition)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from scalars(value, key.value in CONDITIONS)


def of_yaml(path: pathlib.Path) -> t.Iterator[tuple[int, str]]:
    loader = getattr(yaml, "CLoader", yaml.Loader)
    with path.open(encoding="utf-8") as file:
        documents = list(yaml.compose_all(file, Loader=loader))
    for node, condition in (found for document in documents for found in scalars(document)):
        for expression in expressions(node.value, condition):
            length = len(" ".join(expression.split()))
            if length > EXPRESSION_CHARACTERS:
                yield (
                    node.start_mark.line + 1,
                    f"an expression of {length} characters; at most {EXPRESSION_CHARACTERS} can be read: "
                    "compute it in Python, in a filter of plugins/filter",
                )


CHECKS: dict[str, t.Callable[[pathlib.Path], t.Iterator[tuple[int, str]]]] = {
    ".py": of_python,
    ".yml": of_yaml,
    ".yaml": of_yaml,
}


def main() -> int:
    files = [path for path in tracked(CHECKOUT) if path.suffix in CHECKS]
    found = [(path, *problem) for path in files for problem in CHECKS[path.suffix](path)]
    for path, line, text in found:
        print(f"{path.relative_to(CHECKOUT)}:{line}: {text}")
    if not files:
        print("no file to check: is this a git checkout?", file=sys.stderr)
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
