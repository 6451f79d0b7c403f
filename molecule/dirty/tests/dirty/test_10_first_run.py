# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run over all situations: refused with what to do, and untouched; or done right. And nobody is locked out meanwhile."""

from __future__ import annotations

import re
import typing as t

import pytest
from dirty_fixtures import DONE, PHOTOS, differences, put, snapshot
from lab_fixtures import HOSTS
from testinfra.host import Host

SERVICE = r"(445\D.{0,120}smbd|smbd.{0,120}\b445\b)"
# What the message about a refused host must name: what was found, and what to do.
REFUSED = {
    "second": (r"tailscale0|tailscaled", r"tailscale_package_source"),
    "cloud": (r"-A INPUT .*(ACCEPT|REJECT)", r"INPUT"),
}


def test_a_check_names_the_service_that_the_lan_will_lose(checked: t.Any, before: t.Any) -> None:
    assert checked.run.code == 0, checked.run.output
    assert re.search(SERVICE, checked.text), checked.run.output
    lines = r"firewall_(extra_rules|public_ports)"
    line = re.search(rf"{lines}.{{0,300}}\b445\b|\b445\b.{{0,400}}{lines}", checked.text)
    assert line, "the line of inventory that would keep it open"


def test_the_first_run_names_it_too_before_the_firewall_changes(first: t.Any) -> None:
    found = re.search(SERVICE, first.outcome.text)
    assert found, first.outcome.run.output
    assert found.start() < first.outcome.text.index("Put the new rules in force")


@pytest.mark.parametrize("name", REFUSED)
def test_a_host_that_would_be_harmed_is_refused(first: t.Any, name: str) -> None:
    reason = first.outcome.failed.get(name, "")
    for pattern in REFUSED[name]:
        assert re.search(pattern, reason), reason or first.outcome.run.output


@pytest.mark.parametrize("name", REFUSED)
def test_and_is_as_it_was(first: t.Any, before: t.Any, name: str) -> None:
    """File by file and rule by rule."""
    assert differences(before[name], snapshot(name)) == []


def test_a_taken_name_stops_the_host_before_its_firewall_closes(
    first: t.Any, lab_hosts: dict[str, Host], door: t.Any, addresses: t.Any
) -> None:
    reason = first.outcome.failed.get("taken", "")
    assert "taken-1" in reason, reason
    assert "tailscale_hostname" in reason
    assert door(addresses(lab_hosts["taken"], "4"), 22)


def test_the_others_are_done_right(first: t.Any) -> None:
    for name in DONE:
        assert name not in first.outcome.failed, first.outcome.failed[name]
    refused = set(HOSTS) - set(DONE)
    assert set(first.outcome.failed) == refused
    findings = [line for line in first.outcome.findings if not line.startswith("(")]
    assert {line.split()[0] for line in findings} == refused, findings


@pytest.mark.parametrize("name", HOSTS)
def test_a_login_succeeds_at_every_moment(first: t.Any, name: str) -> None:
    story = first.logins[name]
    assert story["failures"] == []
    assert story["logins"] > 5
    assert story["apart"] < 2, "seconds from the end of one login to the beginning of the next"


def test_an_account_that_exists_is_not_changed(first: t.Any, before: t.Any, lab_hosts: dict[str, Host]) -> None:
    assert "owner" not in first.outcome.failed
    after = snapshot("owner")
    for path in ("/home/admin", "/home/admin/documents/letter.txt", "/home/admin/.ssh/authorized_keys"):
        assert after["files"][path] == before["owner"]["files"][path], path
    assert lab_hosts["owner"].check_output("getent passwd admin").endswith(":/home/admin:/bin/bash")
    assert lab_hosts["owner"].check_output("id -nG admin") == "admin"


def test_its_files_are_synced(first: t.Any, lab_hosts: dict[str, Host], eventually: t.Any) -> None:
    letter = "/srv/sync/documents/letter.txt"
    assert eventually(lambda: lab_hosts["neighbour"].run(f"cat {letter}").stdout == "a letter\n", 60)


def test_a_folder_whose_disk_is_away_is_left_out(first: t.Any, before: t.Any, lab_hosts: dict[str, Host]) -> None:
    assert "disks" not in first.outcome.failed
    assert re.search(r"photos.{0,200}/media/usb|/media/usb.{0,200}photos", first.outcome.text)
    assert lab_hosts["disks"].check_output("ls -A /media/usb") == ""
    for name, text in PHOTOS.items():  # what its peer has meanwhile
        put("neighbour", f"/srv/sync/photos/{name}", text.encode())
    lab_hosts["neighbour"].check_output("chown syncthing: /srv/sync/photos/*")


def test_declared_doors_are_open_and_others_are_not(
    first: t.Any, lab_hosts: dict[str, Host], door: t.Any, addresses: t.Any
) -> None:
    address = addresses(lab_hosts["control"], "4")
    assert {port: door(address, port) for port in (443, 8090, 22, 22000)} == {443: True, 8090: True, 22: True, 22000: False}
    address = addresses(lab_hosts["neighbour"], "4")
    assert {port: door(address, port) for port in (445, 22, 8080)} == {445: False, 22: False, 8080: False}


def test_neighbours_keep_what_is_theirs(first: t.Any, before: t.Any, lab_hosts: dict[str, Host]) -> None:
    after = snapshot("neighbour")
    for path in (
        "/home/alice",
        "/home/alice/diary.txt",
        "/srv/alice",
        "/srv/alice/photo.jpg",
        "/etc/systemd/system/smbd.service",
    ):
        assert after["files"][path] == before["neighbour"]["files"][path], path
    gone = [rule for rule in before["neighbour"]["rules IPv4"] if rule.startswith("-A") and rule not in after["rules IPv4"]]
    assert gone == []


def test_a_restarted_host_finds_its_control_server_which_is_a_managed_host(
    first: t.Any, lab_hosts: dict[str, Host], lab: t.Any, eventually: t.Any
) -> None:
    address = lab_hosts["owner"].check_output("tailscale ip -4")
    lab("reboot", "owner")
    assert eventually(
        lambda: lab_hosts["owner"].run('tailscale status --json | grep -q \'"BackendState": "Running"\'').succeeded, 60
    )
    assert eventually(lambda: lab_hosts["laptop"].run(f"nc -z -w 3 {address} 22").succeeded, 30)
