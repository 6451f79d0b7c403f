# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the variables of the role syncthing_mesh to one call of syncthing_cluster, and back to the role's words: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import gui_address, mesh, syncthing_addresses, validate_syncthing

Options = t.Mapping[str, t.Any]

# What syncthing_cluster takes under the same name.
PASSED_ON = (
    "home",
    "timeout",
    "folder_owner",
    "defaults",
    "purge_devices",
    "purge_folders",
    "replace_devices",
    "allow_moves",
)
# A message names an option, and after it the role's variable: _syncthing/_errors.py.
VARIABLE = re.compile(r" ?\(the role's variable is (syncthing_mesh_([a-z_]+))\)")
OPTION = {"user": "folder_owner"}  # where it is not the variable without the role's name
SECTION = re.compile(r"^(options|gui|defaults)(?=[.: ])")


def members_of(
    hosts: t.Iterable[str], hostvars: t.Mapping[str, Options], addresses_of: t.Callable[[str], t.Any]
) -> tuple[dict[str, dict[str, t.Any]], list[str]]:
    """What the members are to know of each other, and what is wrong with it. A host that is no part of the run has no ID."""
    members = {}
    problems = []
    for name in hosts:
        device_id = _device_id(hostvars[name])
        if device_id:
            addresses = addresses_of(name) or []
            problems += syncthing_addresses.dial_problems(f"the address of {name}", addresses)
            members[str(name)] = {"device_id": str(device_id), "addresses": addresses}
    return members, problems


def _device_id(variables: Options) -> t.Any:
    """As the role syncthing stored it, or, of a host where that has not run, as the host itself said."""
    said = variables.get("__syncthing_mesh_info") or {}
    return variables.get("syncthing_device_id") or said.get("device_id")


def folders_of(folders: t.Any, host: str) -> t.Any:
    """Those that the host is a member of, without a look at anything else in the others."""
    return {key: folder for key, folder in folders.items() if host in (folder.get("devices") or ())}


def settings(options: Options) -> dict[str, t.Any]:
    """Syncthing's options: the user's over those that keep it private. No listen address is left out, not empty.

    What is null, or an empty list of listen addresses, is not declared: it takes none of those that keep it private away.
    """
    return {**_declared(options.get("private_options")), **_declared(options.get("options"))}


def _declared(options: Options | None) -> dict[str, t.Any]:
    found = {key: value for key, value in (options or {}).items() if value is not None}
    return {key: value for key, value in found.items() if key != "listen_addresses" or value}


def address_problems(options: Options) -> list[str]:
    """Why Syncthing would have no address to listen on. Without one it would listen on all."""
    return validate_syncthing.address_problems(settings(options).get("listen_addresses") or [], options.get("node_address"))


def gui_notes(options: Options) -> list[str]:
    directory = gui_address.directory_of(options.get("gui_address") or "")
    if not directory or options.get("gui_ready", True):
        return []
    return [
        f"the web interface stays where it is, because the role syncthing has not made {directory} on this host yet; a run "
        "without --tags, or with --tags syncthing, does"
    ]


def arguments(options: Options, host: str) -> dict[str, t.Any]:
    """What syncthing_cluster is to be called with on this host."""
    members = options.get("members") or {}
    wanted = mesh.desired_state(
        {
            "folders": options.get("folders"),
            "external_devices": options.get("external_devices"),
            "allowed_networks": options.get("allowed_networks"),
            "device_ids": {name: member["device_id"] for name, member in members.items()},
            "addresses": {name: member["addresses"] for name, member in members.items()},
        },
        host,
    )
    gui = gui_address.wanted(
        options.get("gui"), options.get("gui_address"), options.get("gui_group") or "", options.get("gui_ready", True)
    )
    found = {key: options[key] for key in PASSED_ON if options.get(key) not in (None, {})}
    wanted["folders"] = [_in_short_form(folder) for folder in wanted["folders"]]
    return {**found, **wanted, "options": settings(options), **({"gui": gui} if gui else {})}


def _in_short_form(folder: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Devices that need no password by their names, of which Ansible validates thousands in no time."""
    named = [one["name"] for one in folder["devices"] if "encryption_password" not in one]
    return {**folder, "device_names": named, "devices": [one for one in folder["devices"] if "encryption_password" in one]}


def in_role_words(text: str) -> str:
    """A message of syncthing_cluster with the names of the variables that the user sets, in place of the module's options."""
    while found := VARIABLE.search(text):
        variable, own = found.groups()
        before = re.sub(rf"(.*)\b{OPTION.get(own, own)}\b", rf"\1{variable}", text[: found.start()], flags=re.DOTALL)
        text = before + text[found.end() :]
    return SECTION.sub(r"syncthing_mesh_\1", text)
