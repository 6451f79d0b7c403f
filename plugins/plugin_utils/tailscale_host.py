# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluate the facts of host_info for the role tailscale: pure functions, for the controller.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common.tailnet import first_label, label_of
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _login

Found = t.Mapping[str, t.Any]
USERSPACE = "userspace-networking"
NO_DEVICE = {
    "ENOENT": "there is no such device",
    "ENODEV": "no such device",
    "ENXIO": "no such device",
    "EPERM": "not permitted",
    "EACCES": "permission denied",
}
STARTING = ("NoState", "Starting")
DNS = 53
# Interfaces of guests and containers, whose DNS servers belong to their managers.
GUESTS = re.compile(r"docker|br-[0-9a-f]{12}$|virbr|lxdbr|lxcbr|incusbr|podman|cni|tailscale")


def refusals(found: Found, wanted: Found) -> list[str]:
    """The reasons to refuse the host. The keys of `wanted` are source, state, login_server, tags, has_secret and problem.

    `problem` is the reason of tailscale_package why Tailscale cannot be installed there. For the TUN device, `tun` is the topic
    of host_info, `systemd` whether systemd runs, `flags` are tailscaled's, and `restarts` whether it will start with others.
    """
    absent = wanted["state"] == "absent"
    problems = _others(found, absent) if wanted["source"] != "none" else [] if absent else _unmanaged(found)
    if wanted["problem"] and wanted["source"] != "none" and not absent:
        problems.append(wanted["problem"].removesuffix("."))  # the role adds the full stop
    if wanted["source"] != "none" and not absent:
        problems += _no_tun(found, wanted)
    login = _login_needed(found, wanted) if wanted["state"] == "present" and not problems else None
    if login and not wanted["has_secret"]:
        key = (
            "and tailscale_auth_key is empty: give this run a key (tailscale_auth_key), or a secret that creates one "
            "(tailscale_oauth_client_secret or tailscale_api_token), or tailscale_oidc. A host that is logged in needs none"
        )
        problems.append(f"{login.reason}: {login.cure}" if login.cure else f"{login.reason}, {key}")
    return problems


def _no_tun(found: Found, wanted: Found) -> t.Iterator[str]:
    """The problem if tailscaled could not make its network interface. A tailscaled that answers has what it needs."""
    tun, node = wanted.get("tun") or {}, found.get("node")
    error, contained = tun.get("error"), tun.get("contained")
    declared = wanted.get("userspace") or any(USERSPACE in str(flag) for flag in wanted.get("flags") or [])
    works = node is not None and (node["status"].get("TUN", True) or not wanted.get("restarts"))
    # Without systemd the service itself may load the module, as Alpine's does.
    unknown = error == "ENOENT" and not contained and not wanted.get("systemd", True)
    if error not in NO_DEVICE or declared or works or unknown:
        return
    if contained:
        fix = (
            "pass the device through to this container (Proxmox: Resources, Add, Device Passthrough, /dev/net/tun; LXC: "
            "lxc.cgroup2.devices.allow: c 10:200 rwm and lxc.mount.entry: /dev/net/tun dev/net/tun none bind,create=file; and "
            "`modprobe tun` on the machine that it runs on)"
        )
    elif error in ("EPERM", "EACCES"):
        fix = "allow root to open it (its mode is 0666 on most systems)"
    else:
        fix = (
            f"restart the host, if its kernel was updated since it started; otherwise install the module tun of its kernel "
            f"({tun.get('kernel')}), and load it (`modprobe tun`)"
        )
    yield (
        f"this host cannot open /dev/net/tun ({NO_DEVICE[error]}), which Tailscale needs for its network interface: {fix}; or "
        "set tailscale_userspace_networking: true, and leave this host out of the firewall and of Syncthing"
    )


def warnings(found: Found, wanted: Found) -> list[str]:
    """`listeners` and `interfaces` are facts of host_info; `accept_dns` is the preference, null if it is not set."""
    others = [
        f"{describe(daemon)} is another Tailscale on this host. It has no network interface, so it is not changed"
        for daemon in _foreign(found)
        if USERSPACE in daemon["tun"] and wanted["source"] != "none"
    ]
    return [*others, *_own_dns(found, wanted)]


def _own_dns(found: Found, wanted: Found) -> t.Iterator[str]:
    """A DNS server on a host that is to join: with Tailscale's DNS settings it may come to ask itself."""
    node = found.get("node")
    joins = found.get("state_kept") is False if node is None else node["status"]["BackendState"] == "NeedsLogin"
    server = _dns_server(wanted.get("listeners") or {}, wanted.get("interfaces") or {})
    if wanted["state"] == "present" and wanted.get("accept_dns") is None and joins and server:
        yield (
            f"{server} is a DNS server on this host. With the tailnet's DNS settings, which Tailscale gives to this host too, it "
            "may come to ask itself, and names no longer resolve: set accept_dns: false in tailscale_preferences for this host"
        )


def _dns_server(listeners: Found, interfaces: t.Mapping[str, t.Sequence[str]]) -> str:
    """The process that answers DNS for other machines; empty if there is none, or only one for guests of this host."""
    inside = [address for name, addresses in interfaces.items() if GUESTS.match(name) for address in addresses]
    for socket in listeners.get("sockets") or []:
        # dnsmasq with one address belongs to guests or to an access point.
        single = socket["process"] == "dnsmasq" and not ipaddress.ip_address(socket["address"]).is_unspecified
        # The kernel cuts the names of processes after 15 characters.
        ours = socket["process"].startswith("systemd-resolve") or socket["address"] in inside or single
        if socket["port"] == DNS and not ours:
            return "a container of Docker's" if socket["process"] == "docker-proxy" else socket["process"] or "a program"
    return "a container of Docker's" if any(int(port) == DNS for _proto, port in listeners.get("published") or []) else ""


