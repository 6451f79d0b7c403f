# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about every Syncthing that runs on the host, and about what holds the ports that Syncthing is to use.

A user's own Syncthing must be known before the firewall closes and before a unit gets another home. The facts are evaluated on
the controller (plugin_utils/other_syncthing.py).

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._host import listeners
from ansible_collections.homelab.tailsync.plugins.module_utils._host.packet_filter import rules_of

Execute = t.Callable[[t.List[str]], t.Tuple[int, str, str]]  # noqa: UP006  (3.9 at run time)
Json = t.Dict[str, t.Any]  # noqa: UP006
# Calls of the same program that are no daemon.
NO_DAEMON = ("browser", "cli", "debug", "decrypt", "device-id", "generate", "help", "paths", "upgrade", "version")
HOME_FLAGS = (("home", "H"), ("config", "C"))
HOME_VARIABLES = ("STHOMEDIR", "STCONFDIR")
DEFAULT_PORT = 22000
SHOWING = ("globalAnnounceEnabled", "localAnnounceEnabled", "relaysEnabled", "natEnabled")
# Listen addresses that mean every address of the host, or a relay's.
PUBLIC = re.compile(r"default$|dynamic\+|relay://|\w+://(:|0\.0\.0\.0|\[::\])")
# In the control groups of processes in containers.
CONTAINER = re.compile(r"docker|libpod|containerd|kubepods|/lxc|/machine\.slice")
DNAT = re.compile(r"^-A (?!OUTPUT )(?P<match>.*)-j DNAT", re.MULTILINE)
# A router forwards a port of its way out, or for some sources, to another machine: peers in the tailnet are not concerned.
LIMITED = re.compile(r"(?<!!) -(i (?!tailscale)|s )\S")


def gather(execute: Execute, params: t.Mapping[str, t.Any], asks_apt: bool, root: Path = Path("/")) -> Json:
    """Gather the present state; changes nothing on the host. With `asks_apt`, also the version that apt would install."""
    wanted = [place_of(address) for address in params["syncthing_addresses"]]
    ports = {place["port"] for place in wanted}
    sockets = [socket for name in ("tcp", "tcp6") for socket in listeners.parse(_text(root / "proc/net" / name), "tcp")]
    daemons = [{**daemon, "is_main": _is_main(execute, daemon, root)} for daemon in _daemons(root)]
    owners = _owners(root, {socket.inode for socket in sockets if socket.port in ports})
    uids = _uids(root)
    return {
        "wanted": wanted,
        "daemons": daemons,
        "holders": [
            {
                "port": socket.port,
                "address": socket.address,
                **(owners.get(socket.inode) or _likely(daemons, uids.get(socket.inode))),
            }
            for socket in sorted(sockets)
            if socket.port in ports
        ],
        "forwarded": forwarded(rules_of(execute, "iptables", "nat"), ports),
        "enabled": sorted(link.name[len("syncthing@") : -len(".service")] for link in _enabled(root)),
        "candidate": candidate(execute) if asks_apt else None,
        "shows": shows(_text(root / params["syncthing_home"].lstrip("/") / "config.xml")),
    }


def place_of(address: str) -> Json:
    """Host and port of a TCP address such as tcp://100.64.0.1:22000, tcp://[fd7a::1], 127.0.0.1:8384 or :22000."""
    found = re.fullmatch(r"(?:\w+://)?(\[[^]]*\]|[^:/]*)(?::(\d+))?/?", address)
    host, port = found.groups() if found else ("", None)
    return {"host": (host or "").strip("[]"), "port": int(port or DEFAULT_PORT)}


def shows(config: str) -> list[str]:
    """The options in the text of a config.xml that show a Syncthing outside the tailnet."""
    options = config.partition("<options>")[2].partition("</options>")[0]
    addresses = re.findall(r"<listenAddress>\s*(.*?)\s*</listenAddress>", options)
    public = [address for address in addresses if PUBLIC.match(address)]
    return [f"listenAddress {address}" for address in public] + [name for name in SHOWING if f"<{name}>true</{name}>" in options]


