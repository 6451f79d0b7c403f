# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ufw's rules as data: what `ufw show added` prints, and what ufw takes as arguments.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
import typing as t

ACTIONS = ("allow", "deny", "reject", "limit")
DIRECTIONS = ("in", "out", "routed")
ANY = "any"


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule. Two spellings of the same rule are equal; the comment is no part of it."""

    action: str
    direction: str = "in"  # in, out or routed
    interface: str = ""
    interface_out: str = ""  # of a routed rule
    source: str = ANY
    source_port: str = ""
    destination: str = ANY
    port: str = ""
    protocol: str = ANY
    app: str = ""  # an application profile, such as OpenSSH
    log: str = ""
    comment: str = dataclasses.field(default="", compare=False)
    raw: str = ""  # a line that this parser does not understand, to keep or to delete as it is


def from_option(option: t.Mapping[str, t.Any]) -> Rule:
    """From one element of the module's option `rules`."""
    return Rule(
        action=option["action"],
        direction=option["direction"],
        interface=option.get("interface") or "",
        interface_out=option.get("interface_out") or "",
        source=option.get("from") or ANY,
        source_port=str(option.get("from_port") or ""),
        destination=option.get("to") or ANY,
        port=str(option.get("port") or ""),
        protocol=option.get("proto") or ANY,
        comment=option.get("comment") or "",
    )


def parse(line: str) -> Rule:
    """One line of `ufw show added`, with or without the leading word ufw."""
    try:
        return _parse(shlex.split(line.strip().removeprefix("ufw ")))
    except (ValueError, IndexError, KeyError):
        return Rule(action="", raw=line.strip().removeprefix("ufw "))


def _parse(words: list[str]) -> Rule:
    rest = list(words)
    found: dict[str, str] = {}
    if rest[0] == "route":
        found["direction"] = "routed"
        rest.pop(0)
    found["action"] = rest.pop(0)
    if found["action"] not in ACTIONS:
        raise ValueError(found["action"])
    if rest[-2:-1] == ["comment"]:
        found["comment"] = rest[-1]
        del rest[-2:]
    while rest:
        _word(found, rest)
    return Rule(**found)


def _word(found: dict[str, str], rest: list[str]) -> None:
    word = rest.pop(0)
    if word in ("in", "out"):
        routed = found.get("direction") == "routed"
        if not routed:
            found["direction"] = word
        if rest[:1] == ["on"]:
            rest.pop(0)
            found["interface_out" if routed and word == "out" else "interface"] = rest.pop(0)
    elif word in ("log", "log-all"):
        found["log"] = word
    elif word in ("from", "to"):
        end = "source" if word == "from" else "destination"
        found[end] = rest.pop(0)
        if rest[:1] == ["port"]:
            rest.pop(0)
            found["source_port" if word == "from" else "port"] = rest.pop(0)
    elif word == "proto":
        found["protocol"] = rest.pop(0)
    elif re.fullmatch(r"[0-9:,]+(/(tcp|udp))?", word):
        found["port"], _slash, protocol = word.partition("/")
        found["protocol"] = protocol or ANY
    elif not rest:
        found["app"] = word
    else:
        raise ValueError(word)


def arguments(rule: Rule) -> list[str]:
    """What ufw takes to add the rule, or behind `delete` to remove it."""
    if rule.raw:
        return shlex.split(rule.raw)
    words = ["route"] if rule.direction == "routed" else []
    words.append(rule.action)
    if rule.direction == "routed":
        words += ["in", "on", rule.interface] if rule.interface else []
        words += ["out", "on", rule.interface_out] if rule.interface_out else []
    else:
        words.append(rule.direction)
        words += ["on", rule.interface] if rule.interface else []
    words += [rule.log] if rule.log else []
    if rule.app:
        return [*words, rule.app]
    words += _end("from", rule.source, rule.source_port)
    words += _end("to", rule.destination, rule.port)
    words += ["proto", rule.protocol] if rule.protocol != ANY else []
    return words


def _end(word: str, address: str, port: str) -> list[str]:
    return [word, address, *(["port", port] if port else [])]


def text(rule: Rule) -> str:
    """For people, and for diffs."""
    words = " ".join(arguments(rule)).replace(" from any to any", "").replace("from any ", "").replace(" to any port", " port")
    return words + (f"  # {rule.comment}" if rule.comment else "")
