# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A preference needs a row of the table, documentation and a row of the test table: a missing one is named."""

from __future__ import annotations

import collections

import pytest
import yaml
from ansible_collections.homelab.tailsync.plugins.module_utils._common.table import DIRECT, INVERTED, LOCAL, PART
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _prefs
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._tables import LOGIN, PREFERENCES
from ansible_collections.homelab.tailsync.plugins.modules import tailscale_node
from tailscale_call import declare
from tailscale_double import Daemon
from tailscale_preferences import EVERY

TABLE = "PREFERENCES in plugins/module_utils/_tailscale/_tables.py"
MANUAL = "DOCUMENTATION in plugins/modules/tailscale_node.py"
TESTS = "EVERY in tests/support/tailscale_preferences.py"
KNOWN = {key.option: key for key in PREFERENCES}


def test_each_preference_has_a_row_documentation_and_a_test() -> None:
    places = {
        TABLE: set(KNOWN),
        MANUAL: set(yaml.safe_load(tailscale_node.DOCUMENTATION)["options"]) - {key.option for key in LOGIN},
        TESTS: set(EVERY),
    }
    gaps = [
        f"{name} is missing in {where}" for where, has in places.items() for name in sorted(set.union(*places.values()) - has)
    ]
    assert not gaps, "; ".join(gaps)


def test_each_row_is_consistent_with_its_form() -> None:
    parts = {key.option for key in PREFERENCES if key.form == PART}
    assert parts == set(_prefs.PARTS), f"a row of {TABLE} in the form PART needs an entry in PARTS of _prefs.py, no other has one"
    assert {key.form for key in PREFERENCES} <= {DIRECT, INVERTED, PART}, f"{TABLE}: a preference is no {LOCAL} option"
    twice = [
        path for path, count in collections.Counter(key.path for key in PREFERENCES if key.form != PART).items() if count > 1
    ]
    assert not twice, f"{TABLE}: two rows have the same place on the wire: {twice}"


@pytest.mark.parametrize("option", EVERY)
def test_changed_preference_is_one_minimal_edit(option: str) -> None:
    row, daemon = EVERY[option], Daemon()
    edit = {**{f"{key}Set": True for key in row.edit if not key.endswith("Set")}, **row.edit}
    check = declare(daemon, check_mode=True, **{option: row.value})
    assert daemon.sent == []
    real = declare(daemon, **{option: row.value})
    assert daemon.sent == [("edit", edit)], f"{option} is not sent as {TESTS} says: see its row of {TABLE}"
    assert (check["changed"], check["diff"]) == (real["changed"], real["diff"])
    assert real["diff"]["after"][option] == row.value
    assert not declare(daemon, **{option: row.value})["changed"]
