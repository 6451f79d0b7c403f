# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user who runs the role firewall by itself on nas, as its README shows it, with a ~/.ssh of their own."""

from __future__ import annotations

import contextlib
import pathlib
import typing as t

from lab_fixtures import Run
from own_ssh import CONFIG, Owner
from testinfra.host import Host

LAN = "172.31.77.0/24"
# The inventory has no address of its own for the host, as with many users: their ssh configuration has it.
OWN_BLOCK = "Host nas\n  HostName {}\n"
PLAYBOOK = """
- hosts: nas
  roles:
    - role: homelab.tailsync.firewall
"""
NO_MESH: dict[str, t.Any] = {"syncthing_mesh_folders": {}, "syncthing_mesh_external_devices": {}}
# The shortest time that the role allows: each proof first tries the address that is about to close, or closed.
QUICK = {"firewall_proof_timeout": 5}
OTHER_PORT = "/etc/ssh/sshd_config.d/port.conf"


class RoleAlone:
    def __init__(self, work: pathlib.Path, host: Host, address: str) -> None:
        self.owner, self.host, self.address = Owner(work), host, address
        self.owner.write_config(OWN_BLOCK.format(address) + CONFIG)
        self.declare(firewall_lan_ssh_from=["192.168.1.0/24"])
        (work / "alone.yml").write_text(PLAYBOOK, encoding="ascii")

    def declare(self, **variables: t.Any) -> None:
        self.owner.write_inventory({"nas": None}, **NO_MESH, **QUICK, **variables)

    def run(self, *arguments: str) -> Run:
        return self.owner.ansible("ansible-playbook", str(self.owner.work / "alone.yml"), *arguments)

    def site(self) -> Run:
        return self.owner.ansible("ansible-playbook", "site.yml", "--tags", "firewall")

    def leave(self) -> Run:
        return self.owner.ansible("ansible-playbook", "playbooks/leave.yml")

    def ports_for_the_lan(self) -> list[str]:
        return [line.split()[0] for line in self.host.check_output("ufw status").splitlines() if LAN in line]

    @property
    def tailnet_login(self) -> str:
        return f"nas {self.host.check_output('tailscale ip -4')}"

    @contextlib.contextmanager
    def other_port(self, in_ssh_config: bool = False) -> t.Iterator[None]:
        """The host's sshd listens at 2222 only, and the user has logged in there once."""
        known = self.owner.ssh / "known_hosts"
        lines = known.read_text(encoding="ascii").splitlines()
        keys = [line.partition(" ")[2] for line in lines if line.startswith(f"{self.address} ")]
        with known.open("a", encoding="ascii") as file:
            file.writelines(f"[{self.address}]:2222 {key}\n" for key in keys)
        config = (self.owner.ssh / "config").read_text(encoding="ascii")
        if in_ssh_config:
            name = f"HostName {self.address}\n"
            self.owner.write_config(config.replace(name, f"{name}  Port 2222\n"))
        self.host.check_output(f"echo Port 2222 >{OTHER_PORT} && systemctl restart ssh")
        try:
            yield
        finally:
            self.host.check_output(f"rm {OTHER_PORT} && systemctl restart ssh")
            self.owner.write_config(config)
