# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge another Syncthing on the host, other holders of its ports, and Syncthing's version: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
import typing as t

Found = t.Mapping[str, t.Any]

# Programs of Docker and Podman, also without root, that hold the published ports of containers.
PUBLISHERS = ("docker-proxy", "rootlesskit", "conmon", "rootlessport")
OLDEST = (1, 19)  # what the modules are tested with


def refusals(host: Found, variables: Found) -> list[str]:
    """The reasons of the host's other Syncthings and ports, one message each with the fix."""
    found = host.get("syncthings")
    if not found:
        return []
    said = [text for daemon in found["daemons"] for text in _daemon_refusals(daemon, host, variables)]
    named = [pid for daemon in found["daemons"] if _is_known(daemon, variables) for pid in daemon["pids"]]
    holders = [holder for holder in found["holders"] if holder["pid"] not in named and _conflicts(holder, host)]
    return [*said, *_holder_refusals(holders, host, variables), *_forwarded_refusals(host, variables)]


def warnings(host: Found, variables: Found) -> list[str]:
    """Other Syncthings that are no reason to refuse the host, but will notice the firewall or take the port at the next boot."""
    found = host.get("syncthings")
    if not found:
        return []
    taken = {holder["pid"] for holder in found["holders"] if _conflicts(holder, host)}
    others = [daemon for daemon in found["daemons"] if not _is_known(daemon, variables) and not taken & set(daemon["pids"])]
    if (host.get("as_declared") or {}).get("ufw_policy"):
        others = []  # the firewall is closed already, and will not change
    running = {daemon["unit"] for daemon in found["daemons"]}
    said = _taken_over(host, variables) + [
        f"[WARNING] {describe(daemon)} is another Syncthing on this host. It keeps running, but once the firewall is closed, "
        "other machines reach it over the tailnet only, and it no longer reaches theirs outside the tailnet at Syncthing's port"
        for daemon in others
    ]
    return said + [
        f"[WARNING] syncthing@{user}.service, which does not run now, starts another Syncthing at every boot, which can then "
        f"take the port of this one. If it is not needed any more, run: systemctl disable syncthing@{user}"
        for user in found["enabled"]
        if user != variables["syncthing_user"] and f"syncthing@{user}.service" not in running
    ]


def version_refusals(host: Found, variables: Found) -> list[str]:
    """The reason if the Syncthing that is, or would be, installed is too old."""
    there = (host.get("packages") or {}).get("syncthing") or {}
    vendor = variables.get("syncthing_package_source") == "vendor"
    version = there.get("version") or ("" if vendor else (host.get("syncthings") or {}).get("candidate"))
    if not is_too_old(version):
        return []
    start = f"Syncthing {version} {'is installed, and' if there else 'of this distribution'} is too old for this collection"
    source = "" if vendor else "set syncthing_package_source: vendor"
    remove = "remove the package (apt-get remove syncthing), which keeps its files" if there else ""
    return [f"{start} (1.19 or newer is needed): {' and '.join(filter(None, (source, remove)))}"]


def is_too_old(version: str | None) -> bool:
    """Whether a Debian version is certainly older than what this collection works with."""
    found = re.match(r"(?:\d+:)?v?(\d+)\.(\d+)", version or "")
    return found is not None and (int(found[1]), int(found[2])) < OLDEST


def describe(daemon: Found) -> str:
    where = "in a container" if daemon["contained"] else f"home {daemon['home']}" if daemon["home"] else "home unknown"
    return f"{daemon['unit'] if daemon['is_main'] else 'process ' + str(daemon['pids'][0])} (of {daemon['user']}, {where})"


def _taken_over(host: Found, variables: Found) -> list[str]:
    """What the configuration that a Syncthing is taken over with shows outside the tailnet."""
    shown = host["syncthings"]["shows"]
    if not shown or host["syncthing"].get("was_set_up"):
        return []
    return [
        f"[WARNING] The Syncthing in {variables['syncthing_home']} is taken over with its configuration, folders and devices. "
        f"Its options ({', '.join(shown)}) show it outside the tailnet until the role syncthing_mesh changes them"
    ]


