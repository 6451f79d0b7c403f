# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ufw's rules as data: parsed from `ufw show added` and from its files, and as arguments for ufw.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import shlex
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common.table import PART
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._tables import RULE_TABLE

ACTIONS = ("allow", "deny", "reject", "limit")
OPENINGS = ("allow", "limit")
DIRECTIONS = ("in", "out", "routed")
ANY = "any"
FAMILIES = ("v4", "v6")
EVERYWHERE = {"v4": "0.0.0.0/0", "v6": "::/0"}
# From ufw/util.py: protocols without ports, and protocols that ufw supports for IPv4 only.
PORTLESS = ("ah", "esp", "gre", "igmp", "ipv6")
V4_ONLY = ("igmp", "ipv6")
TUPLE = "### tuple ###"


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule. Two spellings of the same rule are equal; comments are not compared."""

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
    source_app: str = ""
    log: str = ""
    family: str = ""  # v4 or v6; a rule of both is two to ufw, each in a file of its own
    comment: str | None = dataclasses.field(default=None, compare=False)  # None: not declared
    raw: str = ""  # a line that this parser cannot parse, to be kept or deleted unchanged

    def __post_init__(self) -> None:
        for end in ("source", "destination"):
            address = getattr(self, end)
            if address != ANY:
                object.__setattr__(self, "family", "v6" if ":" in address else "v4")
            if address in EVERYWHERE.values():
                object.__setattr__(self, end, ANY)
        if self.protocol in V4_ONLY:
            object.__setattr__(self, "family", "v4")

    @property
    def families(self) -> tuple[str, ...]:
        return (self.family,) if self.family else FAMILIES

    @property
    def opens(self) -> bool:
        return self.action in OPENINGS

    def half(self, family: str) -> Rule:
        """The part of the rule for one family."""
        return dataclasses.replace(self, family=family)

    @property
    def key(self) -> Rule:
        """The fields by which ufw tells rules apart. Of two rules with one key, the later replaces the earlier in place."""
        return dataclasses.replace(self, action="", log="")


def from_option(option: t.Mapping[str, t.Any]) -> Rule:
    """Create a rule from one element of the module's option `rules`, by the rows of the table."""
    given = [(key, option[key.option]) for key in RULE_TABLE if option.get(key.option) is not None]
    return Rule(**{key.path[0]: CANONICAL[key.option](value) if key.form == PART else value for key, value in given})


def canonical_address(address: str) -> str:
    """An address in ufw's spelling: an address without its length, a network without host bits."""
    if address in ("", ANY):
        return ANY
    network = ipaddress.ip_network(address, strict=False)
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def canonical_ports(ports: str | int) -> str:
    """Ports in ufw's order: by number, a range by its first port."""
    pieces = [":".join(str(int(number)) for number in piece.split(":")) for piece in str(ports).split(",") if piece]
    return ",".join(sorted(pieces, key=lambda piece: [int(number) for number in piece.split(":")]))


CANONICAL: t.Mapping[str, t.Callable[[t.Any], str]] = {
    "from": canonical_address,
    "to": canonical_address,
    "from_port": canonical_ports,
    "port": canonical_ports,
}


def parse(line: str) -> Rule:
    """Parse one line of `ufw show added`, with or without the leading word ufw."""
    try:
        return _parse(shlex.split(line.strip().removeprefix("ufw ")))
    except (ValueError, IndexError, KeyError):
        return Rule(action="", raw=line.strip().removeprefix("ufw "))


def _parse(words: list[str]) -> Rule:
    rest = list(words)
    found: dict[str, str] = {"comment": ""}
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
        end, prefix = ("source", "source_") if word == "from" else ("destination", "")
        found[end] = rest.pop(0)
        if rest[:1] in (["port"], ["app"]):
            key = prefix + rest.pop(0)
            found[key] = rest.pop(0)
    elif word == "proto":
        found["protocol"] = rest.pop(0)
    elif re.fullmatch(r"[0-9:,]+(/(tcp|udp))?", word):
        found["port"], _slash, protocol = word.partition("/")
        found["protocol"] = protocol or ANY
    elif not rest:
        found["app"] = word
    else:
        raise ValueError(word)


def parse_tuple(line: str, family: str) -> Rule:
    """Parse one line of user.rules or user6.rules that begins with TUPLE. Raises ValueError for a line that ufw would skip."""
    body, _mark, comment = line.removeprefix(TUPLE).strip().partition(" comment=")
    words = body.split()
    if not 6 <= len(words) <= 9:
        raise ValueError(line)
    action, protocol, port, destination, source_port, source = words[:6]
    # The last word has the direction and the interfaces, the two before it the application profiles; both are optional.
    app, source_app = map(_app, words[6:8] if len(words) > 7 else "--")
    action, _underscore, log = action.removeprefix("route:").partition("_")
    if action not in ACTIONS:
        raise ValueError(line)
    return Rule(
        action=action,
        **_way(words[-1] if len(words) in (7, 9) else "in", routed=words[0].startswith("route:")),
        source=source,
        source_port="" if source_app or source_port == ANY else source_port,
        destination=destination,
        port="" if app or port == ANY else port,
        # An application profile has its own protocols.
        protocol=ANY if app or source_app else protocol,
        app=app,
        source_app=source_app,
        log=log,
        family=family,
        comment=bytes.fromhex(comment.strip()).decode("utf-8", "replace"),
    )


def _app(word: str) -> str:
    return "" if word == "-" else word.replace("%20", " ")


def _way(word: str, routed: bool) -> dict[str, str]:
    """Parse direction and interfaces: `in`, `out_eth0`, and for a routed rule `in_eth0!out_eth1`."""
    ways = dict(part.partition("_")[::2] for part in word.split("!"))
    if routed:
        return {"direction": "routed", "interface": ways.get("in", ""), "interface_out": ways.get("out", "")}
    return {"direction": word.partition("_")[0], "interface": "".join(ways.values())}


def arguments(rule: Rule) -> list[str]:
    """The arguments of ufw that add the rule, or after `delete` remove it."""
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
    source = rule.source
    if rule.family and (rule.source, rule.destination) == (ANY, ANY) and rule.protocol not in V4_ONLY:
        source = EVERYWHERE[rule.family]  # with `any` it would be both families
    words += _end("from", source, rule.source_port, rule.source_app)
    words += _end("to", rule.destination, rule.port, rule.app)
    words += ["proto", rule.protocol] if rule.protocol != ANY else []
    return words


def _end(word: str, address: str, port: str, app: str) -> list[str]:
    return [word, address, *(["port", port] if port else []), *(["app", app] if app else [])]


def command(rule: Rule, *verb: str) -> list[str]:
    """The arguments that add a rule with its comment, or apply another verb to it; ufw wants the verb after the word route."""
    words = arguments(rule)
    words += ["comment", rule.comment] if rule.comment and verb != ("delete",) else []
    at = 1 if words[:1] == ["route"] else 0
    return [*words[:at], *verb, *words[at:]]


def describe(rule: Rule) -> str:
    """Describe a rule in the form that the modules return."""
    words = " ".join(arguments(rule)).replace(" from any to any", "").replace("from any ", "")
    words = words.replace(" to any port", " port").replace(" to any app", " app").replace(" to any", "")
    return words + (f"  # {rule.comment}" if rule.comment else "")
