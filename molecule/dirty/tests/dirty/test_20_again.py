# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second run, from another controller and with a mounted disk: hosts that already match are reached and not changed."""

from __future__ import annotations

import re
import typing as t

import pytest
from dirty_fixtures import DONE, PHOTOS, WATCHED, site
from testinfra.host import Host

LISTENING = "ss -H -ltnu | awk '{print $1, $5}' | sort"
UNCHECKED = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"


def test_second_run_from_another_controller_changes_nothing(again: t.Any) -> None:
    assert again.outcome.run.code == 0, again.outcome.run.output
    assert again.outcome.report[0].startswith(f"{len(DONE)} of {len(DONE)} hosts are complete"), again.outcome.report
    assert set(again.outcome.changed) <= {"disks"}, again.outcome.changed


def test_second_run_does_not_name_the_lost_service_again(again: t.Any) -> None:
    assert not re.search(r"\b445\b", again.outcome.text)


@pytest.mark.parametrize("name", sorted(set(DONE) & set(WATCHED)))
def test_logins_succeed_throughout_the_second_run(again: t.Any, name: str) -> None:
    assert again.logins[name]["failures"] == []
    assert again.logins[name]["logins"] > 5


def test_disk_with_an_older_copy_deletes_no_files_of_its_peers(
    again: t.Any, lab_hosts: dict[str, Host], eventually: t.Any
) -> None:
    def files(name: str, folder: str) -> list[str]:
        return sorted(lab_hosts[name].run(f"cd {folder} && ls").stdout.split())

    assert eventually(lambda: files("disks", "/media/usb/photos") == sorted(PHOTOS), 60)
    assert files("neighbour", "/srv/sync/photos") == sorted(PHOTOS)
    assert lab_hosts["disks"].check_output("findmnt -n -o TARGET --target /media/usb/photos") == "/media/usb"


def test_tag_and_limit_on_a_locked_down_mesh_change_nothing(again: t.Any, lab_hosts: dict[str, Host]) -> None:
    """One tag and one limit; tests/slow has all of them."""
    ports = lab_hosts["owner"].check_output(LISTENING)
    outcome = site("--tags", "syncthing_mesh", "--limit", "owner")
    assert (outcome.run.code, outcome.changed) == (0, {}), outcome.run.output
    assert lab_hosts["owner"].check_output(LISTENING) == ports


def test_name_that_resolves_to_another_machine_is_not_used(again: t.Any, lab_hosts: dict[str, Host]) -> None:
    """Also where SSH does not check host keys."""
    wrong, laptop = lab_hosts["owner"], lab_hosts["laptop"]
    sudo = "journalctl --no-pager -t sudo | grep -c COMMAND= || true"
    before = wrong.check_output(sudo)
    laptop.check_output(f"echo '{wrong.check_output('tailscale ip -4')} neighbour' >>/etc/hosts")
    try:
        outcome = site("--tags", "tailscale", "--limit", "neighbour", variables={"lab_host_keys": UNCHECKED})
    finally:
        laptop.check_output("grep -v ' neighbour$' /etc/hosts >/run/hosts; cat /run/hosts >/etc/hosts")
    assert wrong.check_output(sudo) == before, outcome.run.output
    assert not outcome.changed
    assert outcome.run.code == 0, "another address leads to the right host"


def test_refused_member_is_kept_by_its_peers(again: t.Any, lab_hosts: dict[str, Host]) -> None:
    """One that has lost a half of its identity."""
    owner, home = lab_hosts["owner"], "/var/lib/syncthing"
    key, config = f"{home}/key.pem", f"{home}/config.xml"
    before = lab_hosts["neighbour"].check_output(f"cat {config}")
    owner.check_output(f"mv {key} {key}.away")
    try:
        outcome = site("--tags", "syncthing", "--limit", "owner,neighbour")
    finally:
        owner.check_output(f"mv {key}.away {key}")
    assert list(outcome.failed) == ["owner"], outcome.run.output
    assert "key.pem" in outcome.failed["owner"]
    assert not outcome.changed
    assert lab_hosts["neighbour"].check_output(f"cat {config}") == before


def test_strategy_free_is_refused_or_changes_nothing(again: t.Any) -> None:
    outcome = site("--check", "--tags", "tailscale", "--limit", "owner", ANSIBLE_STRATEGY="free")
    assert not outcome.changed
    assert outcome.run.code == 0 or "strategy" in outcome.text, outcome.run.output