# --- processes ----------------------------------------------------------------------------------


def _is_own_unit(daemon: Found, variables: Found) -> bool:
    unit = f"syncthing@{variables['syncthing_user']}.service"
    return daemon["unit"] == unit and not daemon["by_user"] and not daemon["contained"]


def _has_home(daemon: Found, variables: Found) -> bool:
    return bool(daemon["home"]) and posixpath.normpath(daemon["home"]) == posixpath.normpath(variables["syncthing_home"])


def _is_known(daemon: Found, variables: Found) -> bool:
    """Whether its ports need no word: the role manages it, takes it over and so restarts it, or has refused it already."""
    return _is_own_unit(daemon, variables) or _has_home(daemon, variables)


def _daemon_refusals(daemon: Found, host: Found, variables: Found) -> list[str]:
    home, user = variables["syncthing_home"], variables["syncthing_user"]
    if _has_home(daemon, variables):
        if _is_own_unit(daemon, variables):
            return []
        return [
            f"{describe(daemon)} is another Syncthing, and it uses syncthing_home, which only one can: {_stop(daemon)}. This "
            "collection then runs the same device as a service"
        ]
    if not _is_own_unit(daemon, variables) or not daemon["home"] or _is_wanted(daemon, host["syncthing"], variables):
        return []
    return [
        f"syncthing_user is {user}, whose Syncthing already runs ({daemon['unit']}) with its home in {daemon['home']}; with its "
        f"home in {home} (syncthing_home) it would be a new device, and its folders would no longer be synchronised: set "
        f"syncthing_home: {daemon['home']} to take it over; or leave syncthing_user out, and stop the old one "
        f"({_stop(daemon)}); or, for a new device, put new_identity into tailsync_accept"
    ]


def _is_wanted(daemon: Found, topic: Found, variables: Found) -> bool:
    """Whether the user wants another home for this unit: by a word, a given identity, or because an earlier run changed it."""
    if variables.get("syncthing_certificate") or "new_identity" in (variables.get("tailsync_accept") or ()):
        return True
    # An earlier run has set this home up, but not restarted the service; or the role started the one that runs, in which case
    # a home without an identity is refused elsewhere (syncthing_host).
    started = [posixpath.normpath(other["home"]) for other in topic.get("elsewhere") or ()]
    return bool(topic.get("was_set_up")) or posixpath.normpath(daemon["home"]) in started


def _stop(daemon: Found) -> str:
    if daemon["contained"]:
        return "stop its container"
    if not daemon["is_main"]:
        starts = f" (started in {daemon['unit']})" if daemon["unit"] else ""
        return f"end process {daemon['pids'][0]} and what starts it{starts}"
    if daemon["by_user"]:
        return f"as {daemon['user']}, run `systemctl --user disable --now {daemon['unit']}`"
    return f"run `systemctl disable --now {daemon['unit']}`"


# --- ports --------------------------------------------------------------------------------------


def _conflicts(holder: Found, host: Found) -> bool:
    """Whether a socket is in the way: at all addresses, or at one that Syncthing is to listen on."""
    places = [place for place in host["syncthings"]["wanted"] if place["port"] == holder["port"]]
    address = ipaddress.ip_address(holder["address"])
    return bool(places) and (address.is_unspecified or any(_is_at(place, address, host) for place in places))


def _is_at(place: Found, address: ipaddress.IPv4Address | ipaddress.IPv6Address, host: Found) -> bool:
    """Whether the address is that of a place. A name, and no host at all, mean the tailnet address, and `localhost` loopback."""
    name = place["host"].partition("%")[0]
    try:
        return ipaddress.ip_address(name) == address
    except ValueError:
        return address.is_loopback if name == "localhost" else str(address) in _own_addresses(host)


