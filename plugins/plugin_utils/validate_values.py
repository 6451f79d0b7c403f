# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check values of the right type that Syncthing would refuse, correct or never match: pure functions.

Its silent corrections are in lib/config/folderconfiguration.go, deviceconfiguration.go and optionsconfiguration.go.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _tables
from ansible_collections.homelab.tailsync.plugins.plugin_utils.syncthing_addresses import dial_problems
from ansible_collections.homelab.tailsync.plugins.plugin_utils.validate_types import shown

Values = t.Mapping[str, t.Any]
NETWORK_LISTS = ("allowed_networks", "always_local_nets")
PATHS = ("path", "requires_mount")


def folder_problems(where: str, folder: Values) -> list[str]:
    """The problems of a folder, of one device's part in it, or of defaults.folder."""
    found = by_table(where, [], _tables.folder_problems(folder))
    versioning = folder.get("versioning")
    if isinstance(versioning, dict):
        found += _one_line(f"{where}.versioning.path", versioning.get("path"))
        found += _params(f"{where}.versioning.params", versioning.get("params"))
    for key in ("label", "marker_name", *PATHS):
        found += _one_line(f"{where}.{key}", folder.get(key))
    mount = folder.get("requires_mount")
    if mount and not str(mount).startswith("/"):
        found.append(f"{where}.requires_mount is {shown(mount)}, which is no absolute path: begin it with /")
    return found


def device_problems(where: str, device: Values) -> list[str]:
    """The problems of an external device, or of defaults.device."""
    own = [*_network_lists(where, device), *dial_problems(f"{where}.addresses", device.get("addresses"))]
    return by_table(where, own, _tables.device_problems(device))


def option_problems(where: str, options: Values) -> list[str]:
    return by_table(where, _network_lists(where, options), _tables.options_problems(options))


def by_table(where: str, own: list[str], problems: t.Iterable[_tables.Problem]) -> list[str]:
    """Add the problems that the modules' own tables find, except at places that are reported already."""
    found = list(own)
    for path, reason in problems:
        place = ".".join((where, *path))
        if not any(re.match(rf"{re.escape(place)}\b", text) for text in own):
            found.append(f"{place} {reason}")
    return found


def network_problems(where: str, networks: t.Any) -> list[str]:
    """The problems of networks, which Syncthing accepts only with a prefix length, and with ! for an excluded one."""
    found = []
    for index, network in enumerate(networks if isinstance(networks, list) else []):
        text = str(network)[1:] if str(network).startswith("!") else str(network)
        try:
            whole = ipaddress.ip_network(text, strict=False)
        except ValueError:
            found.append(f"{where}[{index}] is {shown(network)}, which is no network: write one such as 100.64.0.0/10")
            continue
        if "/" not in text or not text.rpartition("/")[2].isdecimal() or "%" in text:
            found.append(f"{where}[{index}] is {shown(network)}, which Syncthing does not accept as a network: write {whole}")
    return found


def _network_lists(where: str, values: Values) -> list[str]:
    return [problem for key in NETWORK_LISTS for problem in network_problems(f"{where}.{key}", values.get(key))]


def _params(where: str, params: t.Any) -> list[str]:
    if not isinstance(params, dict):
        return []
    return [
        f"{where}.{key} must be one value, not a list or mapping"
        for key, value in params.items()
        if isinstance(value, (dict, list))
    ]


def _one_line(where: str, text: t.Any) -> list[str]:
    if text is None or not re.search(r"[\x00-\x1f\x7f]", str(text)):
        return []
    return [f"{where} is {shown(text)}: it must be one line without control characters"]
