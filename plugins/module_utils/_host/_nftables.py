# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find blocking rules in the output of `nft --json list ruleset`, in addition to iptables' own tables: pure functions.

A packet passes every base chain of a hook. An accept in one is not final, so ufw still decides; a drop is final.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._host._iptables import (
    DHCP,
    WITH_PORTS,
    Finding,
    Surroundings,
    is_anywhere,
)

Json = t.Mapping[str, t.Any]
HOOKS = {"input": "INPUT", "forward": "FORWARD"}
FAMILIES = {"ip": "v4", "ip6": "v6", "inet": "v4 and v6"}
# Tables of common programs, for bans, guests and containers.
KNOWN_TABLES = re.compile(
    r"f2b|fail2ban|crowdsec|sshguard|lxd|incus|netavark|docker|libvirt|kube|calico|cilium|nm-shared|io\.systemd|tailscale|mullvad"
)
MAX_DEPTH = 16  # jumps


def judge(ruleset: t.Iterable[Json], around: Surroundings, own: bool = True) -> list[Finding]:
    """The policies and rules that block new connections from anywhere; `own` leaves out the chains that iptables shows."""
    chains: dict[tuple[str, str, str], Json] = {}
    rules: dict[tuple[str, str, str], list[Json]] = {}
    for item in ruleset:
        if "chain" in item:
            chains[_key(item["chain"], "name")] = item["chain"]
        elif "rule" in item:
            rules.setdefault(_key(item["rule"], "chain"), []).append(item["rule"])
    found: list[Finding] = []
    for key, chain in chains.items():
        family, table, name = key
        if chain.get("type") != "filter" or chain.get("hook") not in HOOKS or family not in FAMILIES:
            continue
        if KNOWN_TABLES.match(table) or (own and family in ("ip", "ip6") and (table, name) in _IPTABLES):
            continue
        hook = HOOKS[chain["hook"]]
        if chain.get("policy") == "drop":
            line = f"nft chain {family} {table} {name} {{ type filter hook {chain['hook']}; policy drop }}"
            found.append(Finding(line, "block", hook, FAMILIES[family]))
        for rule in rules.get(key, []):
            for protocol, ports in _blocks(rule, rules, around, 0):
                line = f"nft rule {family} {table} {name} handle {rule.get('handle', '?')} ({_summary(rule)})"
                found.append(Finding(line, "block", hook, FAMILIES[family], protocol, ports))
    return list(dict.fromkeys(found))


_IPTABLES = (("filter", "INPUT"), ("filter", "FORWARD"))


def _key(item: Json, name: str) -> tuple[str, str, str]:
    return item["family"], item["table"], item[name]


def _blocks(
    rule: Json, rules: t.Mapping[tuple[str, str, str], list[Json]], around: Surroundings, depth: int
) -> t.Iterator[tuple[str, tuple[str, ...]]]:
    """Yield protocol and ports that a rule, or a rule that it jumps to, blocks from anywhere."""
    protocol = ""
    ports: tuple[str, ...] = ()
    for item in rule.get("expr", []):
        if "match" in item:
            if _is_narrow(item["match"], around):
                return
            at, values = _port(item["match"])
            protocol, ports = at or protocol, values or ports
        elif "drop" in item or "reject" in item:
            yield protocol, ports
            return
        elif "jump" in item or "goto" in item:
            for inner in _chain_of(item, rule, rules, depth):
                for inner_protocol, inner_ports in _blocks(inner, rules, around, depth + 1):
                    yield inner_protocol or protocol, inner_ports or ports
        elif not {"counter", "log", "comment"} & set(item):
            return  # a limit, a set, a map, or a match of iptables' own: not anywhere


def _chain_of(item: Json, rule: Json, rules: t.Mapping[tuple[str, str, str], list[Json]], depth: int) -> list[Json]:
    """The rules of the chain that a rule jumps to; none beyond the maximum depth."""
    if depth >= MAX_DEPTH:
        return []
    target = (item.get("jump") or item["goto"])["target"]
    return rules.get((rule["family"], rule["table"], target), [])


def _is_narrow(match: Json, around: Surroundings) -> bool:
    left, right, negated = match["left"], match["right"], match.get("op") == "!="
    meta, payload = left.get("meta") or {}, left.get("payload") or {}
    values = _values(right)
    if left.get("ct", {}).get("key") == "state":
        return ("new" in values) if negated else "new" not in values
    if negated:
        return False
    tests: dict[str, t.Callable[[], bool]] = {
        **dict.fromkeys(("iifname", "iif", "oifname", "oif"), lambda: all(_is_inner(value, around) for value in values)),
        **dict.fromkeys(("protocol", "nfproto"), lambda: False),
        "l4proto": lambda: not any(value in WITH_PORTS for value in values),
        "saddr": lambda: not all(_is_network(value) and is_anywhere(value) for value in values),
        "daddr": lambda: all(not _is_network(value) or _is_near(value, around) for value in values),
        "dport": lambda: _is_few_ports(values),
    }
    return tests.get(str(meta.get("key") or payload.get("field")), lambda: True)()


def _is_few_ports(values: t.Sequence[str]) -> bool:
    return any(value.startswith("@") for value in values) or all(value in DHCP for value in values)  # a set selects few


def _is_inner(name: str, around: Surroundings) -> bool:
    return around.is_inner(name.replace("*", "+"))


def _values(right: t.Any) -> list[str]:
    """The values that a match compares with: words, networks, and ranges in iptables' form."""
    if isinstance(right, list):
        return [value for item in right for value in _values(item)]
    if isinstance(right, dict):
        if "set" in right:
            return _values(right["set"])
        if "prefix" in right:
            return [f"{right['prefix']['addr']}/{right['prefix']['len']}"]
        if "range" in right:
            return [":".join(str(end) for end in right["range"])]
        return ["@"]
    return [str(right)]


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_near(network: str, around: Surroundings) -> bool:
    address = ipaddress.ip_network(network, strict=False).network_address
    near = address.is_loopback or address.is_multicast or address.is_link_local
    return (near and not is_anywhere(network)) or around.holds(network)


def _port(match: Json) -> tuple[str, tuple[str, ...]]:
    left = match["left"]
    if left.get("meta", {}).get("key") == "l4proto" and match.get("op") != "!=":
        values = _values(match["right"])
        return (values[0] if len(values) == 1 else ""), ()
    payload = left.get("payload") or {}
    if payload.get("field") != "dport" or match.get("op") == "!=":
        return "", ()
    return ("" if payload["protocol"] == "th" else str(payload["protocol"])), tuple(_values(match["right"]))


def _summary(rule: Json) -> str:
    """A short text for a rule, so that a user can find it."""
    words = []
    for item in rule.get("expr", []):
        if "match" in item:
            left = item["match"]["left"]
            name = next(iter(left.values()))
            keys = [name[key] for key in ("protocol", "field", "key") if key in name] if isinstance(name, dict) else []
            words.append(" ".join([*keys, ",".join(_values(item["match"]["right"]))]))
        else:
            words.append(next(iter(item)))
    return " ".join(word for word in words if word != "counter")
