# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check all variables of all hosts before the first host is changed: pure functions.

Types and choices come from the roles' argument specifications; the content of a variable is checked with the specifications and
checks of the modules that receive it. Values that hosts share are checked once. Values are compared by identity, so
resolve_inputs.py turns equal values into one object.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import functools
import pathlib
import typing as t

import yaml
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _options as _ufw_options
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._errors import UfwError
from ansible_collections.homelab.tailsync.plugins.plugin_utils import (
    firewall,
    gui_address,
    ssh_fragment,
    validate_members,
    validate_mesh,
    validate_syncthing,
    validate_tailscale,
)
from ansible_collections.homelab.tailsync.plugins.plugin_utils.validate_types import (
    INVALID,
    checked,
    listed,
    nearest,
    shown,
    unique_problems,
)

Values = t.Mapping[str, t.Any]
Hosts = t.Mapping[str, Values]

COLLECTION_ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"
ROLES = ("tailscale", "firewall", "syncthing", "syncthing_mesh")
GROUP = "tailsync"
ACCEPT = "tailsync_accept"
SSH_CONFIG = "tailsync_ssh_config"
ACCEPT_UNKNOWN = "unknown_variables"
# The variables of the playbooks, in addition to the roles' variables.
PLAYBOOKS: dict[str, t.Any] = {
    ACCEPT: {"type": "list", "elements": "str"},
    "tailsync_hosts": {"type": "raw"},
    "tailsync_connect_timeout": {"type": "int", "default": 5},
    SSH_CONFIG: {"type": "str", "default": "~/.ssh/config"},
    "tailsync_tailscale_command": {"type": "list", "elements": "str", "default": ["tailscale"]},
    "tailsync_verify_timeout": {"type": "int"},
}
# Facts that the roles set themselves.
FACTS = frozenset({"syncthing_device_id", "tailscale_dns_name", "tailscale_ipv4", "tailscale_ipv6"})
# Variables of other roles that a role's checks need, if they are set.
ALSO = {
    "syncthing": ("syncthing_mesh_gui",),
    "syncthing_mesh": ("syncthing_gui_address", "syncthing_gui_group", "syncthing_home", "syncthing_user"),
}
# Variables whose own checks also check all types, with better messages.
WITH_OWN_CHECKS = frozenset(
    {
        "firewall_extra_rules",
        "firewall_keep",
        "firewall_tailnet_only_ports",
        "syncthing_api_key",
        "syncthing_certificate",
        "syncthing_gui_address",
        "syncthing_gui_group",
        "syncthing_home",
        "syncthing_mesh_defaults",
        "syncthing_mesh_external_devices",
        "syncthing_mesh_folders",
        "syncthing_mesh_gui",
        "syncthing_mesh_options",
        "syncthing_mesh_user",
        "syncthing_private_key",
        "syncthing_repository_channel",
        "syncthing_repository_key_url",
        "syncthing_repository_url",
        "syncthing_user",
        "tailscale_api_token",
        "tailscale_auth_key",
        "tailscale_oauth_client_secret",
        "tailscale_oidc",
        "tailscale_preferences",
        "tailscale_version",
    }
)
# Lists that may be a single word, as in Ansible, because their users accept that as well.
MAY_BE_A_WORD = frozenset(
    {
        "firewall_docker_interfaces",
        "firewall_lan_ssh_from",
        "firewall_public_ports",
        "tailscale_tags",
        "tailsync_accept",
        "tailsync_tailscale_command",
        SSH_CONFIG,
        "verify_tailscale_command",
    }
)
# Lists for which the roles accept text with blank parts, or empty text.
PARTS_MAY_BE_BLANK = frozenset({"firewall_lan_ssh_from", "firewall_public_ports"})
MAY_BE_EMPTY = frozenset({*PARTS_MAY_BE_BLANK, "tailscale_tags"})
# Values for variables that cannot be resolved or are of the wrong type, and whose specification has no default.
PLACEHOLDERS = {"tailscale_hostname": "host"}
LARGEST = 2**31 - 1
LIMITS = {
    "firewall_direct_connection_port": (0, 65535),
    "firewall_key_expiry_days": (0, LARGEST),
    "firewall_proof_timeout": (1, LARGEST),
    "firewall_rollback_timeout": (1, LARGEST),
    "firewall_ssh_port": (1, 65535),
    "syncthing_address_timeout": (0, LARGEST),
    "syncthing_mesh_port": (1, 65535),
    "syncthing_mesh_timeout": (1, LARGEST),
    "tailscale_port": (0, 65535),
    "tailscale_timeout": (1, LARGEST),
    "tailsync_connect_timeout": (1, LARGEST),
    "tailsync_verify_timeout": (0, LARGEST),
}
# Variables that all members of a mesh share; their names in a mesh are without the role's prefix.
MESH = ("folders", "external_devices", "hosts", "options", "gui", "defaults", "allowed_networks")
# Variables of a single member.
MEMBER = (
    "syncthing_mesh_addresses",
    "syncthing_mesh_gui",
    "syncthing_mesh_home",
    "syncthing_mesh_user",
    "syncthing_gui_address",
    "syncthing_gui_group",
    ACCEPT,
)


