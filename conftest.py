# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make `ansible_collections.homelab.tailsync` importable from the checkout.

ansible-core has no public API to import a collection's Python outside of a
playbook; this is the only file that uses the private one.
"""

from __future__ import annotations

import atexit
import os
import pathlib
import shutil
import sys
import tempfile
import typing as t

import pytest
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

CHECKOUT = pathlib.Path(__file__).resolve().parent
# Folders of shared test code. pyproject.toml lists them as well, but ansible-test does not read it.
HELPERS = [str(CHECKOUT / "tests" / name) for name in ("lab", "support", "tools")]


def _install_collection_finder() -> None:
    root = pathlib.Path(tempfile.mkdtemp(prefix="tailsync-collections-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    namespace = root / "ansible_collections" / "homelab"
    namespace.mkdir(parents=True)
    (namespace / "tailsync").symlink_to(CHECKOUT)
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(root)
    _AnsibleCollectionFinder(paths=[str(root)])._install()


# Under ansible-test its own finder is installed, which knows the tests by their full names.
if not any(isinstance(finder, _AnsibleCollectionFinder) for finder in sys.meta_path):
    _install_collection_finder()
sys.path[:0] = [path for path in HELPERS if path not in sys.path]
# Not in /tmp, where Syncthing folders are refused.
_TEMPORARY = pathlib.Path(os.environ.get("TAILSYNC_CACHE", pathlib.Path.home() / ".cache" / "tailsync")) / "pytest"
_TEMPORARY.mkdir(parents=True, exist_ok=True)
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_TEMPORARY))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes some seconds; `make quick` leaves it out")


@pytest.fixture
def short_path() -> t.Iterator[pathlib.Path]:
    """A folder for Unix sockets: their paths have at most 107 bytes, and tmp_path may be longer."""
    with tempfile.TemporaryDirectory() as folder:
        yield pathlib.Path(folder)
