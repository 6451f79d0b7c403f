# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registered facts of each host of a run, for the role verify: typed, and with defaults for missing values.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common.tailnet import first_label, is_tailnet_address, label_of
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _disk, _settle
from ansible_collections.homelab.tailsync.plugins.plugin_utils import openings
from ansible_collections.homelab.tailsync.plugins.plugin_utils.mesh import Model, desired_state, model

Data = t.Mapping[str, t.Any]
EMPTY: Data = {}


@dataclasses.dataclass(frozen=True)
class Device:
    """A device in one host's Syncthing."""

    name: str = ""
    paused: bool = False


@dataclasses.dataclass(frozen=True)
class Connection:
    connected: bool = False
    paused: bool = False
    address: str = ""
    type: str = ""


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """An address that Syncthing listens on or dials."""

    error: str | None = None


@dataclasses.dataclass(frozen=True)
class Completion:
    """The state of a folder on another device."""

    completion: float | None = None
    remote_state: str | None = None


@dataclasses.dataclass(frozen=True)
class Disk:
    free_bytes: int
    needed_bytes: int


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder in one host's Syncthing; for a paused one little more than its configuration is known."""

    path: str = ""
    type: str = ""
    paused: bool = False
    devices: t.Sequence[str] = ()
    state: str | None = None
    error: str | None = None
    errors: int = 0
    failures: t.Sequence[t.Mapping[str, str]] = ()
    watch_error: str | None = None
    need_items: int = 0
    need_bytes: int = 0
    global_bytes: int = 0
    receive_only_items: int = 0
    moving: bool | None = None
    disk: t.Mapping[str, int] | None = None
    completion: t.Mapping[str, Data] = dataclasses.field(default_factory=dict)

    @property
    def space(self) -> Disk | None:
        return Disk(**self.disk) if self.disk else None

    def completion_of(self, device_id: str | None) -> Completion:
        return read(Completion, self.completion.get(device_id or ""))

    @property
    def needs_data(self) -> bool:
        """Whether the folder waits for data."""
        return _settle.needs({"type": self.type, "need_items": self.need_items, "need_bytes": self.need_bytes})


@dataclasses.dataclass(frozen=True)
class ControlServer:
    """The result of a new connection to the control server."""

    host: str
    port: int
    open: bool = True
    error: str | None = None
    resolved: bool = True
    proxy: bool = False


@dataclasses.dataclass(frozen=True)
class Peer:
    """A node as another one knows it from the control server."""

    dns_name: str = ""
    hostname: str = ""
    addresses: t.Sequence[str] = ()
    online: bool = False
    last_seen: str | None = None
    key_expired: bool = False
    exit_node_option: bool = False

    @property
    def name(self) -> str:
        return first_label(self.dns_name) or label_of(self.hostname)


@dataclasses.dataclass(frozen=True)
class Tailnet:
    """What a host's tailscaled has been told by its control server, of the nodes that it was asked for."""

    online: bool = False  # else it may be out of date
    peers: t.Sequence[Data] = ()
    routes: t.Sequence[str] = ()
    advertised_routes: t.Sequence[str] = ()

    @functools.cached_property
    def known(self) -> list[Peer]:
        return [read(Peer, peer) for peer in self.peers]

    @functools.cached_property
    def _by_address(self) -> dict[str, Peer]:
        return {address: peer for peer in self.known for address in peer.addresses}

    def at(self, address: str | None) -> Peer | None:
        return self._by_address.get(address or "")

    def named(self, label: str) -> Peer | None:
        return next((peer for peer in self.known if peer.name == label), None)

    def once_named(self, label: str) -> Peer | None:
        """The node with another name whose own host name is this one: an administrator renamed it, or its name was taken."""
        return next((peer for peer in self.known if label_of(peer.hostname) == label and peer.name != label), None)


@dataclasses.dataclass(frozen=True)
class Attempt:
    """The result of a TCP connection to one port of one address."""

    address: str
    port: int
    open: bool = False
    error: str | None = None
    source: str | None = None  # the source address of the connection
    resolved: t.Sequence[str] = ()
    mac: str | None = None  # the MAC address of the other machine, if it is on the same link
    host_keys: t.Sequence[str] = ()

    @property
    def addresses(self) -> t.Sequence[str]:
        """The addresses of the attempt, resolved if the given one is a name."""
        return self.resolved or [self.address]

    @property
    def refused(self) -> bool:
        """Whether the host refused the connection, because nothing listens there (yet)."""
        return "refused" in str(self.error)


