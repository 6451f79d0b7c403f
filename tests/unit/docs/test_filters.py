# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every filter and Jinja test has a page of documentation, and every page has a filter or a test."""

from __future__ import annotations

import importlib
import pathlib

import pytest
import yaml

PLUGINS = pathlib.Path(__file__).resolve().parents[3] / "plugins"


def offered(kind: str) -> set[str]:
    """The names of the filters or tests that a folder's files define."""
    names: set[str] = set()
    for path in (PLUGINS / kind).glob("[a-z]*.py"):
        module = importlib.import_module(f"ansible_collections.homelab.tailsync.plugins.{kind}.{path.stem}")
        names |= set(module.FilterModule().filters() if kind == "filter" else module.TestModule().tests())
    return names


@pytest.mark.parametrize("kind", ["filter", "test"])
def test_exactly_the_defined_filters_and_tests_are_documented(kind: str) -> None:
    assert {path.stem for path in (PLUGINS / kind).glob("*.yml")} == offered(kind)


@pytest.mark.parametrize("path", sorted(PLUGINS.glob("filter/*.yml")), ids=lambda path: path.stem)
def test_documentation_page_names_its_filter(path: pathlib.Path) -> None:
    page = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert page["DOCUMENTATION"]["name"] == path.stem
    assert f"homelab.tailsync.{path.stem}" in page["EXAMPLES"]
