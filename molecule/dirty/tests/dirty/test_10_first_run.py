# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run over all situations: a host is configured, or refused untouched with a fix. Logins work at every moment."""

from __future__ import annotations

import re
import typing as t

import pytest
from dirty_fixtures import AWAY, DONE, PHOTOS, WATCHED, differences, put, snapshot
from lab_fixtures import HOSTS
from past.b import ALIVE
from testinfra.host import Host

SERVICE = r"(445\D.{0,120}smbd|smbd.{0,120}\b445\b)"
# What the message about a refused host must name: what was found, and the fix.
REFUSED = {
    "second": (r"tailscale0|tailscaled", r"tailscale_package_source"),
    "cloud": (r"-A INPUT .*(ACCEPT|REJECT)", r"INPUT"),
    "busy": (
        r"syncthing@admin\.service .*/home/admin/\S+\).* listens at \*:22000",
        r"systemctl disable --now|syncthing_mesh_port",
    ),
    "notun": (r"cannot open /dev/net/tun", r"Device Passthrough.*tailscale_userspace_networking"),
    "ancient": (
        r"old1\.list.*old2\.list",
        r"Syncthing 1\.18\.0\S* is installed, and is too old",
        r"syncthing_package_source: vendor",
    ),
}


def test_check_mode_names_the_service_that_the_lan_will_lose(checked: t.Any, before: t.Any) -> None:
    assert checked.run.code == 0, checked.run.output
    assert re.search(SERVICE, checked.text), checked.run.output
    lines = r"firewall_(extra_rules|public_ports)"
    line = re.search(rf"{lines}.{{0,300}}\b445\b|\b445\b.{{0,400}}{lines}", checked.text)
    assert line, "the line of the inventory that would keep it open is missing"


def test_first_run_names_the_lost_service_before_the_firewall_changes(first: t.Any) -> None:
    found = re.search(SERVICE, first.outcome.text)
    assert found, first.outcome.run.output
    assert found.start() < first.outcome.text.index("Put the new rules in force")


@pytest.mark.parametrize("name", REFUSED)
def test_host_that_would_be_harmed_is_refused(first: t.Any, name: str) -> None:
    reason = first.outcome.failed.get(name, "")
    for pattern in REFUSED[name]:
        assert re.search(pattern, reason), reason or first.outcome.run.output


@pytest.mark.parametrize("name", REFUSED)
def test_refused_host_is_unchanged(first: t.Any, before: t.Any, name: str) -> None:
    """Compared file by file and rule by rule."""
    changed = differences(before[name], snapshot(name))
    assert [line for line in changed if name != "busy" or not ALIVE.match(line)] == []


def test_taken_name_stops_the_host_before_its_firewall_closes(
    first: t.Any, lab_hosts: dict[str, Host], port_is_open: t.Any, addresses: t.Any
) -> None:
    reason = first.outcome.failed.get("taken", "")
    assert "taken-1" in reason, reason
    assert "tailscale_hostname" in reason
    assert port_is_open(addresses(lab_hosts["taken"], "4"), 22)


def test_all_other_hosts_are_configured(first: t.Any) -> None:
    for name in DONE:
        assert name not in first.outcome.failed, first.outcome.failed[name]
    refused = {*HOSTS, AWAY} - set(DONE)
    assert set(first.outcome.failed) == refused


def test_report_names_what_is_missing_where_in_ten_lines(first: t.Any) -> None:
    report = "\n".join(first.outcome.report)
    assert 0 < len(first.outcome.report) <= 10, report
    for pattern in (
        rf"^{len(DONE) - 1} of {len(HOSTS) + 1} hosts are complete",
        *(rf"^refused.*: .*\b{name} \(" for name in REFUSED),
        rf"^unreachable: {AWAY} \(the tailnet has no node {AWAY}, says tailscaled on ",
        r"^stopped by an error.*: taken$",
        r"^left out until its disk is back: photos on disks \(/media/usb/photos\)",
    ):
        assert re.search(pattern, report, re.MULTILINE), (pattern, report)


