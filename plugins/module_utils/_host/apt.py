# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about the package sources of apt, in the one-line and in the deb822 form.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

Source = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)
ONE_LINE = re.compile(r"^\s*deb(?:-src)?\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)")
NO = ("no", "false", "without", "off", "disable")


def gather(manager: str | None, root: Path = Path("/")) -> dict[str, t.Any]:
    """The enabled sources by file; empty without apt. Changes nothing."""
    if manager != "apt":
        return {"sources": []}
    folder = root / "etc/apt"
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*.list"))]
    found = [source for path in files for source in one_line(_read(path), _name(path, root))]
    for path in sorted((folder / "sources.list.d").glob("*.sources")):
        found += deb822(_read(path), _name(path, root))
    return {"sources": found}


def one_line(text: str, file: str) -> list[Source]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = ONE_LINE.match(line.partition("#")[0])
        if match:
            options = dict(option.split("=", 1) for option in (match["options"] or "").split() if "=" in option)
            found.append(_source(file, number, match["uri"], match["suite"], options.get("signed-by", "")))
    return found


def deb822(text: str, file: str) -> list[Source]:
    """Each pair of URI and suite of each enabled stanza, with the line of its first field."""
    found = []
    for number, fields in _stanzas(text):
        if fields.get("enabled", "yes").strip().lower() in NO:
            continue
        key = "\n".join(line.strip() for line in fields.get("signed-by", "").strip().splitlines())
        for uri in fields.get("uris", "").split():
            found += [_source(file, number, uri, suite, key) for suite in fields.get("suites", "").split()]
    return found


def _stanzas(text: str) -> t.Iterator[tuple[int, dict[str, str]]]:
    fields: dict[str, str] = {}
    start, name = 0, ""
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield start, fields
            fields, name = {}, ""
        elif line[0] in " \t":
            fields[name] = f"{fields.get(name, '')}\n{line.strip()}"
        else:
            start = start if fields else number
            name, _colon, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()


def _source(file: str, line: int, uri: str, suite: str, key: str) -> Source:
    # Several keys are possible; a key in the file itself begins with a line of its own.
    inline = "BEGIN PGP" in key
    return {
        "file": file,
        "line": line,
        "uri": uri.rstrip("/"),
        "suite": suite,
        "signed_by": "a key in the file" if inline else key,
    }


def _name(path: Path, root: Path) -> str:
    return f"/{path.relative_to(root)}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
