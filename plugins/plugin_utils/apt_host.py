# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge a host's apt sources before a role adds one and installs packages: pure functions, for the controller.

apt reads no source at all if two of them give one repository different keys (Signed-By) or other options.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t

Host = t.Mapping[str, t.Any]  # what host_info returns
Source = t.Mapping[str, t.Any]
# A role's repository: name, uri (empty for none), suite, file, keyring and instead (what the user may set).
Repository = t.Mapping[str, str]
FOLDER = "/etc/apt/sources.list.d/"
CONFLICT = re.compile(r"Conflicting values set for option \S+ regarding source (?P<uri>\S+) (?P<suite>[^\s:]+)")
NONE: Repository = {"name": "", "uri": "", "suite": "", "file": "", "keyring": "", "instead": ""}
SUMMARY = "The list of sources could not be read"


def replaced(host: Host, repository: Repository) -> list[str]:
    """The files that have nothing but this repository, which the role's own file replaces."""
    wanted = _id(repository)
    same = [source for source in _sources(host) if repository["uri"] and _id(source) == wanted]
    files = dict.fromkeys(source["file"] for source in same if source["file"] != repository["file"])
    return [file for file in files if _is_alone(host, wanted[0], file)]


def refusals(host: Host, repository: Repository | None = None, gone: t.Collection[str] = ()) -> list[str]:
    """Why apt could not read its sources with the role's own. `gone` are files that an earlier role replaces or removes."""
    repository = repository or NONE
    gone = {*gone, *replaced(host, repository), repository["file"]}
    own = _own(repository)
    left = [source for source in _sources(host) if source["file"] not in gone]
    clashes = _clashes([*left, own] if repository["uri"] else left)
    problem = (host.get("apt") or {}).get("problem", "")
    found = []
    for first, second in clashes:
        if own in (first, second):
            found.append(_own_message(repository, second if first is own else first))
        elif problem:  # what apt reads now is not judged
            found.append(_message(first, second))
    known = {_id(first) for first, _second in clashes} | {_id(source) for source in _sources(host) if source["file"] in gone}
    return [*found, *_unexplained(problem, known)]


def _sources(host: Host) -> list[Source]:
    found: list[Source] = (host.get("apt") or {}).get("sources", [])
    return found


def _id(source: Source) -> tuple[str, str]:
    """What makes two sources one repository for apt: neither the scheme nor a password, but upper and lower case."""
    scheme, mark, rest = source["uri"].rstrip("/").partition("://")
    return (rest.rpartition("@")[2] if mark else scheme), source["suite"]


def _is_alone(host: Host, place: str, file: str) -> bool:
    return file.startswith(FOLDER) and {_id(s)[0] for s in _sources(host) if s["file"] == file} == {place}


def _own(repository: Repository) -> dict[str, t.Any]:
    return {
        **{key: repository[key] for key in ("uri", "suite", "file")},
        "line": 2,
        "signed_by": repository["keyring"],
        "flags": [],
    }


def _clashes(sources: t.Iterable[Source]) -> list[tuple[Source, Source]]:
    """Pairs that apt would not read together. A key after a source without one is taken; none after a key is an error."""
    kept: dict[tuple[str, str], Source] = {}
    found = []
    # apt reads sources.list first, and then all files of the folder by name.
    for source in sorted(sources, key=lambda source: source["file"] if source["file"].startswith(FOLDER) else ""):
        first = kept.setdefault(_id(source), source)
        if source["flags"] != first["flags"] or (first["signed_by"] and source["signed_by"] != first["signed_by"]):
            found.append((first, source))
        elif not first["signed_by"]:
            kept[_id(source)] = source
    return found


def _own_message(repository: Repository, other: Source) -> str:
    return (
        f"{_place(other)} has {repository['name']}'s repository with another key ({_key(other)}; this role uses "
        f"{repository['keyring']}), and apt would refuse both: remove it from that file, or set {repository['instead']}"
    )


def _message(first: Source, second: Source) -> str:
    return (
        f"{_place(first)} and {_place(second)} have the repository {second['uri']} {second['suite']} with different keys or "
        f"options ({_key(first)}; {_key(second)}), so apt reads no source at all: remove one of them, or give both the same"
    )


def _place(source: Source) -> str:
    return f"{source['file']}:{source['line']}"


def _key(source: Source) -> str:
    return ", ".join([f"Signed-By: {source['signed_by'] or 'none'}", *source["flags"]])


def _unexplained(problem: str, known: t.Collection[tuple[str, str]]) -> list[str]:
    """apt's own words, where they are not about a repository that has been named already or is about to be replaced."""
    lines = []
    for line in dict.fromkeys(problem.splitlines()):  # apt says some twice
        conflict = CONFLICT.search(line)
        if line.startswith("E:") and SUMMARY not in line and not (conflict and _id(conflict.groupdict()) in known):
            lines.append(line[2:].strip())
    if not lines:
        return []
    return [
        f"apt cannot read its sources ({'; '.join(lines)}): correct what it names, until `apt-get update` finds no error in them"
    ]
