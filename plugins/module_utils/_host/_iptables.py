# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find rules in the output of `iptables -S` that decide on new connections from anywhere without ufw: pure functions.

ufw appends its jumps to INPUT and FORWARD, so rules in front of them apply first. Packets that ufw's chains do not decide on
(with its policy "deny" there are some) go on to the rules behind them.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import shlex
import typing as t

CHAINS = ("INPUT", "FORWARD")
# Chains of common programs: bans, or traffic that is forwarded to machines behind this host.
KNOWN_CHAINS = re.compile(
    r"ufw6?-|ts-|f2b-|fail2ban|CROWDSEC|crowdsec|sshguard|DOCKER|LIBVIRT_|LXD|lxd|incus|KUBE-|CNI-|cali-|CILIUM|FLANNEL|WEAVE"
    r"|NETAVARK|netavark|MINIUPNPD"
)
UFW = re.compile(r"ufw6?-before-")
RUNS = re.compile(r"^-N ufw6?-user-input$", re.MULTILINE)
WITH_PORTS = ("all", "0", "tcp", "6", "udp", "17", "sctp", "132", "dccp", "33", "udplite", "136")
PROTOCOLS = {"6": "tcp", "17": "udp", "all": "", "0": ""}
BLOCKS = ("DROP", "REJECT", "TARPIT", "STEAL")
QUEUES = ("NFQUEUE", "QUEUE")  # packets that a program then accepts bypass ufw
DHCP = ("67", "68", "67:68", "546", "547", "546:547")
# Matches that do not restrict the source.
COMMON = ("tcp", "udp", "multiport", "conntrack", "state", "comment", "addrtype", "pkttype", "sctp", "dccp")
# Matches that select few sources: an accept with one of them is not for anywhere.
SELECTIVE = ("mark", "connmark", "policy", "physdev", "mac", "set", "iprange", "geoip", "owner", "socket", "asn", "cgroup")
Options = t.Dict[str, t.Tuple[bool, t.Tuple[str, ...]]]  # noqa: UP006


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """The interfaces and networks of this host, by what they lead to."""

    inner: t.Collection[str] = ()  # interfaces that lead to guests, containers and tunnels of this host only
    outer: t.Collection[str] = ()  # interfaces that have a default route
    networks: t.Collection[str] = ()  # the networks of the inner ones
    others: t.Collection[str] = ()  # the other interfaces: of a LAN, or unknown

    def is_inner(self, name: str) -> bool:
        if name == "lo" or name in self.inner:
            return True
        there = [*self.outer, *self.others]
        if name.endswith("+"):
            return INNER.match(name) is not None and not any(other.startswith(name[:-1]) for other in there)
        return name not in there and INNER.match(name) is not None

    def holds(self, network: str) -> bool:
        """Whether a network is behind this host."""
        there = _network(network)
        if there is None:
            return False
        own = [ipaddress.ip_network(text, strict=False) for text in self.networks]
        return any(there.version == one.version and there.subnet_of(one) for one in own)  # type: ignore[arg-type]


