# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each host of a run showed, as verify.yml registered it.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._mesh import desired_state
from ansible_collections.homelab.tailsync.plugins.module_utils._tailnet import is_tailnet_address
from ansible_collections.homelab.tailsync.plugins.plugin_utils import openings

Seen = t.Mapping[str, t.Any]
NOTHING: Seen = {}


@dataclasses.dataclass(frozen=True)
class View:
    """One host. What it did not show is empty: that is then a finding."""

    name: str
    variables: Seen = dataclasses.field(default_factory=dict)  # of the inventory
    mesh: Seen = dataclasses.field(default_factory=dict)  # as module_utils/_mesh.py describes it
    left: bool = False  # it failed, or became unreachable, before the end
    way: Seen = dataclasses.field(default_factory=dict)  # what way_in returned
    node: Seen = dataclasses.field(default_factory=dict)  # node of tailscale_node_info
    syncthing: Seen = dataclasses.field(default_factory=dict)  # what syncthing_info returned
    own: Seen = dataclasses.field(default_factory=dict)  # reachability_info without targets
    seen: Seen = dataclasses.field(default_factory=dict)  # reachability_info with the other hosts as targets
    actual_ids: t.Mapping[str, str] = dataclasses.field(default_factory=dict)  # device IDs as the hosts of the run say themselves

    @functools.cached_property
    def wanted(self) -> dict[str, list[dict[str, t.Any]]]:
        return desired_state(self.mesh, self.name)

    @property
    def managed(self) -> t.Collection[str]:
        """The members of the mesh that Ansible manages, be they part of this run or not."""
        return t.cast("t.Collection[str]", self.mesh.get("hosts") or ())

    @property
    def runs(self) -> bool:
        return self.node.get("backend_state") == "Running"

    @property
    def device_id(self) -> str | None:
        return self.syncthing.get("device_id")

    @property
    def folders(self) -> t.Mapping[str, Seen]:
        return self.syncthing.get("folders") or NOTHING

    @property
    def left_out(self) -> dict[str, Seen]:
        return {item["id"]: item for item in self.syncthing.get("left_out") or ()}

    @property
    def interfaces(self) -> dict[str, str]:
        """Its addresses that are not its tailnet's, each with its interface."""
        found = self.own.get("addresses") or ()
        return {item["address"]: item["interface"] for item in found if not is_tailnet_address(item["address"])}

    @property
    def tailnet_address(self) -> str | None:
        return self.node.get("ipv4") or self.node.get("ipv6")

    @property
    def ansible_host(self) -> str:
        return str(self.variables.get("ansible_host") or self.variables.get("ansible_ssh_host") or self.name)

    @property
    def ssh_ports(self) -> tuple[int, ...]:
        connection = self.variables.get("ansible_port") or self.variables.get("ansible_ssh_port") or 22
        return tuple(sorted({22, int(connection), openings.ssh_port(self.variables)}))

    @property
    def sync_port(self) -> int | None:
        """The TCP port of its Syncthing, out of `tcp://100.64.0.2:22000`."""
        for address in self.syncthing.get("listeners") or ():
            port = address.rpartition(":")[2]
            if address.startswith("tcp") and port.isdigit():
                return int(port)
        return None

    def id_of(self, device: Seen) -> str | None:
        """A device's ID: as it says itself, or, outside the run, by the name that this host has for it."""
        name = device.get("name") or ""
        actual = self.actual_ids.get(name)
        if not device.get("device_id") and actual in (self.syncthing.get("devices") or NOTHING):
            return actual  # whatever somebody calls it in the web interface
        return device.get("device_id") or self.known_ids.get(name)

    @functools.cached_property
    def known_ids(self) -> dict[str, str]:
        known = (self.syncthing.get("devices") or NOTHING).items()
        return {item.get("name") or "": key for key, item in known if key != self.device_id}

    def connection_to(self, device: Seen) -> Seen:
        return (self.syncthing.get("connections") or NOTHING).get(self.id_of(device) or "") or NOTHING


Views = t.Mapping[str, View]


def of_run(run: Seen, hostvars: Seen) -> dict[str, View]:
    """The views of all hosts of a run: C(hosts) is all that it began with, C(alive) who is left of them, C(mesh) the mesh."""
    views = {name: _view(name, run, hostvars[name]) for name in run["hosts"]}
    ids = {name: view.device_id for name, view in views.items() if view.device_id}
    return {name: dataclasses.replace(view, actual_ids=ids) for name, view in views.items()}


def _view(name: str, run: Seen, variables: Seen) -> View:
    def registered(what: str) -> Seen:
        return variables.get(f"__tailsync_{what}") or NOTHING

    # What was waited for is newer than the first look.
    waited = registered("settled")
    return View(
        name=name,
        variables=variables,
        mesh=run["mesh"],
        left=name not in run["alive"],
        way=registered("way"),
        node=registered("node").get("node") or NOTHING,
        syncthing=waited if waited.get("device_id") else registered("syncthing"),
        own=registered("self"),
        seen=registered("seen"),
    )
