# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report at the end of a run."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import report
from ansible_collections.homelab.tailsync.plugins.plugin_utils.report import Host, Run
from ansible_collections.homelab.tailsync.plugins.plugin_utils.site_parts import TAGS

FILE = "/home/bob/.ssh/tailsync.conf"
NO_TUN = (
    "this host cannot open /dev/net/tun (No such file or directory), which Tailscale needs for its network interface: pass the "
    "device through to the container"
)
PHOTOS = {"id": "photos", "path": "/media/usb/photos", "kind": "away", "reason": "/media/usb is not mounted: mount it"}
MUSIC = {"id": "music", "path": "/srv/music", "reason": "its path /srv/music is a file: move it away"}
ALL = list(TAGS)


def host(name: str, **more: t.Any) -> Host:
    return Host(name, **{"ssh_name": name, "ssh_file": FILE, **more})


FIVE = Run(
    [
        host("nas"),
        host("pi", left_out=[PHOTOS]),
        Host("vps", state=report.REFUSED, reason=NO_TUN),
        host("attic"),
        Host("cellar", state=report.UNREACHABLE),
    ],
    verified=True,
)


def test_five_hosts_with_one_refused_one_unreachable_and_one_disk_away() -> None:
    assert report.lines(FIVE) == {
        "failed": False,
        "lines": [
            "2 of 5 hosts are complete",
            "refused, unchanged: vps (this host cannot open /dev/net/tun (No such file or directory), which Tailscale needs for "
            "its network interface)",
            "unreachable: cellar",
            "left out until its disk is back: photos on pi (/media/usb/photos)",
            f"from now on: ssh nas, ssh pi, ssh attic; ansible all -m ping (with {FILE})",
            "next: remove the causes above, each host's own message has the fix; then run site.yml for all hosts again",
        ],
    }


def test_report_with_everything_in_it_has_at_most_ten_lines() -> None:
    hosts = [
        *(host(f"done{number}", refused=[MUSIC], left_out=[PHOTOS]) for number in range(30)),
        *(Host(f"refused{number}", state=report.REFUSED, reason=NO_TUN) for number in range(30)),
        *(Host(f"away{number}", state=report.UNREACHABLE) for number in range(30)),
        *(Host(f"failed{number}", state=report.FAILED) for number in range(30)),
    ]
    found = report.lines(Run(hosts, check=True, findings=[f"finding {number}" * 50 for number in range(90)]))
    assert found["failed"] is True
    assert len(found["lines"]) <= 10
    assert all(len(line) < 1000 for line in found["lines"])


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (Run([host("nas"), host("pi")], verified=True), "2 of 2 hosts are complete"),
        (Run([host("nas")], verified=True), "1 of 1 hosts is complete"),
        (Run([host("nas"), host("pi")]), "2 of 2 hosts are complete (not verified)"),
        (Run([host("nas")], check=True), "1 of 1 hosts would be complete (check mode, which changes and verifies nothing)"),
        (Run([host("nas")], parts=["tailscale"]), "1 of 1 hosts is complete (only tailscale; not verified)"),
        (Run([host("nas")], parts=[], verified=True), "1 of 1 hosts is complete"),
        (Run([host("nas")], parts=[]), "the state of 1 of 1 hosts was gathered, and nothing else was to be done (--tags)"),
        (Run([Host("nas", state=report.REFUSED, reason=NO_TUN)]), "0 of 1 hosts are complete (not verified)"),
    ],
)
def test_first_line_tells_how_many_hosts_are_complete(run: Run, expected: str) -> None:
    assert report.lines(run)["lines"][0] == expected


def test_run_without_problems_needs_two_lines() -> None:
    assert report.lines(Run([host("nas"), host("pi")], verified=True)) == {
        "failed": False,
        "lines": ["2 of 2 hosts are complete", f"from now on: ssh nas, ssh pi; ansible all -m ping (with {FILE})"],
    }


def test_next_step_for_a_disk_is_to_mount_it() -> None:
    found = report.lines(Run([host("nas"), host("pi", left_out=[PHOTOS])], verified=True))
    assert found["lines"][-1] == "next: attach the disk and mount it, then run site.yml again"
    assert found["failed"] is False


def test_refused_folder_is_a_failure_with_its_reason_told_once() -> None:
    finding = "folder music on nas is refused: its path /srv/music is a file: move it away"
    run = Run([host("nas", refused=[MUSIC]), host("pi")], verified=True, findings=[finding], with_findings=["nas"])
    found = report.lines(run)
    assert found["failed"] is True
    assert found["lines"][:2] == [
        "1 of 2 hosts is complete",
        "refused folder: music on nas (its path /srv/music is a file: move it away)",
    ]
    assert not any("verify" in line for line in found["lines"])


def test_refused_folder_is_a_failure_without_verify_as_well() -> None:
    assert report.lines(Run([host("nas", refused=[MUSIC]), host("pi")], check=True))["failed"] is True


def test_finding_of_verify_is_a_failure_of_the_hosts_concerned() -> None:
    finding = "nas and pi cannot open a new connection to each other's Syncthing"
    run = Run([host("nas"), host("pi"), host("vps")], verified=True, findings=[finding], with_findings=["nas", "pi"])
    found = report.lines(run)
    assert found["failed"] is True
    assert found["lines"][:2] == ["1 of 3 hosts is complete", f"verify found 1 problem: {finding}"]


