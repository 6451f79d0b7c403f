# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address of Syncthing's web interface and REST API, and access to it: pure functions.

Over TCP without a password, every account of the host can administer Syncthing, and read the API key and the folders'
passwords. The default is a unix socket in a directory that others cannot enter.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import posixpath
import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils.validate_types import shown

SOCKET = "/run/syncthing/gui.sock"
# The role creates such a directory at each boot for Syncthing's user, so no other program may use it.
OWN_DIRECTORY = re.compile(r"(/var)?/run/syncthing[A-Za-z0-9._@-]*")
LOOPBACK = re.compile(r"(127\.[0-9.]+|localhost|\[::1\]):[0-9]{1,5}")
MAX_SOCKET_PATH = 107  # bytes, unix(7)
ACCEPT = "gui_without_password"
TRUE = ("true", "yes", "on", "1")


def problems(
    address: t.Any, group: t.Any = "", gui: t.Any = None, accept: t.Collection[str] = (), home: str = "/var/lib/syncthing"
) -> list[str]:
    """The problems of syncthing_gui_address, syncthing_gui_group and syncthing_mesh_gui."""
    wanted = gui if isinstance(gui, t.Mapping) else {}
    found = misplaced(wanted)
    if address is None or (isinstance(address, str) and not address.strip()):
        return [*found, f"syncthing_gui_address is empty: leave it out for {SOCKET}"]
    if not isinstance(address, str) or not address.isprintable():
        return [*found, f"syncthing_gui_address is {shown(address)}: it must be the path of a unix socket, such as {SOCKET}"]
    if address.startswith("/"):
        return [*found, *_socket_problems(address, group, wanted, home)]
    return [*found, *_tcp_problems(address, group, wanted, accept)]


def misplaced(gui: t.Mapping[str, t.Any]) -> list[str]:
    if "address" not in gui and "address" not in _settings(gui):
        return []
    return [
        "syncthing_mesh_gui has the key address, which belongs into syncthing_gui_address: remove it there, and set "
        f"syncthing_gui_address if the web interface is to be elsewhere than at {SOCKET}"
    ]


def _socket_problems(address: str, group: t.Any, gui: t.Mapping[str, t.Any], home: str) -> list[str]:
    found = []
    directory = posixpath.dirname(posixpath.normpath(address))
    own = bool(OWN_DIRECTORY.fullmatch(directory))
    if not own and not (directory + "/").startswith(posixpath.normpath(home) + "/"):
        found.append(
            f"syncthing_gui_address is {address}: a unix socket must be in a directory of its own that others cannot enter; use "
            f"{SOCKET}, another /run/syncthing…/ directory, or one in syncthing_home ({home})"
        )
    if len(address.encode()) > MAX_SOCKET_PATH:
        found.append(
            f"syncthing_gui_address has {len(address.encode())} bytes, and the path of a unix socket at most {MAX_SOCKET_PATH}"
        )
    if group and not own:
        found.append(f"syncthing_gui_group has no effect on {address}: leave it out, or leave syncthing_gui_address out")
    if _true(gui.get("tls")) or _true(_settings(gui).get("useTLS")):
        found.append(
            f"syncthing_mesh_gui.tls is true, but syncthing_gui_address is the unix socket {address}, and with both no program "
            "could use the REST API: remove syncthing_mesh_gui.tls, or set syncthing_gui_address to 127.0.0.1:8384 together with "
            "user and password in syncthing_mesh_gui"
        )
    return found


def _tcp_problems(address: str, group: t.Any, gui: t.Mapping[str, t.Any], accept: t.Collection[str]) -> list[str]:
    # Syncthing exits at boot if its web interface cannot listen, and systemd stops after four attempts; the tailnet address
    # may come later.
    if not LOOPBACK.fullmatch(address):
        return [
            f"syncthing_gui_address is {address}: it must be the path of a unix socket (leave it out for {SOCKET}), or a "
            "loopback address such as 127.0.0.1:8384. From elsewhere, use ssh -L"
        ]
    found = []
    guarded = (_text(gui.get("user")) and _text(gui.get("password"))) or _settings(gui).get("authMode") == "ldap"
    if ACCEPT not in (accept or ()) and not guarded:
        found.append(
            f"syncthing_gui_address is {address}, which every account of the host can connect to, and syncthing_mesh_gui has no "
            f"user and password: leave syncthing_gui_address out (the web interface is then at {SOCKET}), set both, or add "
            f"{ACCEPT} to tailsync_accept"
        )
    if group:
        found.append(f"syncthing_gui_group has no effect on {address}: leave it out, or leave syncthing_gui_address out")
    return found


def _settings(gui: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any]:
    settings = gui.get("settings")
    return settings if isinstance(settings, t.Mapping) else {}


def _text(value: t.Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _true(value: t.Any) -> bool:
    return value is True or str(value).lower() in TRUE


def permissions(address: str, group: str = "") -> str:
    """The permissions of the socket, whose group is the directory's; empty for an address that is no socket."""
    if not address.startswith("/"):
        return ""
    return "0660" if group else "0600"


def directory_of(address: str | None) -> str:
    """The directory below /run that must be created at each boot; empty if there is none."""
    directory = posixpath.dirname(posixpath.normpath(address or ""))
    return directory if OWN_DIRECTORY.fullmatch(directory) else ""


def initial_address(address: str, accept: t.Collection[str] = ()) -> str:
    """The address of the web interface at the first start, when it has no password yet."""
    return address if address.startswith("/") or ACCEPT in (accept or ()) else SOCKET


def wanted(gui: t.Mapping[str, t.Any] | None, address: str | None, group: str = "", ready: bool = True) -> dict[str, t.Any]:
    """The settings of the web interface for syncthing_cluster.

    The web interface keeps its address if none is given, or if the role syncthing has not yet created the directory of the
    socket for this and every later boot (`ready`).
    """
    if not address or (directory_of(address) and not ready):
        return dict(gui or {})
    if not address.startswith("/"):
        return {"address": address, **(gui or {})}
    return {"address": address, "unix_socket_permissions": permissions(address, group), "tls": False, **(gui or {})}