# By the names that their programs use, for rules about an interface that does not exist now.
INNER = re.compile(
    r"docker|br-\+|br-[0-9a-f]{12}$|virbr|lxdbr|lxcbr|incusbr|cni|podman|veth|cali|flannel|kube|vnet|tap|tun|wg|tailscale|zt|nm-|waydroid"
)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One rule that decides on connections. `ports` is empty for all; `source` names a network if the rule is limited to it."""

    line: str
    verdict: str  # accept or block
    chain: str
    family: str
    protocol: str = ""
    ports: tuple[str, ...] = ()
    source: str = ""


@dataclasses.dataclass(frozen=True)
class Line:
    chain: str
    target: str
    options: Options
    text: str

    def get(self, *keys: str) -> tuple[bool, tuple[str, ...]] | None:
        return next((self.options[key] for key in keys if key in self.options), None)

    @property
    def matches(self) -> tuple[str, ...]:
        return (self.options.get("-m") or (False, ()))[1]


def is_anywhere(network: str) -> bool:
    """Whether a network is larger than the largest private ones (10.0.0.0/8, fc00::/7)."""
    there = _network(network)
    return there is not None and there.prefixlen < (8 if there.version == 4 else 7)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Parse a network. None for a mask with holes, which iptables accepts and which selects few addresses."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def parse(text: str) -> Line:
    """Parse an `-A` line. Of a repeated option the last one counts, but all matches (`-m`) are kept."""
    words = shlex.split(text)
    options: dict[str, tuple[bool, tuple[str, ...]]] = {}
    at, negated = 2, False
    while at < len(words):
        word = words[at]
        at += 1
        if word == "!":
            negated = True
            continue
        values = []
        while at < len(words) and words[at] != "!" and not re.match(r"-\D", words[at]):
            values.append(words[at])
            at += 1
        before = options[word][1] if word == "-m" and word in options else ()
        options[word] = (negated, (*before, *values))
        negated = False
    target = (options.get("-j") or options.get("-g") or (False, ("",)))[1]
    return Line(words[1], target[0] if target else "", options, text)


def judge(listing: str, family: str, around: Surroundings, program: str = "", final: bool = True) -> list[Finding]:
    """The rules of a listing that decide on new connections from anywhere.

    In a table other than ufw's (`final` is false), an accept is not final, but a block is, and so is a policy.
    """
    chains = _chains(listing)
    program = program or ("iptables" if family == "v4" else "ip6tables")
    found: list[Finding] = []
    for base in CHAINS:
        own = chains.get(base, [])
        ufw = _jump_to_ufw(own, listing)
        for at, line in enumerate(own):
            for path, verdict in _decisions(line, chains, (), base):
                counts = verdict == "block" if not final else verdict == "accept" or at <= ufw
                if counts and not any(_is_narrow(step, verdict, base, around) for step in path):
                    found += _finding(path, verdict, base, (family, program))
        # Docker sets FORWARD to DROP in its own table, with rules for the traffic that is forwarded.
        if not final and base == "INPUT" and re.search(rf"^-P {base} DROP$", listing, re.MULTILINE):
            found.append(Finding(f"{program} -P {base} DROP", "block", base, family))
    return list(dict.fromkeys(found))


def _chains(listing: str) -> dict[str, list[Line]]:
    chains: dict[str, list[Line]] = {}
    for text in listing.splitlines():
        if text.startswith("-A "):
            line = parse(text)
            chains.setdefault(line.chain, []).append(line)
    return chains


def _jump_to_ufw(own: t.Sequence[Line], listing: str) -> int:
    """Position of the jump to ufw's chains; the end if there is none, or ufw is off: then its jumps stay until the next boot."""
    jumps = (at for at, line in enumerate(own) if UFW.match(line.target) and RUNS.search(listing))
    return next(jumps, len(own))


def _decisions(
    line: Line, chains: t.Mapping[str, list[Line]], before: tuple[Line, ...], base: str
) -> t.Iterator[tuple[tuple[Line, ...], str]]:
    """Yield each path through a rule that ends in a decision: the rules on the path, and the decision."""
    path = (*before, line)
    if line.target == "ACCEPT" or line.target in QUEUES:
        yield path, "accept"
    elif line.target in BLOCKS or (line.target == "RETURN" and line.chain == base):
        yield path, "block"  # a packet that leaves INPUT or FORWARD gets its policy, which ufw sets to DROP
    elif line.target in chains and not KNOWN_CHAINS.match(line.target):  # the kernel allows no loops between chains
        for inner in chains[line.target]:
            yield from _decisions(inner, chains, path, base)


def _finding(path: t.Sequence[Line], verdict: str, base: str, table: tuple[str, str]) -> t.Iterator[Finding]:
    family, program = table
    source = next((network for network in map(_source, path) if network), "")
    if source and (verdict == "block" or base == "FORWARD" or getattr(_network(source), "num_addresses", 1) == 1):
        return
    ports = next((ports for ports in map(_ports, path) if ports), ())
    protocol = next((protocol for protocol in map(_protocol, path) if protocol), "")
    yield Finding(f"{program} {path[-1].text}", verdict, base, family, protocol, ports, source)