def candidate(execute: Execute) -> str | None:
    """The version of Syncthing that apt would install; None if its lists do not have it."""
    code, text, _error = execute(["env", "LC_ALL=C", "apt-cache", "policy", "syncthing"])
    found = re.search(r"^\s*Candidate: (\d\S*)$", text, re.MULTILINE) if code == 0 else None
    return found.group(1) if found else None


def forwarded(listing: str, ports: t.Collection[int]) -> list[Json]:
    """The TCP ports that `iptables -t nat -S` forwards to a container, each with the address that this is limited to."""
    found = []
    for rule in DNAT.finditer(listing):
        port = re.search(r"--dport (\d+)", rule["match"])
        address = re.search(r"(?<!! )-d ([0-9.]+)", rule["match"])
        if port and int(port[1]) in ports and "-p tcp" in rule["match"] and not LIMITED.search(f" {rule['match']}"):
            found.append({"port": int(port[1]), "address": address[1] if address else ""})
    return found


def _enabled(root: Path) -> list[Path]:
    return list((root / "etc/systemd/system").glob("*.wants/syncthing@*.service"))


# --- processes ----------------------------------------------------------------------------------


def _daemons(root: Path) -> list[Json]:
    """The Syncthings in the host's network namespace. Those with a monitor are two processes, of which the first is listed."""
    found = []
    by_pid: dict[int, Json] = {}
    for place in sorted((root / "proc").glob("[0-9]*"), key=lambda one: int(one.name)):
        with contextlib.suppress(OSError, IndexError):  # it has ended since
            arguments = _words(place / "cmdline")
            if not _is_daemon(place, arguments) or not _shares(root, place, "net"):
                continue
            parent = by_pid.get(_parent(place))
            daemon = parent or _daemon(root, place, arguments)
            daemon["pids"].append(int(place.name))
            by_pid[int(place.name)] = daemon
            if parent is None:
                found.append(daemon)
    return found


def _daemon(root: Path, place: Path, arguments: list[str]) -> Json:
    uid = place.stat().st_uid
    # Not by its mounts: services that systemd confines have their own as well, this collection's among them.
    contained = not _shares(root, place, "pid")
    unit, by_user = unit_of(_text(place / "cgroup"))
    return {
        "pids": [],
        "user": _name(uid),
        "unit": unit,
        "by_user": by_user,
        "contained": contained,
        "home": None if contained else home_of(arguments, _environment(place), _login_home(uid), _link(place / "cwd"), root),
    }


def _is_main(execute: Execute, daemon: Json, root: Path) -> bool:
    """Whether the unit is Syncthing's own, and not cron, ssh or another one that happens to start it."""
    unit, first = daemon["unit"], root / "proc" / str(daemon["pids"][0])
    # A unit that systemd has made of a desktop's autostart cannot be disabled.
    if not unit or unit.endswith("@autostart.service"):
        return False
    if "syncthing" in unit:
        return True
    if daemon["by_user"]:  # root cannot ask that systemd
        with contextlib.suppress(OSError, ValueError, IndexError):
            return _text(root / "proc" / str(_parent(first)) / "comm").strip() == "systemd"
        return False
    _code, said, _error = execute(["systemctl", "show", "--property=MainPID", unit])
    return said.strip().partition("=")[2] in [str(pid) for pid in daemon["pids"]]


def _shares(root: Path, place: Path, kind: str) -> bool:
    """Whether a process is in a namespace of the host. Where even root cannot see it, as in a container, its group tells."""
    own, its = _link(root / "proc/self/ns" / kind), _link(place / "ns" / kind)
    return own == its if its else not CONTAINER.search(_text(place / "cgroup"))


