# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module options and tailscaled's preferences (tailscale.com/ipn/prefs.go): pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import copy
import typing as t

Prefs = t.Mapping[str, t.Any]

# Option to the place of its preference, where the value is the same or turned around.
SAME: t.Mapping[str, tuple[str, ...]] = {
    "hostname": ("Hostname",),
    "nickname": ("ProfileName",),
    "accept_dns": ("CorpDNS",),
    "accept_routes": ("RouteAll",),
    "ssh": ("RunSSH",),
    "webclient": ("RunWebClient",),
    "shields_up": ("ShieldsUp",),
    "operator": ("OperatorUser",),
    "exit_node_allow_lan_access": ("ExitNodeAllowLANAccess",),
    "report_posture": ("PostureChecking",),
    "advertise_connector": ("AppConnector", "Advertise"),
    "auto_update": ("AutoUpdate", "Apply"),
    "update_check": ("AutoUpdate", "Check"),
}
TURNED = {"snat_subnet_routes": "NoSNAT", "stateful_filtering": "NoStatefulFiltering"}
NETFILTER_MODES = ("off", "nodivert", "on")  # by the numbers that tailscaled has for them
ROUTES = "AdvertiseRoutes"
ENDPOINTS = "RelayServerStaticEndpoints"
AUTO = "auto:"  # an exit node that tailscaled chooses itself
# Offering to be an exit node means advertising the routes to everywhere.
EXIT_ROUTES = frozenset({"0.0.0.0/0", "::/0"})
NO_PORT = -1
OPTIONS = (
    *SAME,
    *TURNED,
    "advertise_routes",
    "advertise_exit_node",
    "exit_node",
    "netfilter_mode",
    "relay_server_port",
    "relay_server_static_endpoints",
)


def view(prefs: Prefs, names: t.Iterable[str]) -> dict[str, t.Any]:
    """The preferences in the module's words; an exit node is named by its ID."""
    routes = prefs.get(ROUTES) or []
    words: dict[str, t.Any] = {name: _at(prefs, place) for name, place in SAME.items()}
    words.update({name: not prefs.get(key, False) for name, key in TURNED.items()})
    words["advertise_routes"] = sorted(set(routes) - EXIT_ROUTES)
    words["advertise_exit_node"] = set(routes) >= EXIT_ROUTES
    auto = prefs.get("AutoExitNode")
    words["exit_node"] = f"{AUTO}{auto}" if auto else prefs.get("ExitNodeID") or prefs.get("ExitNodeIP") or ""
    words["netfilter_mode"] = NETFILTER_MODES[prefs.get("NetfilterMode", len(NETFILTER_MODES) - 1)]
    port = prefs.get("RelayServerPort")
    words["relay_server_port"] = NO_PORT if port is None else port
    words["relay_server_static_endpoints"] = sorted(prefs.get(ENDPOINTS) or [])
    return {name: words[name] for name in names}


def _at(prefs: Prefs, place: tuple[str, ...]) -> t.Any:
    value: t.Any = prefs
    for key in place:
        value = (value or {}).get(key)
    return value


def wanted(prefs: Prefs, options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The preferences as they are to be: those that no option speaks of stay. The exit node is given by its ID."""
    after = copy.deepcopy(dict(prefs))
    present = view(prefs, options)
    for name, value in options.items():
        if name in SAME and (value or present[name]):  # what is unset counts as off
            *parents, last = SAME[name]
            target = after
            for key in parents:
                target = target.setdefault(key, {})
            target[last] = value
    after.update({TURNED[name]: not value for name, value in options.items() if name in TURNED and value != present[name]})
    after.update(_routes(prefs, options))
    if options.get("exit_node", present.get("exit_node")) != present.get("exit_node"):
        after.update(_exit_node(prefs, options["exit_node"]))
    if "netfilter_mode" in options:
        after["NetfilterMode"] = NETFILTER_MODES.index(options["netfilter_mode"])
    if "relay_server_port" in options:
        after["RelayServerPort"] = None if options["relay_server_port"] == NO_PORT else options["relay_server_port"]
    if options.get("relay_server_static_endpoints", []) != present.get("relay_server_static_endpoints", []):
        after[ENDPOINTS] = options["relay_server_static_endpoints"]
    return after


def _exit_node(prefs: Prefs, given: str) -> dict[str, t.Any]:
    if given.startswith(AUTO):
        return {"AutoExitNode": given[len(AUTO) :]}
    chosen = {"ExitNodeID": given, "ExitNodeIP": ""}
    return {**chosen, "AutoExitNode": ""} if prefs.get("AutoExitNode") else chosen


def _routes(prefs: Prefs, options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    present = view(prefs, ("advertise_routes", "advertise_exit_node"))
    routes = set(options.get("advertise_routes", present["advertise_routes"]))
    if options.get("advertise_exit_node", present["advertise_exit_node"]):
        routes |= EXIT_ROUTES
    return {ROUTES: sorted(routes)} if routes != set(prefs.get(ROUTES) or []) else {}


def masked(before: Prefs, after: Prefs) -> dict[str, t.Any]:
    """The smallest edit from one to the other; empty if there is none (ipn.MaskedPrefs)."""
    edit: dict[str, t.Any] = {}
    for key, value in after.items():
        if before.get(key) == value:
            continue
        edit[key] = value
        if key == "AutoUpdate":
            old = before.get(key) or {}
            edit["AutoUpdateSet"] = {f"{name}Set": True for name in value if old.get(name) != value[name]}
        else:
            edit[f"{key}Set"] = True
    return edit


def dropped(after: Prefs, taken: Prefs, names: t.Iterable[str]) -> dict[str, tuple[t.Any, t.Any]]:
    """The options that tailscaled took without an error and yet has otherwise: what was wanted, and what it has."""
    names = list(names)
    wish, found = view(after, names), view(taken, names)
    return {name: (wish[name], found[name]) for name in names if (wish[name] or None) != (found[name] or None)}
