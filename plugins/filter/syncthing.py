# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about the mesh and its devices; what they decide is in module_utils."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.homelab.tailsync.plugins.module_utils import _mesh
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._identity import device_id_of_certificate
from ansible_collections.homelab.tailsync.plugins.plugin_utils import (
    _gui,
    _listen,
    _mesh_inputs,
    _syncthing_host,
    _syncthing_inputs,
    _text,
)


def syncthing_mesh(mesh: t.Mapping[str, t.Any], host: str) -> dict[str, t.Any]:
    problems = _mesh_inputs.problems(mesh)
    if problems:
        raise AnsibleFilterError("; ".join(problems))
    return _mesh.desired_state(mesh, host)


def syncthing_device_id(certificate: str) -> str:
    try:
        return device_id_of_certificate(certificate)
    except ValueError as error:
        raise AnsibleFilterError(f"syncthing_device_id needs a certificate in PEM form: {error}") from error


def syncthing_mesh_known(hosts: t.Iterable[str], hostvars: t.Mapping[str, t.Any], name: str) -> dict[str, t.Any]:
    """A variable's value on each host that has one; a host outside the run has none."""
    found = {host: (hostvars.get(host) or {}).get(name) for host in hosts}
    return {host: value for host, value in found.items() if value}


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "syncthing_device_id": syncthing_device_id,
            "syncthing_mesh": syncthing_mesh,
            "syncthing_mesh_known": syncthing_mesh_known,
            "syncthing_mesh_gui": _gui.wanted,
            "syncthing_mesh_left_out": _mesh_inputs.left_out,
            "syncthing_mesh_options": _mesh_inputs.options,
            "syncthing_mesh_problems": _mesh_inputs.problems,
            "syncthing_problems": _syncthing_inputs.problems,
            "syncthing_address_problems": _syncthing_inputs.address_problems,
            "syncthing_gui_directory": _gui.directory_of,
            "syncthing_gui_first": _gui.first,
            "syncthing_gui_permissions": _gui.permissions,
            "syncthing_tcp_addresses": _listen.tcp_addresses,
            "syncthing_interface_addresses": _listen.interface_addresses,
            "syncthing_refusals": _syncthing_host.refusals,
            "source_problems": _text.sources,
            "syncthing_systemd_argument": _text.systemd_argument,
        }
