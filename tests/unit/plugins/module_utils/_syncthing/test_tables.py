# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An option is a row of the table, its documentation, and a row of the test table: each of the three is missed by name."""

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
    """Object to the options that the documentation has of it."""
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
    """Each option that one place has and another has not."""
    everywhere = {option for options in places.values() for option in options}
    return [
        f"{name}.{option} is missing in {place}"
        for option in sorted(everywhere)
        for place, options in places.items()
        if option not in options
    ]


@pytest.mark.parametrize("name", sorted(_tables.OBJECTS))
def test_each_option_is_in_all_three_places(name: str) -> None:
    places = {
        TABLE: set(spec_of(_tables.OBJECTS[name])),
        DOCUMENTATION: documented()[name],
        TESTS: {row.option for row in syncthing_options.ROWS[name]},
    }
    found = missing(places, name)
    assert not found, "\n".join(found)


def test_every_object_has_its_tests() -> None:
    assert syncthing_options.ROWS.keys() == _tables.OBJECTS.keys() == documented().keys()


@pytest.mark.parametrize("kind", ["device", "folder"])
def test_the_defaults_have_the_same_options_as_the_objects(kind: str) -> None:
    table = {"device": _tables.DEVICE_DEFAULTS_ROWS, "folder": _tables.FOLDER_DEFAULTS_ROWS}[kind]
    rows = {row.option for row in syncthing_options.DEFAULTS[kind]}
    found = missing({TABLE: set(spec_of(table)), TESTS: rows}, f"defaults.{kind}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("kind", "row"), syncthing_options.all_rows())
def test_each_option_gets_to_syncthing(double: Syncthing, tmp_path: pathlib.Path, kind: str, row: syncthing_options.Row) -> None:
    bench = syncthing_options.Bench(
        str(tmp_path / "home"),
        str(tmp_path),
        lambda: double.config,
        lambda name: double.read(f"db/ignores?folder={name}")["ignore"],
    )
    version = (1, 24) if "numConnections" not in double.defaults["device"] else (2, 1)
    syncthing_options.check_row(bench, kind, row, version)