def login_reason(found: Found, wanted: Found) -> str | None:
    """The reason for a login of the host, as far as it is known before any change; else None."""
    login = _login_needed(found, wanted)
    return login.reason if login else None


def _login_needed(found: Found, wanted: Found) -> _login.Login | None:
    node = found.get("node")
    if node is None:
        return _login.Login("this host is not in the tailnet yet") if found.get("state_kept") is False else None
    if node["status"]["BackendState"] in STARTING:
        return None
    tags = wanted["tags"] if wanted["tags"] != "" else None  # an empty list means no tags
    if tags is not None:
        # Ansible also accepts a list as text with commas.
        tags = sorted({tag.strip() for tag in (tags.split(",") if isinstance(tags, str) else tags)} - {""})
    return _login.needed(node["status"], node["prefs"], {"login_server": wanted["login_server"] or None, "tags": tags})


def not_text(secrets: Found) -> list[str]:
    """The names of secrets that are not text, such as a number without quotation marks. Null is allowed."""
    return sorted(name for name, value in secrets.items() if value is not None and not isinstance(value, str))


# --- other Tailscales ---------------------------------------------------------------------------


def describe(daemon: Found) -> str:
    where = daemon["unit"] or daemon["cgroup"].strip("/.")
    inside = " inside a container" if daemon["contained"] else ""
    return f"process {daemon['pid']} ({daemon['command']}; of {where or 'no unit'}; its socket is {daemon['socket']}{inside})"


def _foreign(found: Found) -> list[Found]:
    return [daemon for daemon in found["daemons"] if not daemon["own"]]


def _others(found: Found, absent: bool) -> list[str]:
    daemons = [daemon for daemon in _foreign(found) if USERSPACE not in daemon["tun"]]
    things = [describe(daemon) for daemon in daemons]
    things += [f"the service {unit['name']}, which is started at every boot" for unit in found["other_units"]]
    unit = found.get("unit")
    if unit and not unit["own"] and (unit["active"] or unit["enabled"]) and not any(d["unit"] == unit["name"] for d in daemons):
        things.append(f"the service {unit['name']} ({unit['path']}, which starts {unit['program']}), which belongs to no package")
    interface = found["interface"]
    if interface["present"] and not interface["explained"]:
        holder = interface["holder"]
        held = f"process {holder['pid']} ({holder['command']})" if holder else "no process that could be found"
        things.append(f"the network interface {interface['name']}, which is held by {held}")
    if not things:
        return []
    if absent:
        return [
            f"another Tailscale is on this host: {'; '.join(things)}. Removing Tailscale would log it out or delete its files. "
            "Remove it with the tool that installed it, or leave tailscale_state: absent out for this host"
        ]
    keep = next((daemon["socket"] for daemon in daemons if not daemon["contained"]), "its socket, as a path of this host")
    return [
        f"another Tailscale is on this host: {'; '.join(things)}. A second one would take over its network interface, routes and "
        "packet filter, which ends its connections, and possibly this run's. Remove it first, over a connection "
        f"that does not use it; or keep it, and set tailscale_package_source: none and tailscale_socket: {keep}"
    ]


def _unmanaged(found: Found) -> list[str]:
    if found.get("node") is not None:
        return []
    seen = "; ".join(describe(daemon) for daemon in found["daemons"]) or "no tailscaled"
    return [
        f"tailscale_package_source is none, and no tailscaled answers at tailscale_socket ({found['socket']}). On this host "
        f"there is {seen}. Start it, set tailscale_socket to its socket, or choose another tailscale_package_source"
    ]


# --- the name -----------------------------------------------------------------------------------


def name_problem(node: Found, hostname: str, peers: t.Iterable[Found] = ()) -> str | None:
    """The problem if the node's name is not the wanted one; None if it is, or it has no name yet, as in check mode."""
    real, wanted = first_label(node.get("dns_name")), label_of(hostname)
    if not real or real == wanted:
        return None
    holder = next((peer for peer in peers if first_label(peer.get("dns_name")) == wanted), None)
    problem = f"the tailnet calls this host {real} and not {wanted}, which tailscale_hostname asks for"
    if holder is None:
        return (
            f"{problem}: it was renamed there, or another machine has the name. Every later run would look for {wanted}. Give it "
            f"the name in the admin console, or set tailscale_hostname: {real} for this host"
        )
    seen = f", last seen {holder['last_seen']}" if holder.get("last_seen") and not holder.get("online") else ""
    replaceable = (
        ""
        if holder.get("online")
        else ". Where a host was installed again, replace_node in tailsync_accept removes its old machine before the login, with "
        "the secret of an API (tailscale_api_token, tailscale_oauth_client_secret or tailscale_oidc)"
    )
    where = ", ".join([*holder.get("addresses", [])[:1], f"{'online' if holder.get('online') else 'offline'}{seen}"])
    return (
        f"{problem}: another machine has that name ({where}), and every later run would go to it. Remove that machine in the "
        f"admin console and give this one its name there, or set tailscale_hostname: {real} for this host{replaceable}"
    )
