# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge a host's other apt sources of a repository that a role is to add: pure functions, for the controller.

apt reads no source at all if two of them give one repository different keys (Signed-By).

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

Host = t.Mapping[str, t.Any]  # what host_info returns
Source = t.Mapping[str, t.Any]
FOLDER = "/etc/apt/sources.list.d/"


def replaced(host: Host, repository: Host) -> list[str]:
    """The files that have nothing but this repository, which the role's own file replaces."""
    files = dict.fromkeys(source["file"] for source in _same(host, repository))
    return [file for file in files if _is_alone(host, repository, file)]


def refusals(host: Host, repository: Host) -> list[str]:
    """Sources with another key in files that have other repositories as well. The keys of `repository` are name, uri, suite,
    file, keyring and instead (what the user may set)."""
    gone = replaced(host, repository)
    clashes = [
        source
        for source in _same(host, repository)
        if source["file"] not in gone and source["signed_by"] != repository["keyring"]
    ]
    return [
        f"{source['file']}:{source['line']} has {repository['name']}'s repository with another key (Signed-By: "
        f"{source['signed_by'] or 'none'}; this role uses {repository['keyring']}), and apt would refuse both: remove it from "
        f"that file, or set {repository['instead']}"
        for source in clashes
    ]


def _same(host: Host, repository: Host) -> list[Source]:
    """Sources of the same URI and suite in other files than the role's own."""
    if not repository["uri"]:
        return []
    uri, suite = repository["uri"].rstrip("/"), repository["suite"]
    sources: list[Source] = (host.get("apt") or {}).get("sources", [])
    return [
        source for source in sources if (source["uri"], source["suite"]) == (uri, suite) and source["file"] != repository["file"]
    ]


def _is_alone(host: Host, repository: Host, file: str) -> bool:
    uris = {source["uri"] for source in host["apt"]["sources"] if source["file"] == file}
    return file.startswith(FOLDER) and uris == {repository["uri"].rstrip("/")}
