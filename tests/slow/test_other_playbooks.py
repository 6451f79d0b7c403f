# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From bare hosts with nothing but a user's own ~/.ssh: what the user did before the first run still works after it."""

from __future__ import annotations

import concurrent.futures
import time
import typing as t

import pytest
from own_ssh import Owner
from testinfra.host import Host

NAMES = ("nas", "pi", "vps")


@pytest.fixture(scope="module")
def owner(bare: None, tmp_path_factory: pytest.TempPathFactory, lab_hosts: dict[str, Host], addresses: t.Any) -> Owner:
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


def test_first_run_leaves_ssh_and_any_playbook_working(owner: Owner, lab_hosts: dict[str, Host]) -> None:
    before = (owner.ssh / "config").read_text(encoding="ascii")
    checked = owner.ansible("ansible-playbook", "site.yml", "--check")
    assert checked.code == 0, checked.output
    assert (owner.fragment, (owner.ssh / "config").read_text(encoding="ascii")) == ("", before)
    run = owner.ansible("ansible-playbook", "site.yml")
    assert run.code == 0, run.output
    assert (owner.ssh / "config").read_text(encoding="ascii") == f"Include ~/.ssh/tailsync.conf\n{before}"
    assert_all_works(owner, lab_hosts)
    again = owner.ansible("ansible-playbook", "site.yml")
    assert (again.code, again.changed) == (0, dict.fromkeys(NAMES, 0)), again.output


def test_hosts_are_still_reached_after_a_restart_of_all(
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
