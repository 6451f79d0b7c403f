# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate inventories with one or two mistakes from a valid one and the real specifications; deterministic for a seed."""

from __future__ import annotations

import copy
import random
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _tables
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._tables import RULE
from ansible_collections.homelab.tailsync.plugins.plugin_utils import validate, validate_mesh, validate_tailscale

Variables = dict[str, t.Any]

HOSTS = ("nas", "pi", "vps")
PHONE = "MFZWI3D-BONSGYC-YLTMRWG-C43ENR5-QXGZDMM-FZWI3DP-BONSGYY-LTMRWAD"
# A host's variables after the defaults were resolved, so that there are values to change.
VALID: Variables = {
    "tailscale_auth_key": "tskey-auth-s3cr3t",
    "tailscale_hostname": "nas",
    "tailscale_tags": ["tag:server"],
    "tailscale_preferences": {"accept_routes": True, "advertise_routes": ["192.168.1.0/24"], "netfilter_mode": "on"},
    "tailscale_static_url": "https://pkgs.tailscale.com/stable/tailscale_{version}_{arch}.tgz",
    "tailscale_daemon_flags": ["--verbose=1"],
    "firewall_public_ports": ["443/tcp", 53],
    "firewall_lan_ssh_from": ["192.168.1.0/24"],
    "firewall_extra_rules": [{"from": "192.168.1.0/24", "port": "139,445", "proto": "tcp"}, {"app": "OpenSSH"}],
    "firewall_keep": [{"port": "51820", "proto": "udp"}],
    "firewall_ssh_port": 22,
    "syncthing_listen_addresses": ["tcp://100.64.0.7:22000"],
    "syncthing_mesh_addresses": ["tcp://nas.tailnet.test:22000"],
    "syncthing_mesh_home": "/var/lib/syncthing",
    "syncthing_mesh_user": "syncthing",
    "syncthing_mesh_hosts": list(HOSTS),
    "syncthing_mesh_folders": {
        "documents": {"path": "/srv/sync/documents", "devices": ["nas", "pi", "phone"], "ignores": ["*.tmp"]},
        "photos": {
            "path": "/srv/sync/photos",
            "rescan_interval": 60,
            "devices": {
                "nas": {},
                "pi": {"path": "/mnt/ssd/photos", "versioning": {"type": "staggered", "params": {"maxAge": 1}}},
                "vps": {"encryption_password": "encryption-s3cr3t", "ignores": []},
            },
        },
    },
    "syncthing_mesh_external_devices": {"phone": {"device_id": PHONE, "addresses": ["dynamic"], "compression": "never"}},
    "syncthing_mesh_options": {"max_send_kbps": 0, "always_local_nets": ["192.168.1.0/24"], "settings": {"logLevel": "info"}},
    "syncthing_mesh_gui": {"user": "me", "password": "password-s3cr3t", "theme": "dark"},
    "syncthing_mesh_defaults": {"folder": {"order": "random"}, "device": {"paused": False}},
    "tailsync_accept": [],
}
WORDS = (
    """
x|nas|vps|phone|yes|off|0|-1|41641|1.5|a,b|a b|#x|$HOME|~/x|k=v|{a: 1}|{{ x }}|/|/srv|/srv/x|/etc/x|/srv/sync/photos/in|srv/x|..|.
192.168.1.0/24|192.168.1.0/33|10.0.0.1|::/0|fd00::/8|0.0.0.0/0|999.1.1.1/8|everything|!10.0.0.0/8|80/tcp|99999/tcp|0/tcp
60000:61000/udp|80:70/tcp|٣|tag:server|server|tcp://x:1|tcp://:1|default|https://x|https://u:p@x/y|http://|root|1 %|10 GB|lots
random|simple|sendonly|tcp|allow
""".strip()
    .replace("\n", "|")
    .split("|")
)
WORDS += ["", " ", "a\nb", "a\x00b", "9" * 30, PHONE]
OTHERS: list[t.Any] = [None, True, False, 0, 1, -1, 22, 65536, 2**31, 2**70, 1.5, -0.0, float("nan"), float("inf")]
CONTAINERS: list[t.Any] = [[], [None], [[]], [{}], ["x", 1], {}, {"x": "y"}, {None: 1}, {1: 2}, {True: []}, {"": ""}]