@functools.cache
def options_of(role: str) -> dict[str, t.Any]:
    """The role's variables, from its argument specification."""
    path = COLLECTION_ROLES / role / "meta" / "argument_specs.yml"
    specs = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
    return dict(specs.get("main", {}).get("options") or {})


def specs_of(roles: t.Iterable[str]) -> dict[str, t.Any]:
    found = dict(PLAYBOOKS)
    for role in roles:
        found |= options_of(role)
    return found


def names_of(roles: t.Iterable[str]) -> set[str]:
    """All variables that a check of these roles uses."""
    return set(specs_of(roles)) | {name for role in roles for name in ALSO.get(role, ())}


def known_names() -> set[str]:
    """All variables of the collection's roles and playbooks."""
    return (
        set(specs_of(path.name for path in COLLECTION_ROLES.iterdir() if (path / "meta" / "argument_specs.yml").exists())) | FACTS
    )


def no_hosts_problem(pattern: t.Any, groups: t.Iterable[str]) -> str:
    """The problem of a play without hosts, which must not succeed."""
    name = pattern if isinstance(pattern, str) else listed(pattern)
    close = nearest(name, [group for group in groups if group != name])
    hint = f" (is {close} meant?)" if close else ""
    if name != GROUP:
        return (
            f"tailsync_hosts is {shown(name)}, which no host of the inventory matches{hint}: correct it, or name the hosts there"
        )
    return (
        f"the inventory has no host in the group {GROUP}{hint}: put the hosts of the network into a group of that name, or name "
        "theirs on the command line, such as -e tailsync_hosts=servers (-i names the inventory)"
    )


def tailsync_hosts_problem(pattern: t.Any) -> str:
    """A play cannot see a variable of the inventory in its `hosts`, so it would select other hosts than the check."""
    wanted = ",".join(map(str, pattern)) if isinstance(pattern, list) else pattern
    return (
        "tailsync_hosts is set in the inventory, where a play does not look for its hosts: remove it there, and give it on the "
        f"command line, -e tailsync_hosts={wanted}"
    )


def problems(
    hosts: Hosts,
    roles: t.Sequence[str] = ROLES,
    *,
    names: t.Mapping[str, t.Collection[str]] | None = None,
    inventory: t.Collection[str] | None = None,
    homes: t.Mapping[str, t.Any] | None = None,
) -> list[str]:
    """All problems, each once, with the variable, the place in it, and the fix.

    `hosts` has each host's resolved values, `names` the names of all variables that the user has set for it, `inventory` all
    hosts of the inventory, and `homes` Syncthing's home on hosts that are not checked.
    """
    check = Check(hosts, roles, inventory, homes)
    found = [(problem, host) for host in hosts for problem in check.of_host(host)]
    found += validate_members.hostname_problems(hosts) if "tailscale" in roles else ()
    found += validate_members.folder_problems(hosts) if "syncthing_mesh" in roles else ()
    found += _unknown(hosts, roles, names or {host: set(values) for host, values in hosts.items()})
    return unique_problems(found, hosts)


class Check:
    """The checks of one run, each made once for the same values."""

    def __init__(
        self, hosts: Hosts, roles: t.Sequence[str], inventory: t.Collection[str] | None, homes: t.Mapping[str, t.Any] | None
    ) -> None:
        self.hosts = hosts
        self.roles = roles
        self.inventory = inventory
        self.specs = specs_of(roles)
        self.homes = {**(homes or {}), **{host: _home(values) for host, values in hosts.items() if _home(values)}}
        self.everyone = list(hosts)
        self._values: dict[tuple[str, int], tuple[t.Any, t.Any, list[str]]] = {}
        self._checks: dict[tuple[t.Any, ...], tuple[t.Any, list[str]]] = {}

    def of_host(self, host: str) -> list[str]:
        found: list[str] = []
        values: dict[str, t.Any] = {validate_members.UNRESOLVED: self.hosts[host].get(validate_members.UNRESOLVED)}
        for name, spec in self.specs.items():
            default = spec.get("default", PLACEHOLDERS.get(name))
            given = self.hosts[host].get(name, default)
            value, complaints = self._value(name, given, spec, name in self.hosts[host])
            found += complaints
            # An invalid value is reported; other checks use its default.
            values[name] = default if value is INVALID else value
        for role in self.roles:
            for name in ALSO.get(role, ()):
                values.setdefault(name, self.hosts[host].get(name))
        found += _ssh_config(self.hosts[host])
        return [*found, *(problem for role in self.roles for problem in self._role(role, values))]

    def _value(self, name: str, value: t.Any, spec: Values, given: bool) -> tuple[t.Any, list[str]]:
        key = (name, id(value))
        if key not in self._values:
            as_it_is = not given or (name in WITH_OWN_CHECKS and value is not None)
            sound, complaints = (value, []) if as_it_is else _typed(name, value, spec)
            self._values[key] = value, sound, complaints  # keeping the value reserves its id
        _value, sound, complaints = self._values[key]
        return sound, complaints

    def _role(self, role: str, values: Values) -> list[str]:
        own = {name: values.get(name) for name in (*options_of(role), *ALSO.get(role, ()))}
        if role == "tailscale":
            return self._once(validate_tailscale.problems, own)
        if role == "firewall":
            return self._once(_firewall, own)
        if role == "syncthing":
            return self._once(validate_syncthing.problems, own)
        return self._mesh(own, values[validate_members.UNRESOLVED] or ()) if role == "syncthing_mesh" else []

    def _mesh(self, own: Values, unresolved: t.Collection[str]) -> list[str]:
        shared = {name: own[f"syncthing_mesh_{name}"] for name in MESH}
        if shared["hosts"] is None:
            shared["hosts"] = self.everyone
        shared |= {"inventory": self.inventory, "homes": self.homes, "lacks_devices": validate_mesh.EXTERNAL in unresolved}
        single = {name: own[name] for name in MEMBER}
        if "syncthing" in self.roles and single["syncthing_mesh_user"] == own["syncthing_user"]:
            single["syncthing_mesh_user"] = None  # the role syncthing tells of it, by the name that the user has set
        return [*self._once(validate_mesh.problems, shared), *self._once(_of_member, single)]

    def _once(self, function: t.Callable[[Values], list[str]], values: Values) -> list[str]:
        key = (function, *map(id, values.values()))
        if key not in self._checks:
            self._checks[key] = values, function(values)
        return self._checks[key][1]


