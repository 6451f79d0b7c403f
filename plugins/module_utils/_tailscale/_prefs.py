# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert between module options and tailscaled's preferences (tailscale.com/ipn/prefs.go), by the table: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common.table import INVERTED, Key
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._tables import (
    NETFILTER_MODES,
    PREFERENCES,
    TRANSLATED,
)

Prefs = t.Mapping[str, t.Any]
Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)

ROUTES = "AdvertiseRoutes"
ENDPOINTS = "RelayServerStaticEndpoints"
AUTO = "auto:"  # an exit node that tailscaled chooses itself
# Offering to be an exit node means advertising the routes to everywhere.
EXIT_ROUTES = frozenset({"0.0.0.0/0", "::/0"})
NO_PORT = -1
OPTIONS = tuple(key.option for key in PREFERENCES)


class Part(t.NamedTuple):
    """The functions of an option with code of its own: they read it from the preferences, and give the preferences to change."""

    read: t.Callable[[Prefs], t.Any]
    write: t.Callable[[Prefs, t.Any], Json]


def describe(prefs: Prefs, names: t.Iterable[str]) -> Json:
    """The preferences by the module's option names; an exit node by its ID."""
    return {name: _read(prefs, name) for name in names}


def _read(prefs: Prefs, name: str) -> t.Any:
    if name in PARTS:
        return PARTS[name].read(prefs)
    key = TRANSLATED[name]
    value = _at(prefs, key.path)
    return not value if key.form == INVERTED else value


def _at(prefs: Prefs, path: tuple[str, ...]) -> t.Any:
    value: t.Any = prefs
    for key in path:
        value = (value or {}).get(key)
    return value


def wanted(prefs: Prefs, options: t.Mapping[str, t.Any]) -> Json:
    """The wanted preferences; undeclared ones are kept. The exit node is given by its ID."""
    after = copy.deepcopy(dict(prefs))
    for name, value in options.items():
        if not _differs(value, _read(after, name)):
            continue
        if name in PARTS:
            after.update(PARTS[name].write(after, value))
        else:
            _put(after, TRANSLATED[name], value)
    return after


def _put(prefs: Json, key: Key, value: t.Any) -> None:
    *parents, last = key.path
    for name in parents:
        prefs = prefs.setdefault(name, {})
    prefs[last] = not value if key.form == INVERTED else value


def _differs(one: t.Any, other: t.Any) -> bool:
    return (one or None) != (other or None)  # an unset value counts as off


def masked(before: Prefs, after: Prefs) -> Json:
    """The smallest edit from one to the other; empty if there is none (ipn.MaskedPrefs)."""
    edit: Json = {}
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
    """The options that tailscaled accepted without an error but did not set, each with the wanted and the actual value."""
    names = list(names)
    wish, found = describe(after, names), describe(taken, names)
    return {name: (wish[name], found[name]) for name in names if _differs(wish[name], found[name])}


# --- options that have their own code ------------------------------------------------------------


def _routes(prefs: Prefs) -> set[str]:
    return set(prefs.get(ROUTES) or [])


def _exit_node(prefs: Prefs) -> str:
    auto = prefs.get("AutoExitNode")
    return f"{AUTO}{auto}" if auto else str(prefs.get("ExitNodeID") or prefs.get("ExitNodeIP") or "")


def _use_exit_node(prefs: Prefs, given: str) -> Json:
    if given.startswith(AUTO):
        return {"AutoExitNode": given[len(AUTO) :]}
    chosen = {"ExitNodeID": given, "ExitNodeIP": ""}
    return {**chosen, "AutoExitNode": ""} if prefs.get("AutoExitNode") else chosen


def _relay_port(prefs: Prefs) -> int:
    port = prefs.get("RelayServerPort")
    return NO_PORT if port is None else int(port)


PARTS: t.Mapping[str, Part] = {
    "advertise_routes": Part(
        lambda prefs: sorted(_routes(prefs) - EXIT_ROUTES),
        lambda prefs, value: {ROUTES: sorted({*value, *(_routes(prefs) & EXIT_ROUTES)})},
    ),
    "advertise_exit_node": Part(
        lambda prefs: _routes(prefs) >= EXIT_ROUTES,
        lambda prefs, value: {ROUTES: sorted(_routes(prefs) - EXIT_ROUTES | (EXIT_ROUTES if value else set()))},
    ),
    "exit_node": Part(_exit_node, _use_exit_node),
    "netfilter_mode": Part(
        lambda prefs: NETFILTER_MODES[prefs.get("NetfilterMode", len(NETFILTER_MODES) - 1)],
        lambda _prefs, value: {"NetfilterMode": NETFILTER_MODES.index(value)},
    ),
    "relay_server_port": Part(_relay_port, lambda _prefs, value: {"RelayServerPort": None if value == NO_PORT else value}),
    "relay_server_static_endpoints": Part(
        lambda prefs: sorted(prefs.get(ENDPOINTS) or []), lambda _prefs, value: {ENDPOINTS: value}
    ),
}
