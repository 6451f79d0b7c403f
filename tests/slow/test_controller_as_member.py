# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that runs Ansible is a host of the network: vps has ansible-core, and manages itself and nas."""

from __future__ import annotations

import importlib.metadata
import pathlib
import shlex
import subprocess
import typing as t

import ansible
import pytest
import yaml
from lab_fixtures import CHECKOUT, LAB, Run
from own_ssh import STATE, Owner, network
from testinfra.host import Host

PLACE = "/opt/controller"
COLLECTION = f"{PLACE}/collections/ansible_collections/homelab/tailsync"
LIBRARIES = ("ansible", "jinja2", "markupsafe", "packaging", "resolvelib", "yaml")
LOCAL = {"ansible_connection": "local"}
ITSELF = {"ansible_host": "127.0.0.1"}
FOLDERS = {"shared": {"path": "/srv/sync/shared", "devices": ["nas", "vps"], "fs_watcher_delay": 1}}


def copy(folder: pathlib.Path, names: t.Iterable[str], target: str) -> None:
    """Copy files to vps as they are, without compiled ones, which would be for another Python."""
    pack = ["tar", "--create", "--exclude=__pycache__", "--exclude=*.so", "--directory", str(folder), *names]
    unpack = f"mkdir -p {target} && tar --extract --no-same-owner --directory {target}"
    with subprocess.Popen(pack, stdout=subprocess.PIPE) as packed:
        subprocess.run([*LAB, "exec", "vps", "--", "sh", "-c", unpack], stdin=packed.stdout, check=True, timeout=120)


class Member:
    """The administrator's account on vps."""

    def __init__(self, owner: Owner, hosts: dict[str, Host], addresses: t.Any) -> None:
        self._owner, self._hosts, self._addresses = owner, hosts, addresses

    def write_inventory(self, own: dict[str, t.Any], **variables: t.Any) -> None:
        hosts = {"vps": own, "nas": {"ansible_host": self._addresses(self._hosts["nas"], "4")}}
        more = {"tailscale_auth_key": "{{ lookup('ansible.builtin.file', '/home/admin/auth_key') }}"}
        mesh = {"syncthing_mesh_folders": FOLDERS, "syncthing_mesh_external_devices": {}}
        text = yaml.safe_dump({"tailsync": {"hosts": hosts, "vars": {**network(), **more, **mesh, **variables}}})
        self._write("/home/admin/hosts.yml", text)

    def _write(self, path: str, text: str) -> None:
        script = f"umask 077; cat >{path}; chown admin: {path}"
        subprocess.run([*LAB, "exec", "vps", "--", "sh", "-c", script], input=text, text=True, check=True, timeout=60)

    def prepare(self) -> None:
        site = pathlib.Path(ansible.__file__).parents[1]
        versions = [
            f"{name.replace('-', '_')}-{importlib.metadata.version(name)}.dist-info" for name in ("ansible-core", "jinja2")
        ]
        copy(site, [*LIBRARIES, *versions], f"{PLACE}/python")
        copy(CHECKOUT, ["plugins", "roles", "playbooks", "meta", "galaxy.yml"], COLLECTION)
        vps = self._hosts["vps"]
        vps.check_output("install -d -m 700 -o admin -g admin /home/admin/.ssh")
        known = (STATE / "known_hosts").read_text(encoding="ascii")
        mine = [line.partition(" ")[2] for line in known.splitlines() if line.startswith(self._addresses(vps, "4"))]
        self._write("/home/admin/.ssh/known_hosts", known + "".join(f"127.0.0.1 {key}\n" for key in mine))
        self._write("/home/admin/.ssh/id_ed25519", (STATE / "id_ed25519").read_text(encoding="ascii"))
        self._write("/home/admin/auth_key", (STATE / "auth_key").read_text(encoding="ascii"))

    def command(self, *arguments: str) -> str:
        environment = (
            f"env PYTHONPATH={PLACE}/python ANSIBLE_COLLECTIONS_PATH={PLACE}/collections LC_ALL=C.UTF-8 ANSIBLE_NOCOLOR=1"
        )
        playbook = f"python3 -m ansible playbook -i hosts.yml {COLLECTION}/playbooks/site.yml"
        return f"cd /home/admin && {environment} {playbook} {shlex.join(arguments)} 2>&1"

    def at_its_keyboard(self, *arguments: str) -> Run:
        done = self._hosts["vps"].run(f"su admin -c {shlex.quote(self.command(*arguments))}")
        return Run(done.rc, done.stdout, 0)

    def by_ssh(self, address: str, *arguments: str) -> Run:
        return self._owner.run("ssh", "-o", "BatchMode=yes", "-o", f"HostName={address}", "vps", self.command(*arguments))