def _is_narrow(line: Line, verdict: str, base: str, around: Surroundings) -> bool:
    """Whether a rule matches only other things than new connections from anywhere."""
    return (
        _is_old(line)
        or _is_other_protocol(line)
        or _is_inside(line, base, around)
        or _is_local_destination(line, base, around)
        or _is_selective(line, verdict)
        or set(_ports(line)) & set(DHCP) != set()
    )


def _is_old(line: Line) -> bool:
    """Whether a rule matches established connections only, or none at all."""
    negated, states = line.get("--ctstate", "--state") or (True, ("",))
    names = states[0].split(",")
    return "NEW" in names if negated else not {"NEW", "DNAT", "SNAT"} & set(names)


def _is_other_protocol(line: Line) -> bool:
    negated, protocol = line.get("-p") or (True, ("all",))
    return not negated and protocol[0] not in WITH_PORTS


def _is_inside(line: Line, base: str, around: Surroundings) -> bool:
    for key in ("-i", "-o"):
        negated, name = line.get(key) or (True, ("",))
        if not negated and around.is_inner(name[0]):
            return True
        if key == "-o" and not negated and base == "FORWARD" and name[0] in around.outer and line.target == "ACCEPT":
            return True  # outgoing traffic opens nothing
    return False


def _is_local_destination(line: Line, base: str, around: Surroundings) -> bool:
    negated, destination = line.get("-d") or (True, ("",))
    if not negated:
        network = _network(destination[0])
        if network is None:
            return True
        address = network.network_address
        near = address.is_loopback or address.is_multicast or address.is_link_local or str(address) == "255.255.255.255"
        if (near and not is_anywhere(destination[0])) or (base == "FORWARD" and around.holds(destination[0])):
            return True
    for key in ("--dst-type", "--pkt-type"):
        negated, kind = line.get(key) or (True, ("",))
        if not negated and kind[0].lower() in ("broadcast", "multicast", "anycast"):
            return True
    return False


def _is_selective(line: Line, verdict: str) -> bool:
    """Whether a rule applies to few sources: a block with an unknown match, such as a ban; an accept only with some matches."""
    negated, kind = line.get("--src-type") or (True, ("",))
    if not negated and kind[0] == "LOCAL":
        return True
    if verdict == "accept":
        few = [name for name in line.matches if name in SELECTIVE and not (name == "iprange" and _is_any_range(line))]
        return bool(few) or line.get("--rcheck", "--update") is not None
    flags = line.get("--tcp-flags")
    return any(name not in COMMON for name in line.matches) or "-f" in line.options or (flags is not None and not _is_syn(flags))


def _is_any_range(line: Line) -> bool:
    """Whether a range of source addresses is larger than any private network; a negated range is."""
    negated, text = line.get("--src-range") or (True, ("",))
    first, _dash, last = text[0].partition("-")
    try:
        networks = ipaddress.summarize_address_range(ipaddress.ip_address(first), ipaddress.ip_address(last))
        return negated or any(is_anywhere(str(network)) for network in networks)
    except (TypeError, ValueError):
        return negated


def _is_syn(flags: tuple[bool, tuple[str, ...]]) -> bool:
    return not flags[0] and flags[1][-1:] == ("SYN",)


def _source(line: Line) -> str:
    negated, source = line.get("-s") or (True, ("",))
    return "" if negated or is_anywhere(source[0]) else source[0]


def _protocol(line: Line) -> str:
    negated, protocol = line.get("-p") or (True, ("",))
    return "" if negated else PROTOCOLS.get(protocol[0], protocol[0])


def _ports(line: Line) -> tuple[str, ...]:
    negated, ports = line.get("--dport", "--dports", "--destination-port", "--destination-ports") or (True, ("",))
    return () if negated else tuple(ports[0].split(","))
