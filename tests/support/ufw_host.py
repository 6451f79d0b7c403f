# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ufw of Debian in separate mount and network namespaces, which leaves this machine's files and rules unchanged.

The folders of the package are laid over /etc and /usr; what is written goes to memory. What ufw then has is asked of ufw
and of the kernel, by nothing that the module shares.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import typing as t

import artefacts

EMPTY = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n*nat\n:PREROUTING ACCEPT\n:POSTROUTING ACCEPT\nCOMMIT\n"
CONFIGURATION = (pathlib.Path("/etc/ufw"), pathlib.Path("/etc/default/ufw"))


def sh(*command: str | os.PathLike[str], data: str | None = None) -> str:
    done = subprocess.run(command, input=data, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def outside(*command: str) -> str:
    """Run a command in this machine's own namespaces, outside of those of `make integration`."""
    whole = ("nsenter", "--target", str(os.getppid()), "--mount", "--net", *command)
    return subprocess.run(whole, capture_output=True, text=True, check=False).stdout


def is_private() -> bool:
    own, parent = (pathlib.Path(f"/proc/{process}/ns") for process in ("self", os.getppid()))
    return all((own / kind).readlink() != (parent / kind).readlink() for kind in ("mnt", "net"))


def machine_state() -> list[str]:
    """The state of this machine, which must be the same after the tests."""
    listing = outside("find", "/etc/ufw", "/etc/default/ufw", "/usr/sbin/ufw", "/usr/lib/ufw", "/run/ufw.lock", "-ls")
    return [listing, *(outside(program, "-w", "-S") for program in ("iptables", "ip6tables"))]


class UfwHost:
    def __init__(self, suite: str, folder: pathlib.Path) -> None:
        self.suite = suite
        self.mounted: list[str] = []
        package = artefacts.ufw(suite)
        self.mount("-t", "tmpfs", "tmpfs", str(folder))
        for name in ("etc", "usr"):
            upper, work = folder / f"{name}-upper", folder / f"{name}-work"
            upper.mkdir()
            work.mkdir()
            self.mount(
                "-t", "overlay", "-o", f"lowerdir={package / name}:/{name},upperdir={upper},workdir={work}", "o", f"/{name}"
            )
        self.mount("-t", "tmpfs", "tmpfs", "/run")  # for the locks of ufw and iptables
        # As the postinst script of ufw's package does.
        for file in pathlib.Path("/usr/share/ufw/iptables").glob("*.rules"):
            shutil.copyfile(file, CONFIGURATION[0] / file.name)
            (CONFIGURATION[0] / file.name).chmod(0o640)
        shutil.copyfile("/usr/share/ufw/ufw.conf", CONFIGURATION[0] / "ufw.conf")
        self.pristine = self.files()

    def mount(self, *words: str) -> None:
        sh("mount", *words)
        self.mounted.append(words[-1])

    def leave(self) -> None:
        for path in reversed(self.mounted):
            sh("umount", "--lazy", path)

    def files(self) -> dict[str, tuple[int, bytes]]:
        paths = [CONFIGURATION[1], *(path for path in CONFIGURATION[0].rglob("*") if path.is_file())]
        return {str(path): (path.stat().st_mode & 0o7777, path.read_bytes()) for path in paths}

    def reset(self) -> None:
        """Reset ufw to a new installation: inactive, without rules."""
        for program in ("iptables-restore", "ip6tables-restore"):
            sh(program, data=EMPTY)
        for path in self.files().keys() - self.pristine.keys():
            pathlib.Path(path).unlink()
        for path, (mode, content) in self.pristine.items():
            pathlib.Path(path).write_bytes(content)
            pathlib.Path(path).chmod(mode)

    def ufw(self, *words: str) -> str:
        return sh("ufw", *words)

    def rules(self) -> list[str]:
        return [line.removeprefix("ufw ") for line in self.ufw("show", "added").splitlines() if line.startswith("ufw ")]

    def active(self) -> bool:
        return "Status: active" in self.ufw("status")

    def kernel(self) -> dict[str, list[str]]:
        return {program: sh(program, "-w", "-S").splitlines() for program in ("iptables", "ip6tables")}

    def everything(self) -> t.Any:
        return self.files(), self.kernel()
