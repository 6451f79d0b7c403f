# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make `ansible_collections.homelab.tailsync` importable from the checkout.

ansible-core has no public way to import a collection's Python from outside a
playbook; this is the only file that touches the private one.
"""

from __future__ import annotations

import atexit
import os
import pathlib
import shutil
import tempfile

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

CHECKOUT = pathlib.Path(__file__).resolve().parent


def _install_collection_finder() -> None:
    root = pathlib.Path(tempfile.mkdtemp(prefix="tailsync-collections-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    namespace = root / "ansible_collections" / "homelab"
    namespace.mkdir(parents=True)
    (namespace / "tailsync").symlink_to(CHECKOUT)
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(root)
    _AnsibleCollectionFinder(paths=[str(root)])._install()


_install_collection_finder()
# Not in /tmp: that is a place where no folder of Syncthing's may be.
_TEMPORARY = pathlib.Path(os.environ.get("TAILSYNC_CACHE", pathlib.Path.home() / ".cache" / "tailsync")) / "pytest"
_TEMPORARY.mkdir(parents=True, exist_ok=True)
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_TEMPORARY))
