# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role firewall's variables: the rules and openings that they declare, and their problems. Pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _options, _rules
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._errors import UfwError
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import ANY, OPENINGS
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._tables import RULE

Variables = t.Mapping[str, t.Any]
Option = t.Dict[str, t.Any]  # noqa: UP006
# The prefix lengths of the largest private networks (10.0.0.0/8, fc00::/7); a larger network is the internet or half of it.
WIDEST = {4: 8, 6: 7}
ALL_PORTS = 65535
ONLY = "firewall_tailnet_only_ports"
PUBLIC_HINT = "To open a port to everyone, put it into firewall_public_ports"


def policy(variables: Variables) -> dict[str, list[Option]]:
    """The rules to apply and to keep, in the form that ufw_policy takes. Ansible refuses null for options with choices."""
    listed = {"rules": rules(variables), "keep": value_of(variables, "firewall_keep", [])}
    return {
        name: [{key: value for key, value in rule.items() if value is not None} for rule in found]
        for name, found in listed.items()
    }


def rules(variables: Variables) -> list[Option]:
    """The declared rules, as the user wrote them."""
    tailnet = value_of(variables, "firewall_tailnet_interface", "tailscale0")
    only = value_of(variables, ONLY, [])
    direct = int(value_of(variables, "firewall_direct_connection_port", 0))
    return [
        {"interface": tailnet, "comment": "the tailnet"},
        *(public_rule(port) for port in list_of(variables, "firewall_public_ports")),
        *(
            ssh_rule(network, value_of(variables, "firewall_ssh_port", 22))
            for network in list_of(variables, "firewall_lan_ssh_from")
        ),
        *([{"port": str(direct), "proto": "udp", "comment": "direct connections of Tailscale"}] if direct > 0 else []),
        *value_of(variables, "firewall_extra_rules", []),
        *({**port, "direction": "out", "interface": tailnet, "comment": "through the tailnet"} for port in only),
        *({**port, "direction": "out", "action": "reject", "comment": "and by no other way"} for port in only),
    ]


def public_rule(port: t.Any) -> Option:
    """A rule for `443/tcp`, `60000:61000/udp` or `53`."""
    number, _slash, protocol = str(port).partition("/")
    return {"port": number, "comment": "public", **({"proto": protocol} if protocol else {})}


def ssh_rule(network: str, port: t.Any) -> Option:
    """A rule that allows SSH from a network of the LAN."""
    return {
        "from": str(ipaddress.ip_network(str(network), strict=False)),
        "port": str(port).strip(),
        "proto": "tcp",
        "comment": "SSH if Tailscale is down",
    }


def openings(variables: Variables) -> list[Option]:
    """The declared openings beyond the tailnet: `from` and `interface` are the sources, `port`, `proto` and `app` the ports."""
    tailnet = value_of(variables, "firewall_tailnet_interface", "tailscale0")
    return [
        {key: rule[key] for key in ("from", "interface", "port", "proto", "app", "to")}
        for rule in map(_whole, rules(variables))
        if rule["action"] in OPENINGS and rule["direction"] == "in" and rule["interface"] != tailnet
    ]


def problems(variables: Variables) -> list[str]:
    """The problems of the variables, one message each with the fix."""
    found = [*_tailnet_interface(variables), *_public_ports(variables), *_lan_ssh(variables)]
    for name in ("firewall_extra_rules", "firewall_keep", ONLY):
        found += _rule_list(value_of(variables, name, []), name)
    found += _times(variables)
    if not found:
        try:
            _options.rules_of([_whole(rule) for rule in rules(variables)], "rules")
        except UfwError as error:
            places = _places(variables)
            found.append(re.sub(r"\brules\[(\d+)\]", lambda match: places[int(match.group(1))], str(error)))
    return found


def _places(variables: Variables) -> list[str]:
    """The place of each rule in the user's variables."""
    only = [f"firewall_tailnet_only_ports[{number}]" for number, _port in enumerate(value_of(variables, ONLY, []))]
    return [
        "firewall_tailnet_interface",
        *(f"firewall_public_ports[{number}]" for number, _port in enumerate(list_of(variables, "firewall_public_ports"))),
        *(f"firewall_lan_ssh_from[{number}]" for number, _network in enumerate(list_of(variables, "firewall_lan_ssh_from"))),
        *(["firewall_direct_connection_port"] if int(value_of(variables, "firewall_direct_connection_port", 0)) > 0 else []),
        *(f"firewall_extra_rules[{number}]" for number, _rule in enumerate(value_of(variables, "firewall_extra_rules", []))),
        *only,
        *only,
    ]


