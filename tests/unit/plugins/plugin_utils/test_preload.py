# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first action of a run imports all filters, so that the worker processes need not."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import preload

PLUGINS = pathlib.Path(__file__).resolve().parents[4] / "plugins"
# The folder that has ansible_collections: the checkout's own, or ansible-test's.
COLLECTIONS = pathlib.Path(preload.__file__).parents[5]


def test_preload_lists_all_filters() -> None:
    files = {path.stem for path in (PLUGINS / "filter").glob("*.py")}
    assert {module.__name__.rpartition(".")[2] for module in preload.FILTERS} == files


@pytest.mark.parametrize("action", ["check_inputs", "syncthing_mesh_info"])
def test_first_action_of_a_run_imports_all_filters(action: str) -> None:
    plugins = "ansible_collections.homelab.tailsync.plugins"
    code = f"import {plugins}.action.{action}, sys; print(*[name for name in sys.modules if '{plugins}.filter.' in name])"
    paths = [str(COLLECTIONS), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(found) == {module.__name__ for module in preload.FILTERS}
