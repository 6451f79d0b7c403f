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
)
# What ends connections that came in over the tailnet, when it is given this value.
RISKS: t.Mapping[str, tuple[t.Any, ...]] = {"shields_up": (True,), "ssh": (True, False), "netfilter_mode": ("off",)}


def declared(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The preferences among the module's parameters that the user has set."""
    return {name: params[name] for name in OPTIONS if params.get(name) is not None}


def view(prefs: Prefs, names: t.Iterable[str]) -> dict[str, t.Any]:
    """The preferences in the module's words; an exit node is named by its ID."""
    routes = prefs.get(ROUTES) or []
    words: dict[str, t.Any] = {name: _at(prefs, place) for name, place in SAME.items()}
    words.update({name: not prefs.get(key, False) for name, key in TURNED.items()})
    words["advertise_routes"] = sorted(set(routes) - EXIT_ROUTES)
    words["advertise_exit_node"] = set(routes) >= EXIT_ROUTES
    words["exit_node"] = prefs.get("ExitNodeID") or prefs.get("ExitNodeIP") or ""
    words["netfilter_mode"] = NETFILTER_MODES[prefs.get("NetfilterMode", len(NETFILTER_MODES) - 1)]
    port = prefs.get("RelayServerPort")
    words["relay_server_port"] = NO_PORT if port is None else port
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
        after.update({"ExitNodeID": options["exit_node"], "ExitNodeIP": ""})
    if "netfilter_mode" in options:
        after["NetfilterMode"] = NETFILTER_MODES.index(options["netfilter_mode"])
    if "relay_server_port" in options:
        after["RelayServerPort"] = None if options["relay_server_port"] == NO_PORT else options["relay_server_port"]
    return after


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


def risky(before: Prefs, options: t.Mapping[str, t.Any]) -> list[str]:
    """The declared options whose change ends connections over the tailnet."""
    present = view(before, options)
    return [
        name for name, values in RISKS.items() if name in options and options[name] in values and options[name] != present[name]
    ]
