# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments that the roles give to the modules, from the variables of an inventory."""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import firewall, mesh_host, validate

Variables = t.Mapping[str, t.Any]
Arguments = dict[str, t.Any]


def value_of(name: str, variables: Variables) -> t.Any:
    """The variable, or the default that its role documents."""
    return variables.get(name, validate.specs_of(validate.ROLES)[name].get("default"))


def syncthing_cluster(variables: Variables, host: str, members: Variables, names: t.Iterable[str]) -> Arguments:
    """With these options of the module, each of which has a variable `syncthing_mesh_…`."""
    given = {name: value_of(f"syncthing_mesh_{name}", variables) for name in names}
    folders = mesh_host.folders_of(value_of("syncthing_mesh_folders", variables), host)
    gui = {name: value_of(f"syncthing_{name}", variables) for name in ("gui_address", "gui_group")}
    user = value_of("syncthing_mesh_user", variables)
    return mesh_host.arguments({**given, **gui, "folders": folders, "members": members, "folder_owner": user}, host)


def ufw_policy(variables: Variables) -> Arguments:
    return {**firewall.policy(variables), "docker_interfaces": value_of("firewall_docker_interfaces", variables)}


def tailscale_node(variables: Variables) -> Arguments:
    names = ("login_server", "hostname", "timeout", "auth_key")
    given = {name: value_of(f"tailscale_{name}", variables) for name in names}
    given |= value_of("tailscale_preferences", variables) or {}
    return {**given, "tags": tags if (tags := value_of("tailscale_tags", variables)) != "" else None}
