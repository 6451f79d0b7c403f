# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The places of the declared folders on this host: which folders will be refused, and which wait for their disk.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import re
import typing as t
import xml.etree.ElementTree as ET
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _placed, _places
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._refusals import Refusals

FOLDER = re.compile(r"<folder\s[^>]*>")


def gather(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Gather the present state; changes nothing on the host."""
    declared = params["folders"]
    if not declared:
        return {"left_out": [], "refused": []}
    host = _placed.Host(params["syncthing_home"], params["syncthing_user"])
    present = _present(Path(params["syncthing_home"]) / "config.xml")
    declared = _placed.respelled(declared, present, _placed.user_home(host))
    # Whether a folder may move is decided later; its files are at the old place until then.
    there = [one for one in declared if one["id"] not in present or _places.same(one.get("path"), present[one["id"]])]
    refusals = Refusals(there, partial=True)
    left_out = _placed.check(there, present, host, refusals)
    return {"left_out": left_out, "refused": refusals.found}


def _present(config: Path) -> dict[str, str]:
    """The paths of Syncthing's folders. Only their first tags are parsed, because the file can be long in a large mesh."""
    found = {}
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for tag in FOLDER.findall(config.read_text(encoding="utf-8")):
            with contextlib.suppress(ET.ParseError):
                folder = ET.fromstring(f"{tag}</folder>")
                if folder.get("id") and folder.get("path"):  # the template of new folders has none
                    found[str(folder.get("id"))] = str(folder.get("path"))
    return found
