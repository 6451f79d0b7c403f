# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the kernel's rules with ufw's files, and keep access open while ufw loads them: pure functions.

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
# The chains whose policy ufw sets last when it stops, by direction. Not FORWARD, which Docker sets as well.
OPEN_CHAINS = {"incoming": "INPUT", "outgoing": "OUTPUT"}
RULES_FILES = {family: (_before_rules.BEFORE[family], _docker.FILES[family], USER_FILES[family]) for family in FAMILIES}
Listings = t.Mapping[str, str]  # by family, the output of `iptables -S`
Command = t.List[str]  # noqa: UP006  (3.9 at run time)
# What iptables says on a kernel without its modules, in its variants and versions.
NO_MODULES = re.compile(
    r"Table does not exist|do you need to insmod|Failed to initialize nft|rule set generation id|missing kernel module"
)
# The chains that ufw's files fill; ufw adds the jumps to the user's chains itself.
CHAIN = re.compile(r"^-A ufw6?-(before|after|user)-(?:input|output|forward) (?!-j ufw6?-user-)", re.MULTILINE)


def is_loaded(state: State, texts: t.Mapping[str, str], live: Listings, families: t.Iterable[str], with_multicast: bool) -> bool:
    """Whether the kernel has the rules of the files. An interrupted run, or another program, may have prevented that."""
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
    """Whether `iptables -S` lists fewer rules in ufw's chains than the files have, or another number than user.rules.

    Only numbers are compared, because versions of iptables differ in spelling. Other programs may add rules to ufw's chains.
    """
    live, filed = (collections.Counter(CHAIN.findall(text)) for text in (listing, "\n".join(texts)))
    return live["user"] != filed["user"] or live["before"] < filed["before"] or live["after"] < filed["after"]


def with_open_policies(commands: t.Iterable[Command], state: State, families: t.Collection[str]) -> t.Iterator[Command]:
    """Add commands that open the policies before each ufw command that empties its chains.

    When ufw stops, it empties its chains first and opens a closed policy last; this opens the policy before.
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
    """The file in a form that `iptables-restore --test` can check alone, and the number in the file of each line.

    The file uses chains that ufw has created before it loads the file; this adds their declarations.
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
    """The number of the line that `iptables-restore --test` refuses, and the reason; `numbers` come from `testable`."""
    line = re.search(r"line:? (\d+)", message)
    number = numbers[min(int(line.group(1)), len(numbers)) - 1] if line else 1
    return number, re.sub(rf"^{program}[^:]*: | at line \d+", "", message.splitlines()[0])


def lacks_modules(message: str) -> bool:
    """Whether a program of iptables has failed because of the kernel, and not because of its input."""
    return bool(NO_MODULES.search(message))
