# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the variables of the role syncthing_mesh, beyond their form (_mesh.problems): pure functions.

Of a mesh, besides what _mesh knows:

* C(homes): inventory name to Syncthing's home there,
* C(own_addresses): the role variable C(syncthing_mesh_addresses) of the host that is being configured,
* C(user), C(gui_address), C(gui_group), C(accept): what the role syncthing has under these names.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils import _mesh
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _places
from ansible_collections.homelab.tailsync.plugins.plugin_utils import _gui, _listen, _syncthing_inputs

HOME = "/var/lib/syncthing"


def problems(mesh: _mesh.Mesh) -> list[str]:
    """All that is wrong; form first, because the rest needs it."""
    found = _mesh.problems(mesh)
    return found or [
        *_password_problems(mesh),
        *_gui_problems(mesh),
        *_option_problems(mesh),
        *_address_problems(mesh),
        *_place_problems(mesh),
        *(_syncthing_inputs.account("syncthing_mesh_user", mesh["user"]) if "user" in mesh else []),
    ]


def password_problems(where: str, holder: t.Mapping[str, t.Any], keys: t.Iterable[str]) -> list[str]:
    """A password that is declared and empty would silently be none."""
    found = []
    for key in keys:
        if key not in holder:
            continue
        value = holder[key]
        if value is None or (isinstance(value, str) and not value.strip()):
            found.append(
                f"{where}.{key} is empty, which would be no password at all: does the variable or lookup that it is taken from "
                "have a value? Set it, or remove the key"
            )
        elif not isinstance(value, str):
            found.append(f"{where}.{key} is no text: put it between quotation marks")
    return found


def _password_problems(mesh: _mesh.Mesh) -> list[str]:
    found = password_problems("syncthing_mesh_gui", mesh.get("gui") or {}, ("password", "api_key"))
    for folder_id, folder in (mesh.get("folders") or {}).items():
        for name, share in _mesh.shares(folder).items():
            found += password_problems(f"{_mesh.FOLDERS}.{folder_id}.devices.{name}", share, ("encryption_password",))
    return found


def _gui_problems(mesh: _mesh.Mesh) -> list[str]:
    gui = mesh.get("gui") or {}
    address = mesh.get("gui_address")
    if not address:  # the web interface stays where it is
        return _gui.misplaced(gui)
    return _gui.problems(address, mesh.get("gui_group"), gui, mesh.get("accept") or (), mesh.get("home") or HOME)


def _option_problems(mesh: _mesh.Mesh) -> list[str]:
    options = mesh.get("options") or {}
    found = []
    if options.get("listen_addresses") is not None:
        found += _listen.listen_problems("syncthing_mesh_options.listen_addresses", options["listen_addresses"])
    if "listenAddresses" in (options.get("settings") or {}):
        found.append("syncthing_mesh_options.settings has the key listenAddresses: use syncthing_listen_addresses instead")
    return found


def _address_problems(mesh: _mesh.Mesh) -> list[str]:
    found = _listen.dial_problems("syncthing_mesh_addresses", mesh.get("own_addresses"))
    for name, addresses in (mesh.get("addresses") or {}).items():
        found += _listen.dial_problems(f"the address of {name}", addresses)
    for name, device in (mesh.get("external_devices") or {}).items():
        found += _listen.dial_problems(f"{_mesh.EXTERNAL}.{name}.addresses", device.get("addresses"))
    return found


def _place_problems(mesh: _mesh.Mesh) -> list[str]:
    """Folders where none may be; a peer that Ansible does not manage has its folders where it likes."""
    hosts, homes = set(mesh.get("hosts") or ()), mesh.get("homes") or {}
    found = []
    for folder_id, folder in (mesh.get("folders") or {}).items():
        for name, share in _mesh.shares(folder).items():
            path = _mesh.setting(folder, share, "path")
            reason = _places.refusal(str(path), str(homes.get(name) or HOME)) if name in hosts else None
            if reason:
                own = f".devices.{name}" if share.get("path") else ""
                found.append(f"{_mesh.FOLDERS}.{folder_id}{own}.path, on {name}: {reason}")
    return found


def options(private: t.Mapping[str, t.Any], own: t.Mapping[str, t.Any] | None) -> dict[str, t.Any]:
    """The user's options over those that keep Syncthing private; no listen address is left out, not empty."""
    merged = {**private, **(own or {})}
    return {key: value for key, value in merged.items() if key != "listen_addresses" or value}


def left_out(folders: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """What syncthing_cluster left out, one message for each folder."""
    return [f"folder {one['id']} ({one['path']}) is left out on this host: {one['reason']}" for one in folders]
