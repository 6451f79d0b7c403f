# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the facts of host_info with the role firewall's variables: reasons to refuse a host, and warnings.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import (
    apt_host,
    firewall,
    firewall_guests,
    firewall_ssh,
    host_state,
    lockdown,
)

Facts = t.Mapping[str, t.Any]
Variables = t.Mapping[str, t.Any]
Port = t.Tuple[str, int]  # noqa: UP006
FOREIGN = "foreign_firewall_rules"
CLOSING = (
    "[WARNING] Once the firewall is closed, these services of this host can be reached over the tailnet only. To keep one open "
    "to other machines, put its line into the inventory (merge lines for one variable into one list):"
)
WEB = (80, 443)
DHCP = (68, 546)  # of clients: ufw allows the answers itself
DHCP_SERVER = (67, 547)
MULTICAST = (5353, 1900)


def refusals(host: Facts, variables: Variables, accepted: t.Collection[str] = ()) -> list[str]:
    """The reasons to refuse this firewall on a host: other rules decide on connections, or nodes could no longer log in."""
    facts = host.get("packet_filter") or {}
    found = [*host_state.no_apt(host, "firewall", "ufw"), *_kernel(host)]
    found += lockdown.control_servers(host.get("control_servers") or [], variables)
    services = facts.get("services") or []
    if services:
        found.append(
            f"{' and '.join(services)} is in charge of this host's packet filter, and would undo what ufw does or be undone by "
            f"it: run `systemctl disable --now {' '.join(services)}`, and put the rules that you need into "
            "firewall_public_ports, firewall_lan_ssh_from or firewall_extra_rules. The rules that it has loaded stay until they "
            "are removed or the host is restarted"
        )
    rules = [rule for rule in facts.get("rules") or [] if _decides(rule, variables)]
    rules += _together(facts.get("rules") or [], rules)
    if rules and FOREIGN not in accepted:
        said = "; ".join(f"`{rule['line']}` {_what(rule)}" for rule in rules)
        found.append(
            f"rules that are not ufw's decide on new connections to this host: {said}. Remove them (for iptables use the same "
            "line with -D in place of -A), also from the file that loads them at boot, such as netfilter-persistent's "
            "/etc/iptables, /etc/nftables.conf, /etc/rc.local, cloud-init or a PostUp line, and put the rules that you need into "
            f"firewall_public_ports, firewall_lan_ssh_from or firewall_extra_rules; or, to keep them, put {FOREIGN} into "
            "tailsync_accept"
        )
    return found


def source_refusals(host: Facts, gone: t.Collection[str] = ()) -> list[str]:
    """Why apt could not read its sources, if ufw is to be installed."""
    return [] if host_state.has_packages(host, ["ufw"]) else apt_host.refusals(host, gone=gone)


def _kernel(host: Facts) -> t.Iterator[str]:
    """The problem of a kernel that was asked for a table of its packet filter, and could not list it."""
    found = host.get("kernel") or {}
    if found.get("problem"):
        fix = (
            "restart the host, if its kernel was updated since it started; otherwise install the modules of that kernel, in a "
            "container on the machine that it runs on"
        )
        if "not permitted" in found["problem"]:
            fix = "give this container the capability NET_ADMIN, or leave it out of the firewall"
        yield (
            f"the running kernel {found.get('release')} cannot list its packet filter ({found['problem']}), so ufw could not "
            f"filter: {fix}"
        )


def warnings(host: Facts, variables: Variables, accepted: t.Collection[str] = ()) -> list[str]:
    """Facts about the host that its user should know, but that are no reason to refuse it."""
    facts = host.get("packet_filter") or {}
    rules = [rule for rule in facts.get("rules") or [] if FOREIGN in accepted or not _decides(rule, variables)]
    additional = [rule for rule in rules if not _is_declared(rule, variables)]
    found = []
    if additional:
        said = "; ".join(f"`{rule['line']}` {_what(rule)}" for rule in additional)
        found.append(f"[WARNING] rules that are not ufw's apply in addition to the declared ones: {said}")
    lost = closing(host, variables)
    return [
        *found,
        *([CLOSING, *lost] if lost else []),
        *firewall_guests.warnings(host, variables),
        *firewall_ssh.warnings(host, variables),
    ]