def ends(port: t.Any) -> tuple[int, int]:
    """The first and the last port of `80` or `60000:61000`."""
    numbers = [int(number) for number in str(port).split(":")]
    return numbers[0], numbers[-1]


def covers(opening: Variables, proto: str, first: int, last: int) -> bool:
    """Whether a rule covers all these ports of a protocol; a rule without ports covers all."""
    if opening.get("app") or opening.get("proto") not in (None, "", proto):
        return False
    pieces = [ends(piece) for piece in str(opening["port"]).split(",")] if opening.get("port") else [(0, 65535)]
    return any(start <= first and last <= end for start, end in pieces)


def value_of(variables: Variables, name: str, default: t.Any) -> t.Any:
    value = variables.get(name)
    return default if value is None else value


def list_of(variables: Variables, name: str) -> list[t.Any]:
    """A list of words in one of Ansible's forms: also a single word, words with commas between them, or a number."""
    value = variables.get(name)
    if value is None:
        return []
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return [value] if isinstance(value, (int, float)) else list(value)


def _whole(option: Option) -> Option:
    """A rule with all optional keys, filled in as by the module's argument spec."""
    filled: Option = {**dict.fromkeys(RULE), "action": "allow", "direction": "in"}
    filled.update({key: value for key, value in option.items() if value is not None})
    return {key: str(value) if isinstance(value, int) else value for key, value in filled.items()}


def _tailnet_interface(variables: Variables) -> t.Iterator[str]:
    name = str(value_of(variables, "firewall_tailnet_interface", "tailscale0"))
    if not _options.is_interface(name) or "+" in name or name in ("any", "all", "lo"):
        yield (
            f"firewall_tailnet_interface is '{name}': it must be the name of one interface, as `ip link` on the host shows it; "
            "Tailscale's is tailscale0"
        )


def _public_ports(variables: Variables) -> t.Iterator[str]:
    ports = list_of(variables, "firewall_public_ports")
    for index, port in enumerate(ports):
        found = re.fullmatch(r"([0-9]{1,5})(?::([0-9]{1,5}))?(?:/(tcp|udp))?", str(port))
        numbers = [int(number) for number in found.groups()[:2] if number] if found else []
        in_order = numbers == sorted(set(numbers)) and all(0 < number <= ALL_PORTS for number in numbers)
        if not found or not in_order or (len(numbers) > 1 and not found.group(3)):
            yield (
                f"firewall_public_ports[{index}] is '{port}': it must be a port or a range from 1 to {ALL_PORTS}, with its "
                "protocol, such as 443/tcp or 60000:61000/udp. A port without a range may leave the protocol out"
            )


def _lan_ssh(variables: Variables) -> t.Iterator[str]:
    name, networks = "firewall_lan_ssh_from", list_of(variables, "firewall_lan_ssh_from")
    port = value_of(variables, "firewall_ssh_port", 22)
    bad = [(index, network) for index, network in enumerate(networks) if not _is_network(network)]
    for index, network in bad:
        yield f"{name}[{index}] is '{network}': it must be a network of the LAN, such as 192.168.1.0/24"
    for index, network in enumerate(networks):
        if str(network).endswith((".0", "::")) and (index, network) not in bad:
            example = f"{network}/{64 if ':' in network else 24}"
            yield f"{name}[{index}] is '{network}', which is one address and no network: add its length, such as {example}"
    if not bad and wide(networks):
        yield (
            f"{name} is {list(networks)}, which is everyone ({', '.join(wide(networks))}): name the networks of the LAN, such "
            f"as 192.168.1.0/24. To allow everyone, put {port}/tcp into firewall_public_ports"
        )


def wide(networks: t.Iterable[str]) -> list[str]:
    """The union of these networks, as far as it is larger than any private network."""
    there = [ipaddress.ip_network(str(network), strict=False) for network in networks]
    found: list[str] = []
    for version in (4, 6):
        same = [network for network in there if network.version == version]
        together = ipaddress.collapse_addresses(same)  # type: ignore[type-var]
        found += [str(network) for network in together if network.prefixlen < WIDEST[version]]
    return found


