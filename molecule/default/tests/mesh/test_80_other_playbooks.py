# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ssh and other people's playbooks on hosts that allow only the tailnet in, with nothing but the user's own ~/.ssh."""

from __future__ import annotations

import concurrent.futures
import time
import typing as t

import pytest
from own_ssh import CONFIG, Owner
from testinfra.host import Host

NAMES = ("nas", "pi", "vps")


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory, lab_hosts: dict[str, Host], addresses: t.Any) -> Owner:
    found = Owner(tmp_path_factory.mktemp("owner"))
    found.write_inventory({name: addresses(lab_hosts[name], "4") for name in NAMES})
    return found


def assert_all_works(owner: Owner, lab_hosts: dict[str, Host]) -> None:
    ping = owner.ansible("ansible", "all", "-m", "ansible.builtin.ping")
    assert ping.code == 0, ping.output
    play = owner.ansible("ansible-playbook", str(owner.work / "own.yml"))
    assert play.code == 0, play.output
    for name in NAMES:
        assert owner.logs_in(name) == f"{name} {lab_hosts[name].check_output('tailscale ip -4')}"


def test_closed_hosts_are_lost_to_other_playbooks_without_the_file(owner: Owner) -> None:
    lost = owner.ansible("ansible", "nas", "--timeout", "3", "-m", "ansible.builtin.ping")
    assert lost.code != 0


def test_run_makes_hosts_reachable_for_ssh_and_any_playbook(owner: Owner, lab_hosts: dict[str, Host]) -> None:
    run = owner.ansible("ansible-playbook", "site.yml", "--tags", "firewall")
    assert run.code == 0, run.output
    assert "From now on ssh and any playbook reach nas over the tailnet" in run.output
    assert (owner.ssh / "config").read_text(encoding="ascii") == f"Include ~/.ssh/tailsync.conf\n{CONFIG}"
    assert_all_works(owner, lab_hosts)
    known = owner.run("ssh-keygen", "-F", "nas", "-f", str(owner.ssh / "known_hosts"))
    assert known.code == 0


def test_second_run_writes_nothing(owner: Owner) -> None:
    before = {path.name: path.read_bytes() for path in owner.ssh.iterdir()}
    run = owner.ansible("ansible-playbook", "site.yml", "--tags", "firewall")
    assert (run.code, run.changed) == (0, dict.fromkeys(NAMES, 0)), run.output
    assert {path.name: path.read_bytes() for path in owner.ssh.iterdir()} == before


@pytest.mark.parametrize("wrong", ["100.64.77.77", "172.31.77.99"])
def test_outdated_entry_does_not_mislead_the_next_run(owner: Owner, lab_hosts: dict[str, Host], wrong: str) -> None:
    """Such as after a host was installed again and has another address."""
    right = lab_hosts["nas"].check_output("tailscale ip -4")
    (owner.ssh / "tailsync.conf").write_text(owner.fragment.replace(right, wrong), encoding="ascii")
    run = owner.ansible("ansible-playbook", "site.yml", "--tags", "firewall", "--limit", "nas")
    assert run.code == 0, run.output
    assert right in owner.fragment
    assert wrong not in owner.fragment


def test_hosts_are_still_reachable_after_a_restart(
    owner: Owner, lab: t.Any, lab_hosts: dict[str, Host], eventually: t.Any, capsys: pytest.CaptureFixture[str]
) -> None:
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: lab("reboot", name), NAMES))
    # The laptop needs a moment to see them again.
    assert eventually(lambda: owner.ansible("ansible", "all", "-m", "ansible.builtin.ping").code == 0, 60)
    with capsys.disabled():
        print(f"\nthree hosts are restarted and reached after {time.monotonic() - start:.0f} s")
    assert_all_works(owner, lab_hosts)
