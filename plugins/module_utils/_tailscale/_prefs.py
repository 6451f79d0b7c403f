# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module options and tailscaled's preferences (tailscale.com/ipn/prefs.go): pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

Prefs = t.Mapping[str, t.Any]

# Option to preference, where the value is the same or turned around.
SAME = {
    "hostname": "Hostname",
    "accept_dns": "CorpDNS",
    "accept_routes": "RouteAll",
    "ssh": "RunSSH",
    "shields_up": "ShieldsUp",
    "operator": "OperatorUser",
}
TURNED = {"snat_subnet_routes": "NoSNAT"}
ROUTES = "AdvertiseRoutes"
# Offering to be an exit node means advertising the routes to everywhere.
EXIT_ROUTES = frozenset({"0.0.0.0/0", "::/0"})
OPTIONS = (*SAME, *TURNED, "advertise_routes", "advertise_exit_node")


def declared(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The preferences among the module's parameters that the user has set."""
    return {name: params[name] for name in OPTIONS if params.get(name) is not None}


def view(prefs: Prefs, names: t.Iterable[str]) -> dict[str, t.Any]:
    """The preferences in the module's words."""
    routes = prefs.get(ROUTES) or []
    words: dict[str, t.Any] = {name: prefs.get(key) for name, key in SAME.items()}
    words.update({name: not prefs.get(key, False) for name, key in TURNED.items()})
    words["advertise_routes"] = sorted(set(routes) - EXIT_ROUTES)
    words["advertise_exit_node"] = set(routes) >= EXIT_ROUTES
    return {name: words[name] for name in names}


def wanted(prefs: Prefs, options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The preferences as they are to be: those that no option speaks of stay."""
    after = dict(prefs)
    after.update({SAME[name]: value for name, value in options.items() if name in SAME})
    after.update({TURNED[name]: not value for name, value in options.items() if name in TURNED})
    present = view(prefs, ("advertise_routes", "advertise_exit_node"))
    routes = set(options.get("advertise_routes", present["advertise_routes"]))
    if options.get("advertise_exit_node", present["advertise_exit_node"]):
        routes |= EXIT_ROUTES
    if routes != set(prefs.get(ROUTES) or []):
        after[ROUTES] = sorted(routes)
    return after


def masked(before: Prefs, after: Prefs) -> dict[str, t.Any]:
    """The smallest edit from one to the other; empty if there is none (ipn.MaskedPrefs)."""
    edit: dict[str, t.Any] = {}
    for key, value in after.items():
        if before.get(key) != value:
            edit[key] = value
            edit[f"{key}Set"] = True
    return edit
