# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ssh and other people's playbooks on hosts that allow only the tailnet in, with nothing but the user's own ~/.ssh.

ssh looks for that in the account's home, whatever $HOME is, so it is replaced in a mount namespace.
"""

from __future__ import annotations

import os
import pathlib
import pwd
import shlex
import subprocess
import sys
import typing as t

import pytest
from lab_fixtures import CHECKOUT, LAB
from testinfra.host import Host

NAMES = ("nas", "pi", "vps")
HOME = pathlib.Path(pwd.getpwuid(os.getuid()).pw_dir)
PLAYBOOK = """
- hosts: tailsync
  gather_facts: false
  tasks:
    - ansible.builtin.command: hostname
      changed_when: false
"""


class Controller(t.NamedTuple):
    directory: pathlib.Path  # its ~/.ssh
    work: pathlib.Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command with this ~/.ssh, and without a connection that is still open."""
        script = f"mount --bind {shlex.quote(str(self.directory))} {HOME}/.ssh && exec {shlex.join(command)}"
        environment = {
            **os.environ,
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=no",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",
        }
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", script],
            cwd=CHECKOUT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def ansible(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(program, "--inventory", str(self.work / "hosts.yml"), *arguments)

    @property
    def fragment(self) -> str:
        file = self.directory / "tailsync.conf"
        return file.read_text(encoding="ascii") if file.exists() else ""


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory, lab_hosts: dict[str, Host], addresses: t.Any) -> Controller:
    """A user who manages the hosts with a plain inventory; the ProxyCommand only leads into the lab."""
    (HOME / ".ssh").mkdir(mode=0o700, exist_ok=True)
    work = tmp_path_factory.mktemp("controller")
    found = Controller(work / "ssh", work)
    found.directory.mkdir(mode=0o700)
    state = pathlib.Path(os.environ["TAILSYNC_CACHE"]) / "labs" / os.environ.get("TAILSYNC_LAB", "lab")
    proxy = shlex.join([sys.executable, str(CHECKOUT / "tests" / "lab" / "lab.py"), "proxy"])
    config = found.directory / "config"
    config.write_text(
        f"Host *\n  User admin\n  IdentityFile {state}/id_ed25519\n  StrictHostKeyChecking yes\n  ProxyCommand {proxy} %h %p\n",
        encoding="ascii",
    )
    config.chmod(0o600)
    known = found.directory / "known_hosts"
    known.write_bytes((state / "known_hosts").read_bytes())
    tailscale = shlex.join([*LAB, "exec", "laptop", "--", "tailscale"])
    hosts = "".join(f"    {name}:\n      ansible_host: {addresses(lab_hosts[name], '4')}\n" for name in NAMES)
    variables = f"  vars:\n    tailsync_tailscale_command: {shlex.split(tailscale)}\n"
    (work / "hosts.yml").write_text(f"tailsync:\n  hosts:\n{hosts}{variables}", encoding="ascii")
    (work / "users.yml").write_text(PLAYBOOK, encoding="ascii")
    return found


def assert_reached(controller: Controller, lab_hosts: dict[str, Host]) -> None:
    ping = controller.ansible("ansible", "all", "-m", "ansible.builtin.ping")
    assert ping.returncode == 0, ping.stdout + ping.stderr
    play = controller.ansible("ansible-playbook", str(controller.work / "users.yml"))
    assert play.returncode == 0, play.stdout + play.stderr
    for name in NAMES:
        done = controller.run("ssh", "-o", "BatchMode=yes", name, "hostname; echo $SSH_CONNECTION")
        assert done.stdout.split()[0] == name, done.stderr
        assert done.stdout.split()[3] == lab_hosts[name].check_output("tailscale ip -4")


def test_closed_hosts_are_lost_to_other_playbooks_without_the_file(controller: Controller) -> None:
    lost = controller.ansible("ansible", "nas", "--timeout", "3", "-m", "ansible.builtin.ping")
    assert lost.returncode != 0


def test_run_makes_hosts_reachable_for_ssh_and_any_playbook(controller: Controller, lab_hosts: dict[str, Host]) -> None:
    config = (controller.directory / "config").read_text(encoding="ascii")
    run = controller.ansible("ansible-playbook", "site.yml", "--tags", "firewall")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "From now on ssh and any playbook reach nas over the tailnet" in run.stdout
    assert (controller.directory / "config").read_text(encoding="ascii") == f"Include ~/.ssh/tailsync.conf\n{config}"
    assert_reached(controller, lab_hosts)
    known = controller.run("ssh-keygen", "-F", "nas", "-f", str(controller.directory / "known_hosts"))
    assert known.returncode == 0


def test_second_run_writes_nothing(controller: Controller) -> None:
    before = {path.name: path.read_bytes() for path in controller.directory.iterdir()}
    run = controller.ansible("ansible-playbook", "site.yml", "--tags", "firewall")
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("changed=0") == len(NAMES), run.stdout
    assert {path.name: path.read_bytes() for path in controller.directory.iterdir()} == before


@pytest.mark.parametrize("wrong", ["100.64.77.77", "172.31.77.99"])
def test_outdated_entry_does_not_mislead_the_next_run(controller: Controller, lab_hosts: dict[str, Host], wrong: str) -> None:
    """Such as after a host was installed again and has another address."""
    right = lab_hosts["nas"].check_output("tailscale ip -4")
    file = controller.directory / "tailsync.conf"
    file.write_text(controller.fragment.replace(right, wrong), encoding="ascii")
    run = controller.ansible("ansible-playbook", "site.yml", "--tags", "firewall", "--limit", "nas")
    assert run.returncode == 0, run.stdout + run.stderr
    assert right in controller.fragment
    assert wrong not in controller.fragment


def test_hosts_are_still_reachable_after_a_restart(
    controller: Controller, lab: t.Any, lab_hosts: dict[str, Host], eventually: t.Any
) -> None:
    lab("coordinator", "require-key", "")  # the lab's control server asks known nodes for it, too
    for name in NAMES:
        lab("reboot", name)
    for name in NAMES:
        assert eventually(lambda name=name: lab_hosts[name].run("tailscale ip -4").succeeded, 60)
    # The laptop needs a moment to see them again.
    assert eventually(lambda: controller.ansible("ansible", "all", "-m", "ansible.builtin.ping").returncode == 0, 60)
    assert_reached(controller, lab_hosts)
