# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about Tailscale on the host: its processes, sockets, interface and units.

Two tailscaleds on one host remove each other's interface, routes and packet filter chains, so an existing one must be known
before another is started. The facts are evaluated on the controller (plugin_utils/tailscale_host.py).

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import ipaddress
import json
import re
import shutil
import socket
import struct
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import NodeError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import LocalAPI
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._tables import SOCKET

Execute = t.Callable[[t.List[str]], t.Tuple[int, str, str]]  # noqa: UP006  (3.9 at run time)
INTERFACE = "tailscale0"
STATE_FILE = "var/lib/tailscale/tailscaled.state"
OUR_MARK = "Managed by Ansible (homelab.tailsync.tailscale)"
PACKAGED_UNITS = ("/usr/lib/systemd/system/", "/lib/systemd/system/")
# Where packages and this role's archive install the program; the package manager is asked only about other places.
PROGRAMS = re.compile(r"(/usr/s?bin/tailscaled|/opt/tailscale/[^/]+/bin/tailscaled)( \(deleted\))?$")
OWNERS = (
    ("dpkg-query", "--search"),
    ("rpm", "--query", "--file"),
    ("pacman", "--query", "--owns"),
    ("apk", "info", "--who-owns"),
)
# Subcommands of the same program that are not the daemon, such as the sessions of Tailscale SSH.
NO_DAEMON = ("be-child", "cleanup", "version", "debug", "install-system-daemon", "uninstall-system-daemon")
SIOCGIFADDR = 0x8915
# The values that the decision about a login needs (module_utils/_tailscale/_login.py), and no others.
STATUS = ("BackendState", "HaveNodeKey", "Health", "TailscaleIPs", "TUN")
SELF = ("ID", "DNSName", "HostName", "KeyExpiry", "Expired", "Tags", "Online")
PREFS = ("ControlURL", "LoggedOut", "WantRunning", "Hostname")
Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)


def gather(
    execute: Execute, params: t.Mapping[str, t.Any], root: Path = Path("/"), connect: t.Callable[[str], LocalAPI] = LocalAPI
) -> Json:
    """Gather the present state; changes nothing on the host."""
    path = params["tailscale_socket"]
    unit = _unit(execute, "tailscaled.service", root)
    daemons = _daemons(root, unit)
    node = _node(path, connect)
    return {
        "socket": path,
        "unit": unit,
        "daemons": daemons,
        "other_units": _other_units(execute, root, {daemon["unit"] for daemon in daemons}),
        "interface": _interface(root, daemons),
        "node": node,
        "node_interface": _interface_of(node, root),
        "state_kept": _state_kept(root / STATE_FILE),
    }


# --- units --------------------------------------------------------------------------------------


def _has_systemd(root: Path) -> bool:
    return (root / "run/systemd/system").is_dir()


def _unit(execute: Execute, name: str, root: Path) -> Json | None:
    """Describe a service, None if systemd does not know it; `own` if a package or this role has installed it."""
    if not _has_systemd(root):
        return None
    names = "LoadState,ActiveState,UnitFileState,FragmentPath,MainPID,ControlGroup,ExecStart"
    _code, text, _error = execute(["systemctl", "show", name, f"--property={names}"])
    shown = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if shown.get("LoadState") in (None, "not-found"):
        return None
    program = re.search(r"path=([^ ;]+)", shown.get("ExecStart", ""))
    path = shown.get("FragmentPath", "")
    return {
        "name": name,
        "path": path,
        "active": shown.get("ActiveState") in ("active", "activating", "reloading"),
        "enabled": shown.get("UnitFileState", "").startswith("enabled"),
        "pid": int(shown.get("MainPID") or 0),
        "cgroup": shown.get("ControlGroup", ""),
        "program": program.group(1) if program else "",
        "own": path.startswith(PACKAGED_UNITS)
        or _is_ours(root, path)
        or _is_packaged(execute, program.group(1) if program else ""),
    }


def _is_ours(root: Path, path: str) -> bool:
    try:
        return OUR_MARK in (root / path.lstrip("/")).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _is_packaged(execute: Execute, program: str) -> bool:
    """Whether a program belongs to a package, also if its unit is a copy that `systemctl edit --full` made."""
    managers = [command for command in OWNERS if program and shutil.which(command[0])]
    return any(execute([*command, program])[0] == 0 for command in managers)


def _other_units(execute: Execute, root: Path, known: t.Collection[str]) -> list[Json]:
    """Services that would start another tailscaled at the next boot."""
    if not _has_systemd(root):
        return []
    command = ["systemctl", "list-unit-files", "--type=service", "--no-legend", "--plain", "--no-pager", "*tailscale*"]
    found = []
    for line in execute(command)[1].splitlines():
        name, state = [*line.split(), "", ""][:2]
        usual = name in ("tailscaled.service", "tailscale-wait-online.service") or name.endswith("@.service")
        if usual or name in known or not state.startswith("enabled"):
            continue
        text = execute(["systemctl", "show", name, "--property=ExecStart"])[1]
        if re.search(r"(^|[/. ])tailscaled( |;|$)", text, re.MULTILINE):
            found.append({"name": name})
    return found


# --- processes ----------------------------------------------------------------------------------


