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

Execute = t.Callable[..., t.Tuple[int, str, str]]  # noqa: UP006  (3.9 at run time)
Source = t.Dict[str, t.Any]  # noqa: UP006
ONE_LINE = re.compile(r"^\s*deb(?:-src)?\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)")
NO = ("no", "false", "without", "off", "disable", "0")
# apt ignores files with other names, without a word for most of them.
NAME = re.compile(r"[A-Za-z0-9_:-][A-Za-z0-9_:.-]*\.(?:list|sources)")
# Like the key, these must be the same in all sources of one repository.
FLAGS = (
    "allow-downgrade-to-insecure",
    "allow-insecure",
    "allow-weak",
    "check-date",
    "check-valid-until",
    "inrelease-path",
    "trusted",
)
# Reads the sources and nothing else; it takes no lock.
TRIAL = ["apt-get", "indextargets"]


def gather(manager: str | None, execute: Execute, missing: bool = True, root: Path = Path("/")) -> dict[str, t.Any]:
    """The enabled sources in apt's order, and what apt says if it cannot read them. Changes nothing.

    apt is asked if a package is missing, or if two sources may contradict each other.
    """
    if manager != "apt":
        return {"sources": [], "problem": ""}
    folder = root / "etc/apt/sources.list.d"
    files = [root / "etc/apt/sources.list", *sorted(path for path in folder.glob("*") if NAME.fullmatch(path.name))]
    found: list[Source] = []
    for path in files:
        parse = deb822 if path.suffix == ".sources" else one_line
        found += parse(_read(path), f"/{path.relative_to(root)}")
    return {"sources": found, "problem": _problem(execute) if missing or _may_contradict(found) else ""}


def _may_contradict(found: list[Source]) -> bool:
    """Whether a repository has other keys or options in another source. Its deb-src beside its deb is no reason for doubt."""
    terms: dict[tuple[str, str], tuple[str, ...]] = {}
    for source in found:
        place, term = (source["uri"].rpartition("://")[2], source["suite"]), (source["signed_by"], *source["flags"])
        if terms.setdefault(place, term) != term:
            return True
    return False


def _problem(execute: Execute) -> str:
    code, _out, error = execute(TRIAL, environ_update={"LC_ALL": "C"})
    return error.strip() if code not in (0, 127) else ""


def one_line(text: str, file: str) -> list[Source]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = ONE_LINE.match(line.partition("#")[0])
        if match:
            words = (match["options"] or "").replace('"', "").split()
            options = dict(option.split("=", 1) for option in words if "=" in option)
            found.append(_source(file, number, match["uri"], match["suite"], options))
    return found


def deb822(text: str, file: str) -> list[Source]:
    """Each pair of URI and suite of each enabled stanza, with the line of its first field."""
    found = []
    for number, fields in _stanzas(text):
        if fields.get("enabled", "yes").strip().lower() in NO:
            continue
        for uri in fields.get("uris", "").split():
            found += [_source(file, number, uri, suite, fields) for suite in fields.get("suites", "").split()]
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


def _source(file: str, line: int, uri: str, suite: str, options: dict[str, str]) -> Source:
    key = options.get("signed-by", "")
    return {
        "file": file,
        "line": line,
        "uri": uri.rstrip("/"),
        "suite": suite,
        "signed_by": "a key in the file" if "BEGIN PGP" in key else ",".join(re.findall(r"[^,\s]+", key)),
        "flags": [f"{name}={options[name].strip()}" for name in FLAGS if name in options],
    }


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