def _own_addresses(host: Found) -> list[str]:
    node = (host.get("tailscaled") or {}).get("node") or {}
    return list((node.get("status") or {}).get("TailscaleIPs") or [])


def _holder_refusals(holders: t.Sequence[Found], host: Found, variables: Found) -> list[str]:
    groups: dict[int, list[Found]] = {}
    for holder in holders:
        groups.setdefault(holder["pid"], []).append(holder)
    known = {pid: daemon for daemon in host["syncthings"]["daemons"] for pid in daemon["pids"]}
    found = []
    for pid, same in groups.items():
        names = sorted({_variable(holder["port"], host, variables) for holder in same}, reverse=True)
        found.append(_holder_refusal(same, known.get(pid), " and ".join(names)))
    return found


def _holder_refusal(same: t.Sequence[Found], daemon: Found | None, names: str) -> str:
    places = " and ".join(sorted({_place(holder) for holder in same}))
    other = f"give this collection's Syncthing another port ({names})"
    if daemon:
        take = ""
        # A user ID without an account has a name with blanks.
        if daemon["home"] and daemon["user"] != "root" and " " not in daemon["user"]:
            take = f"stop it and take it over (syncthing_user: {daemon['user']}, syncthing_home: {daemon['home']}); or "
        return (
            f"{describe(daemon)} is another Syncthing, and listens at {places}, where this collection's is to listen: stop it "
            f"({_stop(daemon)}); or {take}{other}"
        )
    first = same[0]
    who = f"{first['process']} (process {first['pid']}, {first['unit'] or 'no unit'})" if first["pid"] else "an unknown program"
    container = ", which publishes a container's port," if first["process"] in PUBLISHERS else ""
    return f"{who}{container} listens at {places}, where Syncthing is to listen: stop it or give it another port, or {other}"


def _variable(port: int, host: Found, variables: Found) -> str:
    """The variable that has the port. Only the default has no host, or the tailnet address."""
    default = ("", *_own_addresses(host))
    by_default = any(place["port"] == port and place["host"] in default for place in host["syncthings"]["wanted"])
    if by_default and port == int(variables.get("syncthing_mesh_port") or 22000):
        return "syncthing_mesh_port"
    is_gui = variables["syncthing_gui_address"].endswith(f":{port}")
    return "syncthing_gui_address" if is_gui else "syncthing_listen_addresses or syncthing_mesh_options"


def _place(holder: Found) -> str:
    address = ipaddress.ip_address(holder["address"])
    shown = "*" if address.is_unspecified else f"[{address}]" if address.version == 6 else str(address)
    return f"{shown}:{holder['port']}"


def _forwarded_refusals(host: Found, variables: Found) -> list[str]:
    found = host["syncthings"]
    # Its own processes are no reason, and the program that publishes the port is named already.
    named = {holder["port"] for holder in found["holders"] if _conflicts(holder, host) and holder["process"] != "syncthing"}
    taken = {rule["port"] for rule in found["forwarded"] if _is_taken(rule, host, variables)} - named
    return [
        f"TCP port {port} of this host is forwarded to a container, also at the tailnet address, so peers would reach the "
        f"container instead of Syncthing: publish it at another port ({port + 1}:{port}) or at one address of the LAN, stop "
        f"the container, or set {_variable(port, host, variables)}"
        for port in sorted(taken)
    ]


def _is_taken(rule: Found, host: Found, variables: Found) -> bool:
    if variables["syncthing_gui_address"].endswith(f":{rule['port']}"):
        return False  # at loopback, where containers are reached by a program
    places = [place["host"] for place in host["syncthings"]["wanted"] if place["port"] == rule["port"]]
    return bool(places) and rule["address"] in ("", "0.0.0.0", *places, *_own_addresses(host))  # noqa: S104  (compared, not bound)