Kind = t.TypeVar("Kind")


def read(kind: type[Kind], data: Data | None) -> Kind:
    """Convert returned data to a dataclass; unknown keys are dropped, missing or null ones get their default."""
    names = {field.name for field in dataclasses.fields(t.cast("t.Any", kind))}
    return kind(**{key: value for key, value in (data or EMPTY).items() if key in names and value is not None})


def read_all(kind: type[Kind], data: t.Mapping[str, Data] | None) -> dict[str, Kind]:
    return {key: read(kind, value) for key, value in (data or EMPTY).items()}


@dataclasses.dataclass(frozen=True)
class View:
    """One host. Its parts are results of the modules; a missing part is empty, which is then a finding."""

    name: str
    variables: Data = dataclasses.field(default_factory=dict)  # its variables in the inventory
    mesh: Model = dataclasses.field(default_factory=lambda: model({}))
    lost: bool = False  # it failed, or became unreachable, before the end
    ssh: Data = dataclasses.field(default_factory=dict)  # ssh_address_info
    node: Data = dataclasses.field(default_factory=dict)  # tailscale.node of member_info
    syncthing: Data = dataclasses.field(default_factory=dict)  # syncthing of member_info, or syncthing_info after a wait
    own: Data = dataclasses.field(default_factory=dict)  # host of member_info
    configured: Data = dataclasses.field(default_factory=dict)  # syncthing_mesh, if it ran before
    probed: Data = dataclasses.field(default_factory=dict)  # reachability_info with the other hosts as targets
    actual_ids: t.Mapping[str, str] = dataclasses.field(default_factory=dict)  # device IDs from the hosts of the run themselves

    # --- the declared state ---------------------------------------------------------------------

    @functools.cached_property
    def wanted(self) -> dict[str, list[dict[str, t.Any]]]:
        return desired_state(self.mesh, self.name)

    @functools.cached_property
    def managed(self) -> frozenset[str]:
        """The members of the mesh that Ansible manages, whether they are part of this run or not."""
        return frozenset(self.mesh.hosts)

    @property
    def ansible_host(self) -> str:
        return str(self.variables.get("ansible_host") or self.variables.get("ansible_ssh_host") or self.name)

    @property
    def ssh_ports(self) -> tuple[int, ...]:
        connection = self.variables.get("ansible_port") or self.variables.get("ansible_ssh_port") or 22
        return tuple(sorted({22, int(connection), openings.ssh_port(self.variables)}))

    @property
    def firewall_is_absent(self) -> bool:
        return bool(self.variables.get("firewall_state") == "absent")

    # --- the host and its node ------------------------------------------------------------------

    @property
    def runs(self) -> bool:
        return bool(self.node.get("backend_state") == "Running")

    @functools.cached_property
    def interfaces(self) -> dict[str, str]:
        """The host's addresses outside the tailnet, each with its interface."""
        found = self.own.get("addresses") or ()
        return {item["address"]: item["interface"] for item in found if not is_tailnet_address(item["address"])}

    @property
    def tailnet_address(self) -> str | None:
        return self.node.get("ipv4") or self.node.get("ipv6")

    @functools.cached_property
    def control_server(self) -> ControlServer | None:
        found = self.probed.get("control_server")
        return read(ControlServer, found) if found else None

    @property
    def label(self) -> str:
        """The name that the inventory gives it in the tailnet."""
        return label_of(str(self.variables.get("tailscale_hostname") or self.name))

    @functools.cached_property
    def tailnet(self) -> Tailnet | None:
        found = self.probed.get("tailnet")
        return read(Tailnet, found) if found else None

    @functools.cached_property
    def attempts(self) -> list[Attempt]:
        return [read(Attempt, item) for item in self.probed.get("tcp") or ()]

    @functools.cached_property
    def _attempts_by_endpoint(self) -> dict[tuple[str, int], Attempt]:
        return {(one.address, one.port): one for one in reversed(self.attempts)}

    def attempt_at(self, address: str | None, port: int | None) -> Attempt | None:
        return self._attempts_by_endpoint.get((address or "", port or 0))

    @functools.cached_property
    def pings(self) -> dict[str, Data]:
        return {item["address"]: item for item in self.probed.get("ping") or ()}

    # --- its Syncthing --------------------------------------------------------------------------

    @property
    def device_id(self) -> str | None:
        return self.syncthing.get("device_id")

    @functools.cached_property
    def listeners(self) -> dict[str, Endpoint]:
        return read_all(Endpoint, self.syncthing.get("listeners"))

    @functools.cached_property
    def dials(self) -> dict[str, Endpoint]:
        return read_all(Endpoint, self.syncthing.get("dials"))

    @functools.cached_property
    def devices(self) -> dict[str, Device]:
        return read_all(Device, self.syncthing.get("devices"))

    @functools.cached_property
    def connections(self) -> dict[str, Connection]:
        return read_all(Connection, self.syncthing.get("connections"))

    @functools.cached_property
    def folders(self) -> dict[str, Folder]:
        return read_all(Folder, self.syncthing.get("folders"))

    @functools.cached_property
    def refused(self) -> dict[str, str]:
        """The folders that were refused, or whose path can never be used, each with the reason."""
        unusable = {item["id"]: item["reason"] for item in self._not_there if item.get("kind") == _disk.UNUSABLE}
        return {**unusable, **{item["id"]: item["reason"] for item in self.configured.get("refused") or ()}}

    @functools.cached_property
    def left_out(self) -> dict[str, str]:
        """The folders that are not set up as declared, each with the reason: refused, or their disk is not mounted."""
        return {**{item["id"]: item["reason"] for item in self._not_there}, **self.refused}

    @property
    def _not_there(self) -> t.Sequence[Data]:
        return self.syncthing.get("left_out") or ()

    @property
    def messages(self) -> list[str]:
        """The messages in Syncthing's own list of errors."""
        return [str(one.get("message") or "") for one in self.syncthing.get("errors") or ()]

    @property
    def sync_port(self) -> int | None:
        """The TCP port of the host's Syncthing, from `tcp://100.64.0.2:22000`."""
        for address in self.listeners:
            port = address.rpartition(":")[2]
            if address.startswith("tcp") and port.isdigit():
                return int(port)
        return None

    def id_of(self, device: Data) -> str | None:
        """A device's ID: from the device itself or, outside of the run, by the name that this host has for it."""
        name = device.get("name") or ""
        actual = self.actual_ids.get(name)
        if not device.get("device_id") and actual in self.devices:
            return actual  # whatever its name in the web interface is
        return device.get("device_id") or self._known_ids.get(name)

    @functools.cached_property
    def _known_ids(self) -> dict[str, str]:
        return {item.name: key for key, item in self.devices.items() if key != self.device_id}

    def device(self, device: Data) -> Device:
        return self.devices.get(self.id_of(device) or "") or Device()

    def connection_to(self, device: Data) -> Connection:
        return self.connections.get(self.id_of(device) or "") or Connection()

    def state_of(self, folder: str, device: Data) -> str | None:
        """The remote state of a folder on a device."""
        return (self.folders.get(folder) or Folder()).completion_of(self.id_of(device)).remote_state


