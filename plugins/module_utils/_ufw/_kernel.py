# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the kernel has what ufw's files say, and what keeps access open while ufw loads them: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import collections
import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _before_rules, _docker
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import FAMILIES
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._state import USER_FILES, State

PROGRAMS = {"v4": "iptables", "v6": "ip6tables"}
# The chains whose policy ufw sets last when it stops, by direction. Not FORWARD: Docker sets that, too.
OPEN_CHAINS = {"incoming": "INPUT", "outgoing": "OUTPUT"}
RULES_FILES = {family: (_before_rules.BEFORE[family], _docker.FILES[family], USER_FILES[family]) for family in FAMILIES}
Listings = t.Mapping[str, str]  # by family, as `iptables -S` lists it
Command = t.List[str]  # noqa: UP006  (3.9 at run time)
# Of ufw's chains, those that its files fill; it adds jumps to the user's itself.
CHAIN = re.compile(r"^-A ufw6?-(before|after|user)-(?:input|output|forward) (?!-j ufw6?-user-)", re.MULTILINE)


def is_loaded(state: State, texts: t.Mapping[str, str], live: Listings, families: t.Iterable[str], with_multicast: bool) -> bool:
    """Whether the kernel has what the files say: a run that was cut off, or another program, may have prevented that."""
    for family in families:
        listing = live[family]
        for name, chain in OPEN_CHAINS.items():
            if f"-P {chain} {'ACCEPT' if state.defaults[name] == 'allow' else 'DROP'}" not in listing.splitlines():
                return False
        before, after, user = (texts.get(path, "") for path in RULES_FILES[family])
        if lacks(listing, (before, after, user)) or not _docker.is_loaded(after, listing):
            return False
        if with_multicast and _before_rules.multicast(before) != _before_rules.multicast(listing):
            return False
    return True


def lacks(listing: str, texts: t.Iterable[str]) -> bool:
    """Whether what `iptables -S` lists has fewer rules in ufw's chains than the files, or others than those of user.rules.

    By number only: versions of iptables differ in the spelling. Other programs may add rules to those of the files.
    """
    live, filed = (collections.Counter(CHAIN.findall(text)) for text in (listing, "\n".join(texts)))
    return live["user"] != filed["user"] or live["before"] < filed["before"] or live["after"] < filed["after"]


def with_open_policies(commands: t.Iterable[Command], state: State, families: t.Collection[str]) -> t.Iterator[Command]:
    """The commands of ufw, and before each that empties its chains those that keep established access.

    ufw stops by emptying its chains first and taking back a closing policy last; this takes it back before.
    """
    running, defaults = state.running, dict(state.defaults)
    for words in commands:
        if running and words[0] in ("default", "reload", "disable"):
            for name, chain in OPEN_CHAINS.items():
                if defaults[name] != "allow":
                    yield from ([PROGRAMS[family], "-w", "-P", chain, "ACCEPT"] for family in families)
        running = words[-1] == "enable" or (running and words != ["disable"])
        if words[0] == "default":
            defaults[words[2]] = words[1]
        yield ["ufw", *words]


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


def fault_of(message: str, program: str, numbers: t.Sequence[int]) -> tuple[int, str]:
    """The line that `iptables-restore --test` does not take, and why; `numbers` are those that `testable` gave."""
    line = re.search(r"line:? (\d+)", message)
    number = numbers[min(int(line.group(1)), len(numbers)) - 1] if line else 1
    return number, re.sub(rf"^{program}[^:]*: | at line \d+", "", message.splitlines()[0])
