# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about the mesh and its devices; the logic is in plugin_utils and module_utils."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._device_id import device_id_of_certificate
from ansible_collections.homelab.tailsync.plugins.plugin_utils import (
    gui_address,
    mesh_host,
    syncthing_addresses,
    syncthing_host,
    syncthing_steps,
    text_lines,
    validate_syncthing,
)


def syncthing_device_id(certificate: str) -> str:
    try:
        return device_id_of_certificate(certificate)
    except ValueError as error:
        raise AnsibleFilterError(f"syncthing_device_id needs a certificate in PEM form: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "syncthing_device_id": syncthing_device_id,
            "syncthing_mesh_folders_of": mesh_host.folders_of,
            "syncthing_mesh_warnings": mesh_host.place_warnings,
            "syncthing_address_problems": validate_syncthing.address_problems,
            "syncthing_gui_directory": gui_address.directory_of,
            "syncthing_gui_first": gui_address.initial_address,
            "syncthing_gui_permissions": gui_address.permissions,
            "syncthing_tcp_addresses": syncthing_addresses.tcp_addresses,
            "syncthing_interface_addresses": syncthing_addresses.interface_addresses,
            "syncthing_refusals": syncthing_host.refusals,
            "syncthing_warnings": syncthing_host.warnings,
            "syncthing_steps": syncthing_steps.steps,
            "syncthing_other_sources": syncthing_steps.other_sources,
            "syncthing_source_refusals": syncthing_steps.source_refusals,
            "syncthing_systemd_argument": text_lines.systemd_argument,
        }
