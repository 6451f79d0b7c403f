# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with decisions import no client: the controller's input checks need neither HTTP nor processes."""

from __future__ import annotations

import ast
import pathlib
import typing as t

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[4] / "plugins" / "module_utils"
PREFIX = "ansible_collections.homelab.tailsync.plugins.module_utils."
ANSIBLE = "ansible.module_utils"
CLIENTS = {f"{ANSIBLE}.basic", f"{ANSIBLE}.urls", "http.client", "requests", "socket", "subprocess", "urllib3"}
PURE = {
    "_tailscale": "_errors _tables _status _prefs _options _login _exit_node _risk _plan _wait",
    "_ufw": "_errors _tables _rules _options _state _policy _docker _before_rules _plan _kernel _change",
}


def imports(path: pathlib.Path) -> t.Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def reached(path: pathlib.Path, seen: set[pathlib.Path]) -> t.Iterator[str]:
    """All direct and indirect imports of a file."""
    seen.add(path)
    for name in imports(path):
        yield name
        inner = ROOT / f"{name.removeprefix(PREFIX).replace('.', '/')}.py"
        if name.startswith(PREFIX) and inner.exists() and inner not in seen:
            yield from reached(inner, seen)


@pytest.mark.parametrize("file", [f"{package}/{name}.py" for package, names in PURE.items() for name in names.split()])
def test_file_with_decisions_imports_no_client(file: str) -> None:
    assert not CLIENTS.intersection(reached(ROOT / file, set())), f"{file} imports a client, itself or by another file"


def test_imports_of_a_file_with_effects_are_followed() -> None:
    assert "http.client" in set(reached(ROOT / "_tailscale/_node.py", set())), "no import was followed"
