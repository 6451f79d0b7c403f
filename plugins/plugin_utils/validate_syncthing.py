# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the variables of the role syncthing: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _places
from ansible_collections.homelab.tailsync.plugins.plugin_utils import gui_address, syncthing_addresses, text_lines
from ansible_collections.homelab.tailsync.plugins.plugin_utils.validate_types import shown

# The names that systemd accepts (https://systemd.io/USER_NAMES/), and those of a directory service.
ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.@\\-]*\$?")
# The channel whose builds always report usage and upgrade themselves, whatever is configured.
REPORTING_CHANNEL = "candidate"


def problems(variables: t.Mapping[str, t.Any]) -> list[str]:
    """The problems, one message each with the variable and the fix."""
    accept = variables.get("tailsync_accept") or ()
    home = variables.get("syncthing_home")
    return [
        *account("syncthing_user", variables.get("syncthing_user")),
        *_home(home),
        *_addresses(variables.get("syncthing_listen_addresses")),
        *_group(variables.get("syncthing_gui_group")),
        *gui_address.problems(
            variables.get("syncthing_gui_address"),
            variables.get("syncthing_gui_group"),
            variables.get("syncthing_mesh_gui"),
            accept,
            str(home),
        ),
        *_identity(variables),
        *_package(variables),
    ]


def _addresses(addresses: t.Any) -> list[str]:
    """The problems of listen addresses; the default is not known before the host is in the tailnet."""
    return [] if addresses is None else syncthing_addresses.listen_problems("syncthing_listen_addresses", addresses)


def account(name: str, user: t.Any) -> list[str]:
    found = text_lines.one_line(name, user)
    if found:
        return found
    if not ACCOUNT.fullmatch(user):
        return [
            f"{name} is {shown(user)}, which is no name of an account: begin it with a letter or _, without blanks (no user ID)"
        ]
    if user in ("root", "nobody"):
        reason = "has all privileges" if user == "root" else "is shared by programs that must not trust each other"
        return [f"{name} is {user}, which {reason}: name the account that owns the files, or leave it out"]
    return []


def _group(group: t.Any) -> list[str]:
    if group in ("", None):
        return []
    found = text_lines.one_line("syncthing_gui_group", group)
    if not found and not ACCOUNT.fullmatch(group):
        found = [f"syncthing_gui_group is {shown(group)}, which is no name of a group"]
    return found


def _home(home: t.Any) -> list[str]:
    found = text_lines.one_line("syncthing_home", home)
    if found:
        return found
    if not home.startswith("/") or "$" in home:
        return [f"syncthing_home is {shown(home)}: it must be an absolute path, and $ is not expanded"]
    place = _places.normal(home)
    if place == "/root":
        return [f"syncthing_home is {home}, root's own home: give it a directory of its own, such as /var/lib/syncthing"]
    if place in _places.SHARED_PLACES or _places.SYSTEM.match(place):
        return [
            f"syncthing_home is {home}, which is not Syncthing's alone: give it its own directory, such as /var/lib/syncthing"
        ]
    return []


def _identity(variables: t.Mapping[str, t.Any]) -> list[str]:
    certificate = variables.get("syncthing_certificate") or ""
    key = variables.get("syncthing_private_key") or ""
    found = [
        f"{name} is no text: put it between quotation marks, or leave it out"
        for name in ("syncthing_certificate", "syncthing_private_key")
        if not isinstance(variables.get(name) or "", str)
    ]
    if bool(certificate) != bool(key) or (certificate and "BEGIN CERTIFICATE" not in str(certificate)):
        found.append(
            "syncthing_certificate and syncthing_private_key must be given together, as the contents (not the paths) of "
            "cert.pem and key.pem"
        )
    api_key = variables.get("syncthing_api_key")
    if api_key and (not isinstance(api_key, str) or not api_key.strip() or not api_key.isprintable()):
        found.append(
            "syncthing_api_key is no text, blank, or has control characters: put it between quotation marks, or leave it out"
        )
    return found


def _package(variables: t.Mapping[str, t.Any]) -> list[str]:
    channel = variables.get("syncthing_repository_channel")
    found = [
        *text_lines.url("syncthing_repository_url", variables.get("syncthing_repository_url")),
        *text_lines.url("syncthing_repository_key_url", variables.get("syncthing_repository_key_url")),
        *text_lines.word("syncthing_repository_channel", channel),
    ]
    if channel == REPORTING_CHANNEL:
        found.append(
            "syncthing_repository_channel is candidate, whose builds always report usage, whatever is configured: use "
            "stable-v2 or stable"
        )
    return found


def address_problems(addresses: t.Sequence[str], node_address: t.Any) -> list[str]:
    """The reasons why the host cannot listen yet, checked when its tailnet address must be known."""
    if addresses:
        return syncthing_addresses.listen_problems("syncthing_listen_addresses", addresses)
    if node_address:
        return [f"syncthing_listen_addresses is empty: {syncthing_addresses.FIX}"]
    return [
        "this host has no tailnet address, so Syncthing would have none to listen on: is it in a tailnet? The role "
        "homelab.tailsync.tailscale joins it"
    ]