def test_address_is_told_where_no_ssh_configuration_is_written() -> None:
    run = Run([Host("nas", address="nas.tail.ts.net"), Host("pi", address="100.64.0.2")], verified=True)
    line = "from now on: ssh nas.tail.ts.net, ssh 100.64.0.2; for other playbooks, set ansible_host to these"
    assert report.lines(run)["lines"][1] == line
    assert len(report.lines(dataclasses.replace(run, check=True))["lines"]) == 2  # and the next step


# --- from the registered results ------------------------------------------------------------------

ANSWERED = {"address": "nas", "tailnet": True}


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        ({"risks": {"failed": True, "msg": f"nas: {NO_TUN}."}, "ssh": ANSWERED}, report.REFUSED),
        ({"ssh": {"failed": True, "address": None, "msg": "no address answers"}}, report.UNREACHABLE),
        ({"ssh": {"failed": True, "address": None, "refused": True, "msg": "nas is this machine"}}, report.REFUSED),
        ({"ssh": ANSWERED, "state": {"unreachable": True, "msg": "timed out"}}, report.UNREACHABLE),
        ({"ssh": ANSWERED, "state": {"system": {}}, "risks": {"skipped": True}}, report.FAILED),
        ({"ssh": ANSWERED, "state": {"failed": True, "msg": "no Python"}}, report.FAILED),
        ({}, report.FAILED),
    ],
)
def test_lost_host_is_refused_unreachable_or_failed(seen: dict[str, t.Any], state: str) -> None:
    assert report.host_of("nas", seen, alive=False).state == state
    assert report.host_of("nas", seen, alive=True).state == report.DONE


def test_reasons_of_a_refused_host_are_shortened() -> None:
    seen = {"risks": {"failed": True, "msg": f"nas: {NO_TUN}. And the disk is full. And apt is broken."}}
    line = report.lines(Run([report.host_of("nas", seen, alive=False)]))["lines"][1]
    assert line == (
        "refused, unchanged: nas (this host cannot open /dev/net/tun (No such file or directory), which Tailscale needs for its "
        "network interface, and 2 more)"
    )


def test_folders_and_names_come_from_the_results_of_the_roles() -> None:
    seen = {
        "mesh": {"left_out": [PHOTOS], "refused": [MUSIC]},
        "config": {"names": ["nas", "192.168.1.10"], "file": FILE, "in_use": True},
        "node": {"name": "nas.tail.ts.net", "address": "100.64.0.1"},
    }
    found = report.host_of("nas", seen, alive=True)
    assert (found.left_out, found.refused, found.ssh_name, found.ssh_file) == ([PHOTOS], [MUSIC], "nas", FILE)
    assert found.address == "nas.tail.ts.net"


def test_address_is_told_where_ssh_does_not_use_the_file_that_was_written() -> None:
    # its configuration is a link, or ssh_args has -F
    seen = {"config": {"names": ["nas"], "file": FILE, "in_use": False}, "node": {"name": "nas.tail.ts.net"}}
    line = report.lines(Run([report.host_of("nas", seen, alive=True)], verified=True))["lines"][1]
    assert line == "from now on: ssh nas.tail.ts.net; for other playbooks, set ansible_host to these"


def test_without_the_mesh_verify_tells_which_folders_are_left_out() -> None:
    unusable = {**MUSIC, "kind": "unusable"}
    seen = {"member": {"syncthing": {"left_out": [PHOTOS, unusable]}}, "mesh": {"skipped": True}}
    assert report.host_of("nas", seen, alive=True).left_out == [PHOTOS]


def test_verify_finding_about_a_lost_host_is_not_told_twice() -> None:
    outage = "vps failed or could not be reached earlier in this run (its own message is above): it was not verified"
    conclusion = {"findings": [outage, "nas: Tailscale is Stopped, not Running"], "outages": {"vps": outage}}
    hosts = [host("nas"), Host("vps", state=report.REFUSED, reason=NO_TUN)]
    assert report.findings_of(conclusion, hosts) == ["nas: Tailscale is Stopped, not Running"]
    assert report.findings_of(conclusion, [host("nas"), host("vps")]) == conclusion["findings"]


def test_what_the_tailnet_says_of_an_unreachable_host_is_told_with_it() -> None:
    hosts = [host("nas"), Host("pi", state=report.UNREACHABLE), Host("vps", state=report.UNREACHABLE)]
    said = {"pi": "the key of its node has expired, says tailscaled on nas", "nas": "its node is online"}
    lines = report.lines(Run(hosts, verified=True, said=said))["lines"]
    assert lines[1] == "unreachable: pi (the key of its node has expired, says tailscaled on nas), vps"
    assert not [line for line in lines if "is online" in line]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a short reason: with its fix.", "a short reason: with its fix"),
        ("lines\n  are\tjoined", "lines are joined"),
        (f"{'a problem of some length'}: {'and its long fix ' * 20}", "a problem of some length"),
        ("x" * 200, "x" * 129 + "…"),
        (f"no: {'y' * 200}", f"no: {'y' * 125}…"),
    ],
)
def test_long_reasons_lose_their_fix(text: str, expected: str) -> None:
    assert report.short(text) == expected