def _home(values: Values) -> t.Any:
    home = values.get("syncthing_mesh_home") or values.get("syncthing_home")
    return home if isinstance(home, str) else None


def _typed(name: str, value: t.Any, spec: Values) -> tuple[t.Any, list[str]]:
    """Check a variable against its specification and its limits."""
    if spec.get("type") == "raw":
        return value, []
    if isinstance(value, str) and (name in PARTS_MAY_BE_BLANK or (name in MAY_BE_EMPTY and not value)):
        value = firewall.list_of({name: value}, name)
    sound, found = checked(value, spec, name, strict_lists=name not in MAY_BE_A_WORD)
    least, most = LIMITS.get(name, (-LARGEST, LARGEST))
    if isinstance(sound, int) and not isinstance(sound, bool) and not least <= sound <= most:
        return INVALID, [f"{name} is {shown(value)}: it must be from {least} to {most}"]
    return sound, found


def _ssh_config(given: Values) -> list[str]:
    value = given.get(SSH_CONFIG, "")
    problem = ssh_fragment.config_problem(value)
    return [f"{SSH_CONFIG} is {'empty (null)' if value is None else shown(value)}, {problem}"] if problem else []


def _firewall(values: Values) -> list[str]:
    found = firewall.problems(values)
    try:
        _ufw_options.refuse_odd_interfaces(values.get("firewall_docker_interfaces") or [], "firewall_docker_interfaces")
    except UfwError as error:
        found.append(str(error))
    return found


def _of_member(values: Values) -> list[str]:
    """The problems of a single member's own variables."""
    gui = values["syncthing_mesh_gui"] if isinstance(values["syncthing_mesh_gui"], dict) else {}
    address, user, home = (values[name] for name in ("syncthing_gui_address", "syncthing_mesh_user", "syncthing_mesh_home"))
    found = validate_mesh.own_problems(values)
    if not address:  # the web interface keeps its address
        found += gui_address.misplaced(gui)
    else:
        found += gui_address.problems(
            address, values["syncthing_gui_group"], gui, values.get(ACCEPT) or (), str(home or validate_mesh.HOME)
        )
    return [*found, *(validate_syncthing.account("syncthing_mesh_user", user) if user is not None else [])]


def _unknown(hosts: Hosts, roles: t.Sequence[str], names: t.Mapping[str, t.Collection[str]]) -> t.Iterator[tuple[str, str]]:
    """Find unknown names that are nearly those of our variables; variables of other roles are ignored."""
    known, inputs = known_names(), set(specs_of(roles))
    close: dict[str, list[str]] = {}
    for host, given in names.items():
        accepted = hosts.get(host, {}).get(ACCEPT)
        if ACCEPT_UNKNOWN in (accepted if isinstance(accepted, (list, str)) else ()):
            continue
        for name in sorted(given, key=str):
            if name in known or not isinstance(name, str) or name.startswith(("ansible_", "_")):
                continue
            if name not in close:
                close[name] = [meant for meant in inputs if nearest(name, (meant,), _max_distance(name, meant))]
            meant = nearest(name, [one for one in close[name] if one not in given]) if close[name] else None
            if meant:
                words = (
                    f"{name} is no variable of this collection, and {meant} is not set: was that meant? If it is another role's, "
                    f"add {ACCEPT_UNKNOWN} to {ACCEPT}"
                )
                yield words, host


def _max_distance(name: str, meant: str) -> int:
    """The number of wrong letters that count as a typing mistake; fewer for short names, where they make another word."""
    shortest = min(len(one.partition("_")[2] or one) for one in (name, meant))
    return min(2, shortest // 3)