Views = t.Mapping[str, View]


def of_run(parts: t.Mapping[str, Data], mesh: Data, alive: t.Collection[str]) -> dict[str, View]:
    """The views of all hosts of a run from their registered results; C(alive) are the hosts that did not fail."""
    read = model(mesh)
    views = {name: _view(name, seen, read, name in alive) for name, seen in parts.items()}
    ids = {name: view.device_id for name, view in views.items() if view.device_id}
    return {name: dataclasses.replace(view, actual_ids=ids) for name, view in views.items()}


def _view(name: str, seen: Data, mesh: Model, alive: bool) -> View:
    member = seen.get("member") or EMPTY
    # The result of the wait is newer than the first one.
    waited = seen.get("waited") or EMPTY
    hostname = seen.get("hostname")
    return View(
        name=name,
        variables=seen.get("declared") or ({"tailscale_hostname": hostname} if isinstance(hostname, str) else EMPTY),
        mesh=mesh,
        lost=not alive,
        ssh=seen.get("ssh") or EMPTY,
        node=(member.get("tailscale") or EMPTY).get("node") or EMPTY,
        syncthing=waited if waited.get("device_id") else member.get("syncthing") or EMPTY,
        own=member.get("host") or (member if member.get("failed") else EMPTY),
        configured=seen.get("configured") or EMPTY,
        probed=seen.get("probed") or EMPTY,
    )