@pytest.mark.parametrize("name", WATCHED)
def test_logins_succeed_throughout_the_first_run(first: t.Any, name: str) -> None:
    results = first.logins[name]
    assert results["failures"] == []
    assert results["logins"] > 5
    assert results["longest_gap"] < 2, "seconds between the end of one login and the start of the next"


def test_existing_account_of_the_syncthing_user_is_not_changed(first: t.Any, before: t.Any, lab_hosts: dict[str, Host]) -> None:
    assert "owner" not in first.outcome.failed
    after = snapshot("owner")
    for path in ("/home/admin", "/home/admin/documents/letter.txt", "/home/admin/.ssh/authorized_keys"):
        assert after["files"][path] == before["owner"]["files"][path], path
    assert lab_hosts["owner"].check_output("getent passwd admin").endswith(":/home/admin:/bin/bash")
    assert lab_hosts["owner"].check_output("id -nG admin") == "admin"


def test_files_of_an_existing_account_are_synced(first: t.Any, lab_hosts: dict[str, Host], eventually: t.Any) -> None:
    letter = "/srv/sync/documents/letter.txt"
    assert eventually(lambda: lab_hosts["neighbour"].run(f"cat {letter}").stdout == "a letter\n", 60)


def test_folder_whose_disk_is_not_mounted_is_left_out(first: t.Any, before: t.Any, lab_hosts: dict[str, Host]) -> None:
    assert "disks" not in first.outcome.failed
    assert re.search(r"photos.{0,200}/media/usb|/media/usb.{0,200}photos", first.outcome.text)
    assert lab_hosts["disks"].check_output("ls -A /media/usb") == ""
    for name, text in PHOTOS.items():  # new files of its peer
        put("neighbour", f"/srv/sync/photos/{name}", text.encode())
    lab_hosts["neighbour"].check_output("chown syncthing: /srv/sync/photos/*")


def test_only_declared_ports_are_open_on_the_lan(
    first: t.Any, lab_hosts: dict[str, Host], port_is_open: t.Any, addresses: t.Any
) -> None:
    address = addresses(lab_hosts["control"], "4")
    assert {port: port_is_open(address, port) for port in (443, 8090, 22, 22000)} == {
        443: True,
        8090: True,
        22: True,
        22000: False,
    }
    address = addresses(lab_hosts["neighbour"], "4")
    assert {port: port_is_open(address, port) for port in (445, 22, 8080)} == {445: False, 22: False, 8080: False}
    address = addresses(lab_hosts["other"], "4")  # SSH is let in at the port that ssh_config names
    assert {port: port_is_open(address, port) for port in (445, 22, 2222)} == {445: False, 22: False, 2222: True}


def test_files_and_rules_of_other_services_are_kept(first: t.Any, before: t.Any, lab_hosts: dict[str, Host]) -> None:
    after = snapshot("neighbour")
    for path in (
        "/home/alice",
        "/home/alice/diary.txt",
        "/srv/alice",
        "/srv/alice/photo.jpg",
        "/etc/systemd/system/smbd.service",
    ):
        assert after["files"][path] == before["neighbour"]["files"][path], path
    missing = [rule for rule in before["neighbour"]["rules IPv4"] if rule.startswith("-A") and rule not in after["rules IPv4"]]
    assert missing == []


def test_rebooted_host_reaches_its_control_server_on_a_managed_host(
    first: t.Any, lab_hosts: dict[str, Host], lab: t.Any, eventually: t.Any
) -> None:
    address = lab_hosts["owner"].check_output("tailscale ip -4")
    lab("reboot", "owner")
    assert eventually(
        lambda: lab_hosts["owner"].run('tailscale status --json | grep -q \'"BackendState": "Running"\'').succeeded, 60
    )
    assert eventually(lambda: lab_hosts["laptop"].run(f"nc -z -w 3 {address} 22").succeeded, 30)
