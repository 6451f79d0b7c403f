# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another controller, MagicDNS or not, a disk that came back, tags: what is as declared stays as it is, and is reached."""

from __future__ import annotations

import re
import typing as t

import pytest
from dirty_fixtures import DONE, PHOTOS, site
from testinfra.host import Host

LISTENING = "ss -H -ltnu | awk '{print $1, $5}' | sort"
UNCHECKED = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"


def test_another_controller_finds_everything_as_declared(again: t.Any) -> None:
    assert again.outcome.run.code == 0, again.outcome.run.output
    assert set(again.outcome.changed) <= {"disks"}, again.outcome.changed


def test_it_is_silent_about_what_the_first_run_named(again: t.Any) -> None:
    assert not re.search(r"\b445\b", again.outcome.text)


@pytest.mark.parametrize("name", DONE)
def test_and_nobody_is_locked_out(again: t.Any, name: str) -> None:
    assert again.logins[name]["failures"] == []
    assert again.logins[name]["logins"] > 5


def test_a_disk_with_an_older_copy_takes_nothing_from_its_peers(
    again: t.Any, lab_hosts: dict[str, Host], eventually: t.Any
) -> None:
    def files(name: str, folder: str) -> list[str]:
        return sorted(lab_hosts[name].run(f"cd {folder} && ls").stdout.split())

    assert eventually(lambda: files("disks", "/media/usb/photos") == sorted(PHOTOS), 60)
    assert files("neighbour", "/srv/sync/photos") == sorted(PHOTOS)
    assert lab_hosts["disks"].check_output("findmnt -n -o TARGET --target /media/usb/photos") == "/media/usb"


def test_a_tag_and_a_limit_on_a_locked_mesh_change_nothing(again: t.Any, lab_hosts: dict[str, Host]) -> None:
    """One of them; tests/slow has all."""
    ports = lab_hosts["owner"].check_output(LISTENING)
    outcome = site("--tags", "syncthing_mesh", "--limit", "owner")
    assert (outcome.run.code, outcome.changed) == (0, {}), outcome.run.output
    assert lab_hosts["owner"].check_output(LISTENING) == ports


def test_a_name_that_leads_to_another_machine_is_not_followed(again: t.Any, lab_hosts: dict[str, Host]) -> None:
    """Also where nobody looks at host keys."""
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
    assert outcome.run.code == 0, "there is another way to the right one"


def test_strategy_free_is_refused_or_right(again: t.Any) -> None:
    outcome = site("--check", "--tags", "tailscale", "--limit", "owner", ANSIBLE_STRATEGY="free")
    assert not outcome.changed
    assert outcome.run.code == 0 or "strategy" in outcome.text, outcome.run.output