def _is_network(text: t.Any) -> bool:
    try:
        ipaddress.ip_network(str(text), strict=False)
    except ValueError:
        return False
    return not isinstance(text, int)


def _rule_list(options: t.Any, name: str) -> list[str]:
    """The problems of a list of rules, also of their combination."""
    if not isinstance(options, (list, tuple)):
        return [f"{name} is no list of rules: write it as [{{from: 192.168.1.0/24, port: '445', proto: tcp}}]"]
    found, sound = [], []
    for number, option in enumerate(options):
        complaints = list(_complaints(option, f"{name}[{number}]"))
        found += complaints
        if not complaints:
            sound.append((number, _whole(option)))
    unlimited = [(number, rule) for number, rule in sound if _allows_everything(rule)]
    sources = [rule["from"] for _number, rule in unlimited if rule["from"] not in (None, ANY)]
    everywhere = wide(sources)
    for number, rule in unlimited:
        whole = rule["from"] in (None, ANY)
        if whole or any(_overlaps(rule["from"], network) for network in everywhere):
            who = "everyone" if whole else f"everyone ({', '.join(everywhere)})"
            found.append(
                f"{name}[{number}] has neither an interface nor a port and would allow {who} to reach everything: set "
                f"from to its network, such as 192.168.1.0/24, or name the port. {PUBLIC_HINT}"
            )
    return found


def _complaints(option: t.Any, where: str) -> t.Iterator[str]:
    if not isinstance(option, dict):
        yield f"{where} is no rule: write it as {{from: 192.168.1.0/24, port: '445', proto: tcp}}"
        return
    rule = _whole(option)
    for key in option:
        if key not in RULE:
            yield f"{where} has an unknown key {key}: a rule has {', '.join(RULE)}"
    for key in ("action", "direction", "proto", "log"):
        choices = RULE[key]["choices"]
        if rule[key] is not None and rule[key] not in choices:
            yield f"{where}.{key} is '{rule[key]}': it is one of {', '.join(choices)}"
            return
    for key, value in option.items():
        if value is not None and not isinstance(value, (str, int)):
            yield f"{where}.{key} is {value!r}: write text, such as port: '80,443'"
            return
    for key, message in _options.complaints(rule):
        yield f"{where}.{key}: {message}"
    if rule["interface"] in ("any", "all", "+"):
        yield f"{where}.interface is '{rule['interface']}', which is every interface: name one. {PUBLIC_HINT}"
    bare = not any(rule[key] for key in ("interface", "interface_out", "port", "app", "proto", "from", "to", "from_port"))
    if bare and rule["direction"] == "routed" and rule["action"] in OPENINGS:
        yield f"{where} would forward everything for everyone: name an interface or networks"
    if bare and rule["direction"] == "out" and rule["action"] not in OPENINGS:
        yield f"{where} would block all outgoing traffic, even Tailscale's: name the port, the interface or the network"


def _allows_everything(rule: Option) -> bool:
    """Whether a rule opens nearly all ports to its sources."""
    if rule["action"] not in OPENINGS or rule["direction"] != "in" or rule["app"] or rule["interface"]:
        return False
    if rule["to"] not in (None, ANY) and ipaddress.ip_network(rule["to"], strict=False).is_multicast:
        return False
    return rule["proto"] not in _rules.PORTLESS and _number_of_ports(rule["port"]) > ALL_PORTS // 2


def _number_of_ports(ports: str | None) -> int:
    if not ports:
        return ALL_PORTS
    ends = [[int(end) for end in piece.split(":")] for piece in ports.split(",")]
    return sum(pair[-1] - pair[0] + 1 for pair in ends)


def _overlaps(network: str, other: str) -> bool:
    one, two = (ipaddress.ip_network(text, strict=False) for text in (network, other))
    return one.version == two.version and one.overlaps(two)


def _times(variables: Variables) -> t.Iterator[str]:
    proof, rollback = (
        int(value_of(variables, f"firewall_{name}_timeout", default)) for name, default in (("proof", 10), ("rollback", 180))
    )
    if proof < 1:
        yield f"firewall_proof_timeout is {proof} s: a login takes time, set it to 1 or more"
    if rollback < 3 * proof + 15:
        yield (
            f"firewall_rollback_timeout is {rollback} s, too short for three logins of {proof} s (firewall_proof_timeout) and a "
            f"change of the firewall: set it to {3 * proof + 60} or more"
        )