def _daemons(root: Path, unit: Json | None) -> list[Json]:
    """The tailscaled processes in this host's network namespace; those of guests and containers have another one."""
    network = _namespace(root, "self", "net")
    found = []
    for place in sorted((root / "proc").glob("[0-9]*"), key=lambda one: int(one.name)):
        with contextlib.suppress(OSError):  # it has ended since
            arguments = [word for word in (place / "cmdline").read_bytes().decode(errors="replace").split("\0") if word]
            if arguments and _is_daemon(place, arguments) and _namespace(root, place.name, "net") == network:
                found.append(_daemon(root, place, arguments, unit))
    return found


def _daemon(root: Path, place: Path, arguments: list[str], unit: Json | None) -> Json:
    groups = [line.split(":", 2)[-1] for line in (place / "cgroup").read_text(encoding="utf-8").splitlines()]
    path, program = _plain(_flag(arguments, "socket") or SOCKET), _link(place / "exe")
    contained = _namespace(root, place.name, "mnt") != _namespace(root, "self", "mnt")
    if _has_systemd(root):
        own = unit is not None and _is_own(int(place.name), groups, unit)
    else:
        own = not contained and path == SOCKET and bool(PROGRAMS.match(program))
    return {
        "pid": int(place.name),
        "command": " ".join(arguments),
        "program": program,
        "cgroup": max(groups, key=len, default=""),
        "unit": next((part for group in groups for part in reversed(group.split("/")) if part.endswith(".service")), ""),
        "socket": path,
        "tun": _flag(arguments, "tun") or INTERFACE,
        "contained": contained,
        "own": own,
    }


def _is_own(pid: int, groups: t.Collection[str], unit: Json) -> bool:
    return unit["own"] and (pid == unit["pid"] or unit["cgroup"] in set(groups) - {""})


def _is_daemon(place: Path, arguments: list[str]) -> bool:
    names = (Path(arguments[0]).name, Path(_link(place / "exe").partition(" (deleted)")[0]).name)
    calls = {argument.lstrip("-") for argument in arguments[1:2]}
    return "tailscaled" in names and not calls & set(NO_DAEMON)


def _flag(arguments: list[str], name: str) -> str:
    """The value of a flag in Go's forms: -name=value, --name=value, --name value."""
    for number, argument in enumerate(arguments):
        key, equals, value = argument.lstrip("-").partition("=")
        if argument.startswith("-") and key == name:
            return value if equals else "".join(arguments[number + 1 : number + 2])
    return ""


def _namespace(root: Path, pid: str, kind: str) -> str:
    return _link(root / "proc" / pid / "ns" / kind)


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _plain(path: str) -> str:
    return path[4:] if path.startswith("/var/run/") else path


# --- the interface ------------------------------------------------------------------------------


def _interface(root: Path, daemons: list[Json]) -> Json:
    """Whether there is an interface tailscale0, and the process that holds it if no tailscaled was found for it."""
    present = (root / "sys/class/net" / INTERFACE).exists()
    explained = any(daemon["tun"] == INTERFACE for daemon in daemons)
    return {
        "name": INTERFACE,
        "present": present,
        "explained": explained,
        "holder": None if explained or not present else _holder(root),
    }


def _holder(root: Path) -> Json | None:
    for place in (root / "proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended since
            files = [file for file in (place / "fd").iterdir() if _link(file).endswith("/net/tun")]
            texts = [(place / "fdinfo" / file.name).read_text(encoding="utf-8") for file in files]
            if any(re.search(rf"^iff:\s*{INTERFACE}$", text, re.MULTILINE) for text in texts):
                command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                return {"pid": int(place.name), "command": command}
    return None


def _interface_of(node: Json | None, root: Path) -> str | None:
    """The interface that has the node's address, which identifies the tailnet's interface."""
    addresses = {str(ipaddress.ip_address(one)) for one in ((node or {}).get("status") or {}).get("TailscaleIPs") or []}
    if not addresses:
        return None
    try:
        for line in (root / "proc/net/if_inet6").read_text(encoding="ascii").splitlines():
            digits, *_rest, name = line.split()
            if str(ipaddress.ip_address(int(digits, 16).to_bytes(16, "big"))) in addresses:
                return name
    except OSError:  # a kernel without IPv6
        pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for place in sorted((root / "sys/class/net").iterdir()):
            try:
                answer = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, struct.pack("256s", place.name.encode()[:15]))
            except OSError:  # it has none
                continue
            if socket.inet_ntoa(answer[20:24]) in addresses:
                return place.name
    return None


# --- the node -----------------------------------------------------------------------------------


def _node(path: str, connect: t.Callable[[str], LocalAPI]) -> Json | None:
    """Status and preferences of the tailscaled at the socket; None if none answers."""
    try:
        api = connect(path)
        status, prefs = api.status(), api.prefs()
    except NodeError:
        return None
    own = status.get("Self") or {}
    shown = {key: status.get(key) for key in STATUS}
    return {
        # The address of a login is as good as a key to whoever opens it first.
        "status": {**shown, "AuthURL": bool(status.get("AuthURL")), "Self": {key: own.get(key) for key in SELF}},
        "prefs": {key: prefs.get(key) for key in PREFS},
    }


def _state_kept(path: Path) -> bool | None:
    """Whether a stopped tailscaled was logged in when it ended; None if its state file does not tell (it may be encrypted)."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        profile = base64.b64decode(state.get("_current-profile") or "").decode()
    except FileNotFoundError:
        return False
    except (OSError, ValueError, AttributeError, TypeError):
        return None
    if "_current-profile" not in state and "_machinekey" not in state:
        return None
    return bool(profile) and profile in state
