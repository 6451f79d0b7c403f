# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An option needs a row of the table, documentation, and a row of the test table: a missing one is named."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import syncthing_options
import yaml
from ansible_collections.homelab.tailsync.plugins.doc_fragments.syncthing import ModuleDocFragment
from ansible_collections.homelab.tailsync.plugins.module_utils._common.table import spec_of
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _tables
from syncthing_double import Syncthing

Json = t.Dict[str, t.Any]  # noqa: UP006
TABLE = "plugins/module_utils/_syncthing/_tables.py"
DOCUMENTATION = "plugins/doc_fragments/syncthing.py"
TESTS = "tests/support/syncthing_options.py"


def documented() -> dict[str, set[str]]:
    """The documented options of each object."""
    cluster, system = (yaml.safe_load(text)["options"] for text in (ModuleDocFragment.CLUSTER, ModuleDocFragment.SYSTEM))
    folder = cluster["folders"]["suboptions"]
    found = {
        "device": cluster["devices"]["suboptions"],
        "folder": folder,
        "member": folder["devices"]["suboptions"],
        "versioning": folder["versioning"]["suboptions"],
        **{name: system[name]["suboptions"] for name in ("options", "gui", "defaults")},
    }
    return {name: set(options) for name, options in found.items()}


def missing(places: t.Mapping[str, t.Collection[str]], name: str) -> list[str]:
    """The options that are missing in one of the places."""
    everywhere = {option for options in places.values() for option in options}
    return [
        f"{name}.{option} is missing in {place}"
        for option in sorted(everywhere)
        for place, options in places.items()
        if option not in options
    ]


@pytest.mark.parametrize("name", sorted(_tables.OBJECTS))
def test_each_option_has_a_row_documentation_and_a_test(name: str) -> None:
    places = {
        TABLE: set(spec_of(_tables.OBJECTS[name])),
        DOCUMENTATION: documented()[name],
        TESTS: {row.option for row in syncthing_options.ROWS[name]},
    }
    found = missing(places, name)
    assert not found, "\n".join(found)


def test_every_object_has_rows_in_the_test_table() -> None:
    assert syncthing_options.ROWS.keys() == _tables.OBJECTS.keys() == documented().keys()


@pytest.mark.parametrize("kind", ["device", "folder"])
def test_each_option_of_the_defaults_has_a_test(kind: str) -> None:
    table = {"device": _tables.DEVICE_DEFAULTS_ROWS, "folder": _tables.FOLDER_DEFAULTS_ROWS}[kind]
    rows = {row.option for row in syncthing_options.DEFAULTS[kind]}
    found = missing({TABLE: set(spec_of(table)), TESTS: rows}, f"defaults.{kind}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("kind", "row"), syncthing_options.all_rows())
def test_each_option_is_written_to_the_double(
    double: Syncthing, tmp_path: pathlib.Path, kind: str, row: syncthing_options.Row
) -> None:
    bench = syncthing_options.Bench(
        str(tmp_path / "home"),
        str(tmp_path),
        lambda: double.config,
        lambda name: double.read(f"db/ignores?folder={name}")["ignore"],
    )
    version = (1, 24) if "numConnections" not in double.defaults["device"] else (2, 1)
    syncthing_options.check_row(bench, kind, row, version)
