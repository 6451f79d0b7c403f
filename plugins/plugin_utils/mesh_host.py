# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert the variables of the role syncthing_mesh to a call of syncthing_cluster, and its messages back: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import gui_address, mesh, syncthing_addresses, validate_syncthing

Options = t.Mapping[str, t.Any]

# Options that syncthing_cluster has under the same name.
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
# A message names an option and then the role's variable: _syncthing/_errors.py.
VARIABLE = re.compile(r" ?\(the role's variable is (syncthing_mesh_([a-z_]+))\)")
OPTION = {"user": "folder_owner"}  # options whose name is not the variable without the role's name
SECTION = re.compile(r"^(options|gui|defaults)(?=[.: ])")


def members_of(
    hosts: t.Iterable[str], hostvars: t.Mapping[str, Options], addresses_of: t.Callable[[str], t.Any]
) -> tuple[dict[str, dict[str, t.Any]], list[str]]:
    """Device IDs and addresses of the members, and problems with them. A host that is not part of the run has no ID."""
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
    """The device ID that the role syncthing stored, or, if that has not run, the ID that the host itself returned."""
    said = variables.get("__syncthing_mesh_info") or {}
    return variables.get("syncthing_device_id") or said.get("device_id")


def folders_of(folders: t.Any, host: str) -> t.Any:
    """The folders that the host is a member of. Other keys of other folders are not evaluated."""
    return {key: folder for key, folder in folders.items() if host in (folder.get("devices") or ())}


def settings(options: Options) -> dict[str, t.Any]:
    """Syncthing's options: the user's override those that keep it private.

    A null, or an empty list of listen addresses, counts as not declared, so it does not override a private option.
    """
    return {**_declared(options.get("private_options")), **_declared(options.get("options"))}


def _declared(options: Options | None) -> dict[str, t.Any]:
    found = {key: value for key, value in (options or {}).items() if value is not None}
    return {key: value for key, value in found.items() if key != "listen_addresses" or value}


def address_problems(options: Options) -> list[str]:
    """The reasons why Syncthing would have no address to listen on. Without one it would listen on all."""
    return validate_syncthing.address_problems(settings(options).get("listen_addresses") or [], options.get("node_address"))


def gui_notes(options: Options) -> list[str]:
    directory = gui_address.directory_of(options.get("gui_address") or "")
    if not directory or options.get("gui_ready", True):
        return []
    return [
        f"the web interface keeps its address, because the role syncthing has not created {directory} on this host yet; a run "
        "without --tags, or with --tags syncthing, does"
    ]


def place_warnings(host: Options) -> list[str]:
    """What will become of folders that cannot be used where they are; `host` is what host_info returned."""
    places = host.get("places") or {}
    return [
        *(f"folder {one['id']} at {one['path']} is left out: {one['reason']}" for one in places.get("left_out") or ()),
        *(
            f"folder {one['id']} at {one['path']} is refused, and all else is set up: {with_role_variables(one['reason'])}"
            for one in places.get("refused") or ()
        ),
    ]


def arguments(options: Options, host: str) -> dict[str, t.Any]:
    """The arguments of syncthing_cluster for this host."""
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
    return {**found, **wanted, "partial": True, "options": settings(options), **({"gui": gui} if gui else {})}


def _in_short_form(folder: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A folder with devices without a password in the short form, which Ansible validates much faster."""
    named = [one["name"] for one in folder["devices"] if "encryption_password" not in one]
    return {**folder, "device_names": named, "devices": [one for one in folder["devices"] if "encryption_password" in one]}


def judged(result: dict[str, t.Any], fail_for_refused: bool) -> dict[str, t.Any]:
    """The result, failed if folders were refused and nothing later reports that."""
    refused = result.get("refused") or []
    if result.get("failed") or not refused or not fail_for_refused:
        return result
    reasons = "; ".join(f"folder {one['id']}: {one['reason']}" for one in refused)
    return {**result, "failed": True, "msg": f"all else is configured, but not what was refused: {reasons}"}


def with_role_variables(text: str) -> str:
    """A message of syncthing_cluster with the role's variables in place of the module's options."""
    while found := VARIABLE.search(text):
        variable, own = found.groups()
        before = re.sub(rf"(.*)\b{OPTION.get(own, own)}\b", rf"\1{variable}", text[: found.start()], flags=re.DOTALL)
        text = before + text[found.end() :]
    return SECTION.sub(r"syncthing_mesh_\1", text)
