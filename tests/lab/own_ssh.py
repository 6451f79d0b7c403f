# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user with a ~/.ssh and a plain inventory of their own, whose ssh configuration leads into the lab.

ssh looks for that folder in the account's home, whatever $HOME is, so it is replaced in a mount namespace.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import pwd
import shlex
import subprocess
import sys
import time
import typing as t

import yaml
from lab_fixtures import CHECKOUT, INVENTORY, LAB, Run

HOME = pathlib.Path(pwd.getpwuid(os.getuid()).pw_dir)
STATE = pathlib.Path(os.environ["TAILSYNC_CACHE"]) / "labs" / os.environ.get("TAILSYNC_LAB", "lab")
PROXY = shlex.join([sys.executable, str(CHECKOUT / "tests" / "lab" / "lab.py"), "proxy"])
CONFIG = f"Host *\n  User admin\n  IdentityFile {STATE}/id_ed25519\n  StrictHostKeyChecking yes\n  ProxyCommand {PROXY} %h %p\n"
# What a user may have besides: facts, root, and none of this collection's roles.
PLAYBOOK = """
- name: Look after the machines
  hosts: all
  become: true
  tasks:
    - name: Ask who and where this is
      ansible.builtin.command: id --user --name
      register: who
      changed_when: false
    - name: Require the right machine
      ansible.builtin.assert:
        that: who.stdout == 'root' and ansible_facts.hostname == inventory_hostname
"""


def network() -> dict[str, t.Any]:
    """What the lab's own inventory declares, apart from how to get into the lab."""
    found: dict[str, t.Any] = yaml.safe_load((INVENTORY / "group_vars" / "tailsync" / "main.yml").read_text(encoding="utf-8"))
    return {**found, "tailscale_auth_key": f"{{{{ lookup('ansible.builtin.file', '{STATE}/auth_key') }}}}"}


@dataclasses.dataclass
class Owner:
    """Somebody with an inventory, `hosts.yml`, and playbooks in `work`."""

    work: pathlib.Path
    ssh: pathlib.Path = dataclasses.field(init=False)  # their ~/.ssh

    def __post_init__(self) -> None:
        (HOME / ".ssh").mkdir(mode=0o700, exist_ok=True)
        self.ssh = self.work / "ssh"
        self.ssh.mkdir(mode=0o700)
        self.write_config(CONFIG)
        (self.ssh / "known_hosts").write_bytes((STATE / "known_hosts").read_bytes())
        (self.work / "own.yml").write_text(PLAYBOOK, encoding="ascii")

    def write_config(self, text: str) -> None:
        (self.ssh / "config").write_text(text, encoding="ascii")
        (self.ssh / "config").chmod(0o600)

    def write_inventory(self, addresses: t.Mapping[str, str | None], **variables: t.Any) -> None:
        hosts = {name: {"ansible_host": address} if address else {} for name, address in addresses.items()}
        tailscale = {"tailsync_tailscale_command": [*LAB, "exec", "laptop", "--", "tailscale"]}
        listed = {"tailsync": {"hosts": hosts, "vars": {**network(), **tailscale, **variables}}}
        (self.work / "hosts.yml").write_text(yaml.safe_dump(listed), encoding="ascii")

    def run(self, *command: str) -> Run:
        """Run a command with this ~/.ssh, and without a connection that is still open."""
        script = f"mount --bind {shlex.quote(str(self.ssh))} {HOME}/.ssh && exec {shlex.join(command)}"
        environment = {
            **os.environ,
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=no",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",
        }
        start = time.monotonic()
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script],
            cwd=CHECKOUT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
        return Run(done.returncode, done.stdout, time.monotonic() - start)

    def ansible(self, program: str, *arguments: str) -> Run:
        return self.run(program, "--inventory", str(self.work / "hosts.yml"), *arguments)

    def logs_in(self, name: str, *options: str) -> str:
        """The name and the address of the machine that a plain `ssh NAME` reaches, or ssh's message."""
        done = self.run("ssh", *options, "-o", "BatchMode=yes", name, "set -- $SSH_CONNECTION; echo $(hostname) $3")
        return done.output.strip()

    @property
    def fragment(self) -> str:
        file = self.ssh / "tailsync.conf"
        return file.read_text(encoding="ascii") if file.exists() else ""
