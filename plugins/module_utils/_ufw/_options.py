# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the module's rules before any command is run, for rules that ufw would refuse or misunderstand.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _rules
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._errors import UfwError
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import PORTLESS, V4_ONLY, Rule

Option = t.Mapping[str, t.Any]
# ufw looks for these anywhere among its arguments (ufw/parser.py).
WORDS = ("in", "out", "on", "log", "log-all", "comment", "from", "to", "port", "proto", "app", "delete", "insert")


def rules_of(options: t.Sequence[Option], name: str) -> tuple[Rule, ...]:
    """The rules of the option with this name. Raises UfwError with a message that names the rule and the fix."""
    found: dict[Rule, tuple[int, Rule]] = {}
    for number, option in enumerate(options):
        for key, message in complaints(option):
            raise UfwError(f"{name}[{number}].{key}: {message}")
        rule = _rules.from_option(option)
        for family in rule.families:
            other_number, other = found.setdefault(rule.half(family).key, (number, rule))
            if (other.action, other.log) != (rule.action, rule.log) and name == "rules":
                raise UfwError(
                    f"{name}[{number}] and {name}[{other_number}] differ in nothing but action or log, and ufw keeps one of them:"
                    f" remove '{_rules.describe(rule)}' or '{_rules.describe(other)}'"
                )
    return tuple(dict.fromkeys(_rules.from_option(option) for option in options))


def complaints(option: Option) -> t.Iterator[tuple[str, str]]:
    """Yield the problems of one rule: the suboption, and a message."""
    for check in (_interfaces, _addresses, _ports, _protocol, _app, _comment):
        yield from check(option)


def refuse_odd_interfaces(names: t.Sequence[str], option: str) -> None:
    for number, name in enumerate(names):
        if not is_interface(name):
            raise UfwError(
                f"{option}[{number}]: '{name}' is no name of an interface: write it as `ip link` shows it, such as docker0"
            )


def is_interface(name: str) -> bool:
    return re.fullmatch(r"[a-zA-Z0-9_.+,=%@-]{1,15}", name) is not None and name not in (".", "..", *WORDS)


def _interfaces(option: Option) -> t.Iterator[tuple[str, str]]:
    for key in ("interface", "interface_out"):
        name = option.get(key)
        if name is not None and not is_interface(name):
            yield key, f"'{name}' is no name of an interface that ufw takes: write it as `ip link` shows it, such as eth0"
    if option.get("interface_out") and option["direction"] != "routed":
        yield (
            "interface_out",
            f"only a routed rule has this option: use interface, with direction {option['direction']}",
        )


def _addresses(option: Option) -> t.Iterator[tuple[str, str]]:
    families = {}
    for key in ("from", "to"):
        address = option.get(key)
        if address in (None, "any"):
            continue
        try:
            families[key] = ipaddress.ip_network(str(address), strict=False).version
        except ValueError:
            yield (
                key,
                f"'{address}' is neither an address nor a network: write one such as 192.168.1.0/24 or fd00::1",
            )
    if len(set(families.values())) > 1:
        yield "to", "it has another IP version than from, so nothing would match: write two rules, or leave one out"
    if option.get("proto") in V4_ONLY and 6 in families.values():
        yield "proto", f"ufw supports {option['proto']} for IPv4 only: leave the IPv6 address out"


def _ports(option: Option) -> t.Iterator[tuple[str, str]]:
    for key in ("from_port", "port"):
        ports = option.get(key)
        if ports is None:
            continue
        if not re.fullmatch(r"[0-9]+(:[0-9]+)?(,[0-9]+(:[0-9]+)?)*", ports):
            yield key, f"'{ports}' is no port: write numbers, such as '22', '80,443' or '60000:61000'"
            return
        for piece in ports.split(","):
            numbers = [int(number) for number in piece.split(":")]
            if min(numbers) < 1 or max(numbers) > 65535 or (len(numbers) == 2 and numbers[0] >= numbers[1]):
                yield key, f"'{piece}' is no port or range of ports: they go from 1 to 65535, the lower one first"
        several = re.findall("[,:]", ports)
        if len(several) > 14:
            yield key, "ufw takes at most 15 ports in one rule, a range counting as two: make two rules"
        if several and option.get("proto") not in ("tcp", "udp"):
            yield (
                key,
                f"ufw takes several ports ('{ports}') for one protocol only: set proto tcp or udp, or write a rule for each",
            )


def _protocol(option: Option) -> t.Iterator[tuple[str, str]]:
    if option.get("proto") in PORTLESS:
        for key in ("from_port", "port"):
            if option.get(key) is not None:
                yield key, f"{option['proto']} has no ports: leave it out"


def _app(option: Option) -> t.Iterator[tuple[str, str]]:
    name = option.get("app")
    if name is None:
        return
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9 _.+-]*", name) or name in ("all", *WORDS) or name.isdigit():
        yield "app", f"'{name}' is no name of an application profile: `ufw app list` shows them"
    for key in ("port", "proto"):
        if option.get(key) is not None:
            yield key, f"the application profile '{name}' has it already: leave {key} out, or app"


def _comment(option: Option) -> t.Iterator[tuple[str, str]]:
    comment = option.get("comment") or ""
    if re.search(r"['\x00-\x1f\x7f]", comment):
        yield "comment", "ufw accepts only one line without an apostrophe: remove other characters"
    # ufw searches its arguments for its own keywords, also inside of a longer word.
    if comment.strip() in WORDS or (option["direction"] == "routed" and re.search(r"(^|\s)(in|out)(\s|$)", comment)):
        yield "comment", f"ufw would read a word of '{comment}' as a keyword: use other words"


def refuse_unknown_profiles(rules: t.Sequence[Rule], present: t.Collection[Rule], profiles: t.Mapping[str, int]) -> None:
    """Refuse profiles that ufw does not list with this spelling."""
    there = {rule.app for rule in present}
    for rule in rules:
        if rule.app and rule.app not in profiles and rule.app not in there:
            names = ", ".join(sorted(profiles)) or "none"
            raise UfwError(f"the rule for {rule.app}: there is no such application profile, only {names}: install its package")


def profiles_of(texts: t.Iterable[str]) -> dict[str, int]:
    """Map each profile in these files of /etc/ufw/applications.d to the number of lines that ufw writes for it."""
    found: dict[str, int] = {}
    for text in texts:
        name = ""
        for line in text.splitlines():
            if re.fullmatch(r"\[.+\]", line.strip()):
                name = line.strip()[1:-1]
            elif line.startswith("ports=") and name:
                found[name] = line.count("|") + 1
    return found