def home_of(
    arguments: t.Sequence[str], environment: t.Mapping[str, str], login_home: str, folder: str = "", root: Path = Path("/")
) -> str | None:
    """Syncthing's home by its flags, its environment, or its own default; None if that cannot be told.

    A relative one is below the process's working folder, also one that begins with `~`, which only a shell expands.
    """
    named = [_flag(arguments, names) for names in HOME_FLAGS] + [environment.get(name, "") for name in HOME_VARIABLES]
    own = environment.get("HOME") or login_home
    chosen = next((path for path in named if path), "")
    if chosen:
        path = os.path.join(folder, chosen)  # noqa: PTH118
        return os.path.normpath(path) if path.startswith("/") else None
    if not own:
        return None
    old = os.path.join(environment.get("XDG_CONFIG_HOME") or f"{own}/.config", "syncthing")  # noqa: PTH118
    new = os.path.join(environment.get("XDG_STATE_HOME") or f"{own}/.local/state", "syncthing")  # noqa: PTH118
    there = [path for path in (old, new) if (root / path.lstrip("/") / "config.xml").is_file()]
    return os.path.normpath(there[0]) if there else None


def unit_of(cgroup: str) -> tuple[str, bool]:
    """The service in the text of /proc/PID/cgroup, and whether it is one of a user's own systemd."""
    path = max((line.split(":", 2)[-1] for line in cgroup.splitlines()), key=len, default="")
    services = [part for part in path.split("/") if part.endswith(".service")]
    by_user = any(part.startswith("user@") for part in services)
    last = services[-1] if services else ""
    return ("" if last.startswith("user@") else last), by_user


def _is_daemon(place: Path, arguments: t.Sequence[str]) -> bool:
    if not arguments:
        return False
    names = (os.path.basename(arguments[0]), os.path.basename(_link(place / "exe").partition(" (deleted)")[0]))  # noqa: PTH119
    calls = {argument.lstrip("-") for argument in arguments[1:2]}
    return "syncthing" in names and not calls & set(NO_DAEMON)


def _flag(arguments: t.Sequence[str], names: t.Collection[str]) -> str:
    """The value of a flag: -name=value, --name=value, --name value."""
    for number, argument in enumerate(arguments):
        key, equals, value = argument.lstrip("-").partition("=")
        if argument.startswith("-") and key in names:
            return value if equals else "".join(arguments[number + 1 : number + 2])
    return ""


def _owners(root: Path, inodes: t.Collection[str]) -> dict[str, Json]:
    """Map sockets to the first process that has them open."""
    found: dict[str, Json] = {}
    for place in sorted((root / "proc").glob("[0-9]*"), key=lambda one: int(one.name)) if inodes else ():
        for inode in set(listeners.sockets_of(place / "fd")) & set(inodes) - set(found):
            found[inode] = {
                "pid": int(place.name),
                "process": _text(place / "comm").strip(),
                "unit": unit_of(_text(place / "cgroup"))[0],
            }
    return found


def _likely(daemons: t.Sequence[Json], uid: int | None) -> Json:
    """The holder of a socket whose process even root cannot see: the only Syncthing of the socket's user, if there is one."""
    found = [daemon for daemon in daemons if uid is not None and daemon["user"] == _name(uid)]
    if len(found) != 1:
        return {"pid": 0, "process": "", "unit": ""}
    return {"pid": found[0]["pids"][-1], "process": "syncthing", "unit": found[0]["unit"]}


def _uids(root: Path) -> dict[str, int]:
    """Map sockets to the user who made them, as /proc/net/tcp has it."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in _text(root / "proc/net" / name).splitlines()[1:]]
    return {fields[9]: int(fields[7]) for fields in lines if len(fields) > 9}


def _environment(place: Path) -> dict[str, str]:
    """The variables of a process; only those that name a home are used."""
    with contextlib.suppress(OSError):
        return dict(word.split("=", 1) for word in _words(place / "environ") if "=" in word)
    return {}


def _words(path: Path) -> list[str]:
    return [word for word in path.read_bytes().decode(errors="replace").split("\0") if word]


def _parent(place: Path) -> int:
    return int(_text(place / "stat").rsplit(")", 1)[-1].split()[1])


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user ID {uid}"


def _login_home(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return ""


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