def value(chance: random.Random, spec: t.Mapping[str, t.Any] | None) -> t.Any:
    """Draw a value: in half of the cases one of the right type, otherwise any."""
    kind = (spec or {}).get("type", "str")
    if chance.random() < 0.5:
        right: dict[str, t.Callable[[], t.Any]] = {
            "bool": lambda: chance.choice([True, False, "yes", "no", 1]),
            "int": lambda: chance.choice([0, 1, 5, 60, 22000, "60", 3600]),
            "list": lambda: [chance.choice(WORDS) for _turn in range(chance.randrange(3))],
            "dict": dict,
        }
        if (spec or {}).get("choices") and chance.random() < 0.7:
            return chance.choice(list((spec or {})["choices"]))
        return right.get(kind, lambda: chance.choice(WORDS))()
    return copy.deepcopy(chance.choice([chance.choice(WORDS), chance.choice(OTHERS), chance.choice(CONTAINERS)]))


def options_at(place: tuple[t.Any, ...]) -> t.Mapping[str, t.Any]:
    """The specification of the keys at a path; empty where any key is allowed."""
    name, inside = place[0], len(place) - 1
    section = _tables.SYSTEM.get(name.removeprefix("syncthing_mesh_"), {}).get("options", {})
    by_place: dict[tuple[t.Any, ...], t.Mapping[str, t.Any]] = {
        ("syncthing_mesh_folders", 1): {**validate_mesh.FOLDER_OPTIONS, "devices": {"type": "list"}},
        ("syncthing_mesh_folders", 3): validate_mesh.SHARE_OPTIONS,
        ("syncthing_mesh_external_devices", 1): validate_mesh.DEVICE_OPTIONS,
        ("tailscale_preferences", 0): validate_tailscale.PREFERENCES,
        ("firewall_extra_rules", 1): RULE,
        ("firewall_keep", 1): RULE,
        ("firewall_tailnet_only_ports", 1): RULE,
    }
    if place[-1] == "versioning":
        return _tables.VERSIONING
    if section and inside:
        return section.get(place[1], {}).get("options") or {}
    return section or by_place.get((name, inside), {})


def containers(found: t.Any, place: tuple[t.Any, ...]) -> t.Iterator[tuple[t.Any, tuple[t.Any, ...]]]:
    if isinstance(found, (dict, list)):
        yield found, place
        for key, inner in found.items() if isinstance(found, dict) else enumerate(found):
            yield from containers(inner, (*place, key))


def make_mistake(chance: random.Random, variables: Variables) -> str:
    """Make one mistake; return the name of its variable."""
    specs = validate.specs_of(validate.ROLES)
    name = chance.choice([*specs, *VALID, *[one for one in VALID if isinstance(VALID[one], dict)] * 3])
    here = list(containers(variables.get(name), (name,)))
    if not here or chance.random() < 0.15:
        variables[name] = value(chance, specs[name])
        return name
    target, place = chance.choice(here)
    options = options_at(place)
    if isinstance(target, list):
        target.insert(chance.randrange(len(target) + 1), value(chance, None)) if chance.random() < 0.5 or not target else (
            target.__setitem__(chance.randrange(len(target)), value(chance, None))
        )
        return name
    what = chance.random()
    if what < 0.15 and target:
        del target[chance.choice(list(target))]
    elif what < 0.4 and target:
        key = chance.choice(list(target))
        target[key] = value(chance, options.get(key))
    elif what < 0.9 and options:
        key = chance.choice(list(options))
        target[key] = value(chance, options[key])
    else:
        target[chance.choice([*WORDS, None, 1, True, 1.5])] = value(chance, None)
    return name


def hosts_with(shared: Variables) -> dict[str, Variables]:
    """All hosts with these variables; each has a name of its own in the tailnet unless the name was changed."""
    as_it_was = shared.get("tailscale_hostname") == VALID["tailscale_hostname"]
    return {host: {**shared, **({"tailscale_hostname": host} if as_it_was else {})} for host in HOSTS}


def inventories(count: int, seed: int) -> t.Iterator[tuple[dict[str, Variables], set[str]]]:
    """Yield hosts with their variables, and the names of the changed variables."""
    chance = random.Random(seed)
    for _turn in range(count):
        shared = copy.deepcopy(VALID)
        names = {make_mistake(chance, shared) for _turn in range(chance.choice([1, 1, 2]))}
        yield hosts_with(shared), names