def _what(rule: Facts) -> str:
    blocks = rule["verdict"] == "block"
    if rule.get("source"):
        return f"allows {rule['source']} past ufw"
    if rule["chain"] == "FORWARD":
        return "blocks forwarded traffic before ufw" if blocks else "forwards for everyone past ufw"
    return "blocks everyone before ufw" if blocks else "allows everyone past ufw"


def _decides(rule: Facts, variables: Variables) -> bool:
    """Whether a rule changes the declared policy."""
    if rule.get("source"):
        return firewall.wide([rule["source"]]) != []
    if not rule["ports"] or rule["chain"] != "INPUT":
        return True
    if rule["verdict"] == "accept":
        return not _is_declared(rule, variables)
    # ufw also blocks ports that are not declared.
    return any(_covers_some(opening, rule) for opening in firewall.openings(variables))


def _is_declared(rule: Facts, variables: Variables) -> bool:
    """Whether an accept rule allows only connections that the declared rules allow as well."""
    if rule["verdict"] != "accept" or not rule["ports"]:
        return False
    public = [opening for opening in firewall.openings(variables) if not opening["interface"] and not opening["app"]]
    source = rule.get("source")
    public = [opening for opening in public if opening["from"] in (None, "any") or (source and opening["from"] == source)]
    protocols = [rule["protocol"]] if rule["protocol"] else ["tcp", "udp"]
    wanted = [(proto, *firewall.ends(port)) for port in rule["ports"] for proto in protocols]
    return all(any(firewall.covers(opening, *one) for opening in public) for one in wanted)


def _together(rules: t.Iterable[Facts], decided: t.Collection[Facts]) -> list[Facts]:
    """Accept rules whose networks together are everyone."""
    left = [rule for rule in rules if rule not in decided and rule["verdict"] == "accept" and rule.get("source")]
    found = []
    for ports in {tuple(rule["ports"]) for rule in left}:
        same = [rule for rule in left if tuple(rule["ports"]) == ports]
        if firewall.wide(rule["source"] for rule in same):
            found += same
    return found


def _covers_some(opening: Facts, rule: Facts) -> bool:
    if opening.get("app") or (opening.get("proto") and rule["protocol"] and opening["proto"] != rule["protocol"]):
        return False
    pieces = [firewall.ends(piece) for piece in str(opening["port"]).split(",")] if opening.get("port") else [(0, 65535)]
    return any(start <= last and first <= end for start, end in pieces for first, last in map(firewall.ends, rule["ports"]))


# --- services that will be closed ---------------------------------------------------------------


