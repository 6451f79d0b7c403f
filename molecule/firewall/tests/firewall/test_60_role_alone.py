# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role by itself, as its README shows it, with a user's own ~/.ssh: twice, with another port of SSH, and back."""

from __future__ import annotations

import time
import typing as t

import pytest
from own_ssh import CONFIG, Owner
from testinfra.host import Host

LAN = "172.31.77.0/24"
# The inventory has no address of its own for the host, as with many users: their ssh configuration has it.
OWN_BLOCK = "Host nas\n  HostName {address}\n"
PLAYBOOK = """
- hosts: nas
  roles:
    - role: homelab.tailsync.firewall
"""
NO_MESH: dict[str, t.Any] = {"syncthing_mesh_folders": {}, "syncthing_mesh_external_devices": {}}
OTHER_PORT = "/etc/ssh/sshd_config.d/port.conf"


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory, lab_hosts: dict[str, Host], addresses: t.Any) -> Owner:
    found = Owner(tmp_path_factory.mktemp("owner"))
    found.write_config(OWN_BLOCK.format(address=addresses(lab_hosts["nas"], "4")) + CONFIG)
    found.write_inventory({"nas": None}, **NO_MESH, firewall_lan_ssh_from=["192.168.1.0/24"])
    (found.work / "alone.yml").write_text(PLAYBOOK, encoding="ascii")
    return found


@pytest.fixture
def other_port(lab_hosts: dict[str, Host], owner: Owner, addresses: t.Any) -> t.Iterator[str]:
    """The host's sshd listens at 2222 only, and the user has logged in there once."""
    address, known = addresses(lab_hosts["nas"], "4"), owner.ssh / "known_hosts"
    keys = [line.partition(" ")[2] for line in known.read_text(encoding="ascii").splitlines() if line.startswith(f"{address} ")]
    with known.open("a", encoding="ascii") as file:
        file.writelines(f"[{address}]:2222 {key}\n" for key in keys)
    lab_hosts["nas"].check_output(f"echo Port 2222 >{OTHER_PORT} && systemctl restart ssh")
    yield address
    lab_hosts["nas"].check_output(f"rm {OTHER_PORT} && systemctl restart ssh")


def alone(owner: Owner, *arguments: str) -> t.Any:
    return owner.ansible("ansible-playbook", str(owner.work / "alone.yml"), *arguments)


def ssh_rules(host: Host) -> list[str]:
    return [line.split()[0] for line in host.check_output("ufw status").splitlines() if LAN in line]


def test_role_alone_works_again_when_only_the_tailnet_is_let_in(
    owner: Owner, firewall: t.Any, lab_hosts: dict[str, Host], capsys: pytest.CaptureFixture[str]
) -> None:
    start = time.monotonic()
    lan, tailnet = owner.logs_in("nas"), f"nas {lab_hosts['nas'].check_output('tailscale ip -4')}"
    assert lan == f"nas {firewall.addresses(lab_hosts['nas'], '4')}"
    first = alone(owner)
    assert first.code == 0, first.output
    assert first.changed["nas"] > 0
    assert not firewall.lan_reaches_ssh("nas")
    assert owner.logs_in("nas") == tailnet
    again = alone(owner)
    assert (again.code, again.changed) == (0, {"nas": 0}), again.output
    # Also a change that needs another proof.
    changed = alone(owner, "--extra-vars", "firewall_public_ports=443/tcp")
    assert changed.code == 0, changed.output
    assert owner.logs_in("nas") == tailnet
    with capsys.disabled():
        print(f"\nthe role alone, three times: {time.monotonic() - start:.0f} s")


@pytest.mark.parametrize("given", ["ssh_config", "ansible_port"])
def test_lan_may_use_ssh_at_the_port_that_the_user_has_set(
    owner: Owner, firewall: t.Any, lab_hosts: dict[str, Host], other_port: str, given: str, port_is_open: t.Any
) -> None:
    config = owner.ssh / "config"
    text = config.read_text(encoding="ascii")
    port = {"ansible_port": 2222} if given == "ansible_port" else {}
    if given == "ssh_config":
        owner.write_config(text.replace(f"HostName {other_port}\n", f"HostName {other_port}\n  Port 2222\n"))
    try:
        owner.write_inventory({"nas": None}, **NO_MESH, firewall_lan_ssh_from=[LAN], **port)
        run = owner.ansible("ansible-playbook", "site.yml", "--tags", "firewall")
        assert run.code == 0, run.output
        assert "[WARNING] firewall_lan_ssh_from" not in run.output
        assert ssh_rules(lab_hosts["nas"]) == ["2222/tcp"]
        assert port_is_open(other_port, 2222)
        by_itself = alone(owner)
        assert by_itself.code == 0, by_itself.output
        assert ("firewall_lan_ssh_from opens port 22, but nothing listens there" in by_itself.output) is (given == "ssh_config")
        again = owner.ansible("ansible-playbook", "site.yml", "--tags", "firewall")
        assert again.code == 0, again.output
        assert ssh_rules(lab_hosts["nas"]) == ["2222/tcp"]
        fixed = alone(owner, "--extra-vars", "firewall_ssh_port=2222")
        assert (fixed.code, fixed.changed) == (0, {"nas": 0}), fixed.output
        assert "[WARNING] firewall_lan_ssh_from" not in fixed.output
    finally:
        owner.write_config(text)


def test_leaving_brings_ssh_back_to_the_lan(owner: Owner, firewall: t.Any, lab_hosts: dict[str, Host]) -> None:
    owner.write_inventory({"nas": None}, **NO_MESH)
    assert "Host nas" in owner.fragment
    run = owner.ansible("ansible-playbook", "playbooks/leave.yml")
    assert run.code == 0, run.output
    assert "Host " not in owner.fragment.replace(" Host blocks", "")
    assert firewall.lan_reaches_ssh("nas")
    assert owner.logs_in("nas") == f"nas {firewall.addresses(lab_hosts['nas'], '4')}"
    again = owner.ansible("ansible-playbook", "playbooks/leave.yml")
    assert (again.code, again.changed) == (0, {"nas": 0}), again.output
