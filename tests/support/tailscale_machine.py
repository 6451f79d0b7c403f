# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A double of a host for the search for tailscaled processes: /proc, units and interfaces in a folder."""

from __future__ import annotations

import pathlib
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._host import tailscaled
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import DaemonUnavailable
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._tables import SOCKET

PACKAGED = "/usr/lib/systemd/system/tailscaled.service"
OURS = "/etc/systemd/system/tailscaled.service"
USUAL = ["/usr/sbin/tailscaled", "--state=/var/lib/tailscale/tailscaled.state", "--socket=/run/tailscale/tailscaled.sock"]
BY_HAND = ["tailscaled", "--statedir=/var/lib/ts2", "--socket", "/run/ts2.sock", "--tun=tailscale0"]
CGROUP = "/system.slice/tailscaled.service"


class Machine:
    """The parts of a host's /proc, /sys and systemctl that are read."""

    def __init__(self, root: pathlib.Path, systemd: bool = True) -> None:
        self.root = root
        self.unit: dict[str, str] = {}
        self.units: dict[str, str] = {}  # other services, and their commands
        self.packaged: set[str] = set()
        self.node: tuple[dict[str, t.Any], dict[str, t.Any]] | None = None
        (root / "sys/class/net").mkdir(parents=True)
        (root / "proc").mkdir()
        if systemd:
            (root / "run/systemd/system").mkdir(parents=True)
        self.process(1, ["/sbin/init"], "/usr/lib/systemd/systemd", "/init.scope")
        (root / "proc/self").symlink_to("1")

    def process(
        self,
        pid: int,
        arguments: list[str],
        program: str,
        cgroup: str,
        network: str = "host",
        files: str = "host",
        holds: str = "",
    ) -> Machine:
        place = self.root / "proc" / str(pid)
        for folder in ("ns", "fd", "fdinfo"):
            (place / folder).mkdir(parents=True)
        (place / "cmdline").write_bytes("\0".join([*arguments, ""]).encode())
        (place / "cgroup").write_text(f"12:pids:/\n0::{cgroup}\n", encoding="ascii")
        (place / "exe").symlink_to(program)
        (place / "ns/net").symlink_to(f"net:[{network}]")
        (place / "ns/mnt").symlink_to(f"mnt:[{files}]")
        if holds:
            (place / "fd/7").symlink_to("/dev/net/tun")
            (place / "fdinfo/7").write_text(f"pos:\t0\niff:\t{holds}\n", encoding="ascii")
            self.interface(holds)
        return self

    def interface(self, name: str) -> Machine:
        (self.root / "sys/class/net" / name).mkdir(exist_ok=True)
        return self

    def service(self, path: str = PACKAGED, program: str = "/usr/sbin/tailscaled", pid: int = 0, text: str = "") -> Machine:
        self.unit = {
            "LoadState": "loaded",
            "ActiveState": "active" if pid else "inactive",
            "UnitFileState": "enabled",
            "FragmentPath": path,
            "MainPID": str(pid),
            "ControlGroup": CGROUP if pid else "",
            "ExecStart": f"{{ path={program} ; argv[]={program} ; }}",
        }
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="ascii")
        return self

    def execute(self, command: list[str]) -> tuple[int, str, str]:
        if command[:2] == ["systemctl", "list-unit-files"]:
            lines = ["tailscaled.service enabled enabled", "tailscale-wait-online.service enabled enabled"]
            return 0, "\n".join([*lines, *(f"{name} enabled enabled" for name in self.units)]), ""
        if command[:2] == ["systemctl", "show"]:
            shown = self.unit if command[2] == "tailscaled.service" else {"ExecStart": self.units.get(command[2], "")}
            return 0, "".join(f"{key}={value}\n" for key, value in (shown or {"LoadState": "not-found"}).items()), ""
        return (0 if command[-1] in self.packaged else 1), "", ""

    def connect(self, _path: str) -> t.Any:
        machine = self

        class Api:
            def status(self) -> dict[str, t.Any]:
                if machine.node is None:
                    raise DaemonUnavailable("there is no socket")
                return machine.node[0]

            def prefs(self) -> dict[str, t.Any]:
                assert machine.node
                return machine.node[1]

        return Api()

    def look(self) -> dict[str, t.Any]:
        return tailscaled.gather(self.execute, {"tailscale_socket": SOCKET}, self.root, self.connect)