@pytest.fixture(scope="module")
def member(
    bare: None, tmp_path_factory: pytest.TempPathFactory, lab: t.Any, lab_hosts: dict[str, Host], addresses: t.Any
) -> Member:
    owner = Owner(tmp_path_factory.mktemp("owner"))
    owner.write_config(
        f"Host *\n  HostKeyAlias {addresses(lab_hosts['vps'], '4')}\n" + (owner.ssh / "config").read_text(encoding="ascii")
    )
    found = Member(owner, lab_hosts, addresses)
    found.prepare()
    return found


@pytest.mark.parametrize("own", [LOCAL, ITSELF], ids=["local", "ssh"])
def test_administrator_who_would_be_locked_out_is_refused_before_the_change(
    member: Member, lab_hosts: dict[str, Host], addresses: t.Any, own: dict[str, t.Any]
) -> None:
    member.write_inventory(own)
    run = member.by_ssh(addresses(lab_hosts["vps"], "4"), "--limit", "vps")
    assert run.code != 0
    said = " ".join(run.output.split())
    assert "could not log in again" in said, run.output
    assert f"add a network with {addresses(lab_hosts['laptop'], '4')} to firewall_lan_ssh_from" in said, run.output
    assert run.changed == {"vps": 0}, run.output
    assert not lab_hosts["vps"].package("tailscale").is_installed


def test_machine_that_runs_ansible_is_set_up_and_locked(
    member: Member, lab_hosts: dict[str, Host], addresses: t.Any, port_is_open: t.Any
) -> None:
    member.write_inventory(LOCAL)
    first = member.at_its_keyboard()
    assert first.code == 0, first.output
    assert not port_is_open(addresses(lab_hosts["vps"], "4"), 22)
    again = member.at_its_keyboard()
    assert (again.code, again.changed) == (0, {"nas": 0, "vps": 0}), again.output
    assert lab_hosts["vps"].run("su admin -c 'ssh -o BatchMode=yes nas true'").succeeded


def test_later_runs_may_come_over_the_tailnet_and_by_ssh_to_itself(member: Member, lab_hosts: dict[str, Host]) -> None:
    tailnet = lab_hosts["vps"].check_output("tailscale ip -4")
    for own in (LOCAL, ITSELF):
        member.write_inventory(own)
        run = member.by_ssh(tailnet)
        assert (run.code, run.changed) == (0, {"nas": 0, "vps": 0}), run.output


def test_network_of_the_administrator_is_let_in_by_a_local_run(
    member: Member, lab_hosts: dict[str, Host], addresses: t.Any, port_is_open: t.Any
) -> None:
    member.write_inventory(LOCAL, firewall_lan_ssh_from=["172.31.77.0/24"])
    run = member.at_its_keyboard("--limit", "vps", "--tags", "firewall")
    assert run.code == 0, run.output
    assert port_is_open(addresses(lab_hosts["vps"], "4"), 22)
    again = member.by_ssh(addresses(lab_hosts["vps"], "4"), "--limit", "vps", "--tags", "firewall")
    assert (again.code, again.changed) == (0, {"vps": 0}), again.output