def closing(host: Facts, variables: Variables) -> list[str]:
    """A line for each service that other machines can reach now but not after the firewall is closed."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for (proto, port), process in _lost(host, variables).items():
        groups.setdefault((process, proto, _variable(port, proto, variables)), []).append(port)
    networks = (host.get("packet_filter") or {}).get("networks") or []
    networks = [network for network in networks if ":" not in network] or networks
    return [
        f"{', '.join(f'{port}/{proto}' for port in ports)} ({process or 'the kernel'}): "
        + _line(variable, ports, proto, networks)
        for (process, proto, variable), ports in sorted(groups.items(), key=lambda item: item[1])
    ]


def _lost(host: Facts, variables: Variables) -> dict[Port, str]:
    """The services that will be closed: protocol and port, with the process."""
    facts, here = host.get("listeners") or {}, (host.get("packet_filter") or {}).get("interfaces") or {}
    tailnet = firewall.value_of(variables, "firewall_tailnet_interface", "tailscale0")
    inside = [address for name, addresses in here.items() if _is_inside(name, tailnet) for address in addresses]
    published = {(str(proto), int(port)) for proto, port in facts.get("published") or []}
    found: dict[Port, str] = dict.fromkeys(published, "a container of Docker's")
    for socket in facts.get("sockets") or []:
        if socket["address"] in inside or ipaddress.ip_address(socket["address"]).is_multicast:
            continue
        key = (socket["proto"], int(socket["port"]))
        docker = socket["process"] == "docker-proxy"
        if docker:
            published.add(key)
        found.setdefault(key, "a container of Docker's" if docker else socket["process"])
    lost = {}
    for key, process in sorted(found.items()):
        is_open = _is_open(facts.get("ufw") or {}, *key, tailnet)
        if key in published:
            closes = bool(firewall.value_of(variables, "firewall_docker", True))
            reachable = closes and (is_open or not facts.get("docker_closed"))
        else:
            own = _is_ufws_own(*key, process, variables) or (key[1] in DHCP_SERVER and _is_for_guests(process, here))
            reachable = is_open and not own
        if reachable and not _stays_open(key, variables, host):
            lost[key] = process
    return lost


def _is_inside(name: str, tailnet: str) -> bool:
    return name in (tailnet, "docker0") or _is_guests(name)


def _is_guests(name: str) -> bool:
    return name.startswith(("virbr", "lxdbr", "lxcbr", "incusbr", "mpqemubr", "podman", "cni"))


def _is_for_guests(process: str, interfaces: t.Iterable[str]) -> bool:
    """Whether a DHCP server belongs to guests, whose interface cannot be seen from its socket."""
    return process.startswith("systemd-network") or (process == "dnsmasq" and any(_is_guests(name) for name in interfaces))


def _is_ufws_own(proto: str, port: int, process: str, variables: Variables) -> bool:
    """Whether ufw's or tailscaled's own rules allow a port, whatever is declared."""
    if process == "tailscaled":
        return True
    if proto != "udp":
        return False
    multicast = port in MULTICAST and bool(firewall.value_of(variables, "firewall_multicast", True))
    return port in DHCP or multicast


def _is_open(ufw: Facts, proto: str, port: int, tailnet: str) -> bool:
    """Whether ufw allows other machines to reach a port now."""
    if not ufw.get("active"):
        return True
    for rule in ufw.get("rules") or []:
        if rule.get("interface") == tailnet or not firewall.covers(rule, proto, port, port):
            continue
        from_anywhere = rule.get("from") in (None, "any", "0.0.0.0/0", "::/0") and not rule.get("interface")
        if rule["action"] in ("allow", "limit"):
            return True
        if from_anywhere:
            return False
    return ufw.get("incoming") == "allow"


def _stays_open(key: Port, variables: Variables, host: Facts) -> bool:
    """Whether a declared opening allows a port beyond the tailnet; then the user has considered it."""
    facts = host.get("listeners") or {}
    profiles = facts.get("profiles") or {}
    guests = (host.get("packet_filter") or {}).get("guests") or []
    inner = [guest["name"] for guest in guests if guest["kind"] != "lan" and not guest["bridged"]]
    for opening in [*firewall.openings(variables), *firewall.value_of(variables, "firewall_keep", [])]:
        if opening.get("interface") in inner:
            continue  # what guests reach says nothing about other machines
        if opening.get("app"):
            for piece in profiles.get(opening["app"], "").split("|"):
                ports, _slash, protocol = piece.partition("/")
                if ports and firewall.covers({"port": ports, "proto": protocol}, *key, key[1]):
                    return True
        elif firewall.covers(opening, *key, key[1]):
            return True
    purge = firewall.value_of(variables, "firewall_purge", True)
    tailnet = firewall.value_of(variables, "firewall_tailnet_interface", "tailscale0")
    return not purge and _is_open({**(facts.get("ufw") or {}), "active": True, "incoming": "deny"}, *key, tailnet)


def _variable(port: int, proto: str, variables: Variables) -> str:
    if proto == "tcp" and port == int(firewall.value_of(variables, "firewall_ssh_port", 22)):
        return "firewall_lan_ssh_from"
    # Clients of DHCP have no address yet, so no network can be named.
    everyone = port in WEB if proto == "tcp" else port in DHCP_SERVER
    return "firewall_public_ports" if everyone else "firewall_extra_rules"


def _line(variable: str, ports: t.Sequence[int], proto: str, networks: t.Sequence[str]) -> str:
    """The line for the inventory that keeps these ports open."""
    public = f"firewall_public_ports: [{', '.join(f'{port}/{proto}' for port in ports)}]"
    if variable == "firewall_public_ports" or (variable == "firewall_extra_rules" and not networks):
        return public
    if variable == "firewall_lan_ssh_from":
        return f"firewall_lan_ssh_from: [{', '.join(networks) or 'your own networks'}]"
    numbers = ",".join(map(str, ports))
    rules = [f"{{from: {network}, port: '{numbers}', proto: {proto}}}" for network in networks]
    return f"firewall_extra_rules: [{', '.join(rules)}]"
