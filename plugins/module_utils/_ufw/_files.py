# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ufw's own rules files: closing and opening their multicast lines, and replacing a file without ever half of it.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import collections
import os
import re
import tempfile
import typing as t
from pathlib import Path

BEFORE = {"v4": "/etc/ufw/before.rules", "v6": "/etc/ufw/before6.rules"}
# Put before a line that is closed, and nothing else of it is changed: so it comes back as it was.
CLOSED = "# closed by homelab.tailsync: "
GROUPS = r"(?:224\.0\.0\.251|239\.255\.255\.250|ff02::fb|ff02::f)(?:/32|/128)?"
OPENING = re.compile(rf"^[ \t]*-A ufw6?-before-input (?=.*-d {GROUPS}[ \t])(?=.*--dport (?:5353|1900)\b).*-j ACCEPT")
# Of ufw's chains, those that its files fill; it adds jumps to the user's itself.
CHAIN = re.compile(r"^-A ufw6?-(before|after|user)-(?:input|output|forward) (?!-j ufw6?-user-)", re.MULTILINE)


def set_multicast(text: str, is_open: bool) -> str:
    """The file with ufw's own openings for mDNS and UPnP open, or closed."""
    lines = text.splitlines(keepends=True)
    if is_open:
        return "".join(line.removeprefix(CLOSED) for line in lines)
    return "".join(CLOSED + line if OPENING.match(line) else line for line in lines)


def multicast(text: str) -> bool:
    """Whether a file, or what `iptables -S` lists, lets mDNS or UPnP in."""
    return any(OPENING.match(line) for line in text.splitlines())


def lacks(listing: str, texts: t.Iterable[str]) -> bool:
    """Whether what `iptables -S` lists has fewer rules in ufw's chains than the files, or others than those of user.rules.

    By number only: versions of iptables differ in the spelling. Others may add rules beside those of the files.
    """
    live, filed = (collections.Counter(CHAIN.findall(text)) for text in (listing, "\n".join(texts)))
    return live["user"] != filed["user"] or live["before"] < filed["before"] or live["after"] < filed["after"]


def read(path: Path) -> str:
    """Byte for byte, whatever is in it; nothing if it is not there."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""


def not_text(text: str) -> int:
    """The first line with bytes that are no UTF-8, as `read` keeps them; 0 without any."""
    strange = re.search("[\udc80-\udcff]", text)
    return text.count("\n", 0, strange.start()) + 1 if strange else 0


def write(path: Path, text: str) -> None:
    """Whole or not at all, with owner and mode as they were."""
    before = path.stat()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
            os.fchmod(file.fileno(), before.st_mode & 0o7777)
            os.fchown(file.fileno(), before.st_uid, before.st_gid)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise


def testable(text: str, family: str) -> tuple[str, list[int]]:
    """The file as `iptables-restore --test` takes it on its own, and of each line the number that it has in the file.

    It names chains that ufw has made before it loads the file; they are declared in it.
    """
    prefix = "ufw" if family == "v4" else "ufw6"
    declared = set(re.findall(r"^:(\S+)", text, re.MULTILINE))
    named = dict.fromkeys(re.findall(rf"(?:^-[AID]|-j|-g) ({prefix}-[a-z-]+)", text, re.MULTILINE))
    lines, numbers = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        made = [f":{name} - [0:0]" for name in named if name not in declared] if line.strip() == "*filter" else []
        lines += [line, *made]
        numbers += [number] * (1 + len(made))
    return "\n".join(lines), numbers
