# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the first run leaves on hosts with guests, a Syncthing at work, broken packages, and another system."""

from __future__ import annotations

import re
import typing as t

from dirty_fixtures import guests_networks, snapshot
from past.a import Network
from past.b import has_arrived
from testinfra.host import Host

LOSS = r"{} \([^)]*\): firewall_extra_rules: \[{{interface: {}}}, {{direction: routed, interface: {}}}\]"


def test_guests_reach_their_host_and_the_lan_before(guests_before: t.Any) -> None:
    assert set(guests_before.values()) == {Network(dns=True, way_out=True)}, "otherwise what they keep proves nothing"


def test_line_that_the_guests_need_is_named_before_the_firewall_changes(guests_before: t.Any, first: t.Any) -> None:
    text = first.outcome.text
    line = re.search(LOSS.format(*["lxdbr1"] * 3), text)
    assert line, first.outcome.run.output
    assert line.start() < text.index("Put the new rules in force")
    assert "incusbr0 (" not in text, "the inventory has its line"
    assert "lxdbr0 (" not in text, "LXD's own rules keep it"


def test_guests_keep_what_is_declared_and_what_other_rules_allow(guests_before: t.Any, first: t.Any) -> None:
    kept = Network(dns=True, way_out=True)
    assert guests_networks() == {"lxdbr0": kept, "incusbr0": kept, "lxdbr1": Network(dns=False, way_out=False)}


def test_block_of_another_tool_is_named_and_kept(checked: t.Any, first: t.Any, lab_hosts: dict[str, Host]) -> None:
    assert re.search(r"DOCKER-USER are in /etc/ufw/after\.rules.{0,300}firewall_docker: false", checked.text), checked.run.output
    assert "# BEGIN UFW AND DOCKER" in lab_hosts["neighbour"].check_output("cat /etc/ufw/after.rules")


def test_syncthing_of_a_refused_host_is_still_at_work(
    before: t.Any, first: t.Any, lab_hosts: dict[str, Host], eventually: t.Any
) -> None:
    assert "busy" in first.outcome.failed
    lab_hosts["busy"].check_output("echo tuesday >/home/admin/diary/2.txt; chown admin: /home/admin/diary/2.txt")
    assert eventually(lambda: has_arrived("busy", "2.txt"), 60)


def test_broken_packages_are_repaired_and_installed(first: t.Any, lab_hosts: dict[str, Host]) -> None:
    messy = lab_hosts["messy"]
    assert "messy" not in first.outcome.failed, first.outcome.failed["messy"]
    assert messy.check_output("dpkg --audit") == ""
    assert messy.check_output("dpkg-query -W -f '${Status}' syncthing") == "install ok installed"
    assert re.search(r"http://172\.31\.77\.3/nowhere", first.outcome.text), "the source that cannot be read is not named"
    sources = messy.check_output("cd /etc/apt/sources.list.d && ls *.list *.sources 2>/dev/null | cat").split()
    assert "tailscale.sources" not in sources, "two files with the same repository"
    assert "nowhere.list" in sources


def test_strict_umask_of_sudo_hides_nothing_from_others(first: t.Any, lab_hosts: dict[str, Host]) -> None:
    """Of what apt, systemd and Syncthing read as other users; compared with a host that has the usual umask."""
    strict, usual = snapshot("messy")["files"], snapshot("neighbour")["files"]
    places = ("/etc/apt", "/usr/share/keyrings", "/etc/systemd/system", "/etc/ufw", "/var/lib/syncthing", "/srv/sync")
    shared = [path for path in strict if path.startswith(places) and path in usual]
    assert len(shared) > 20
    assert [path for path in shared if strict[path].split()[0] != usual[path].split()[0]] == []


def test_host_that_calls_itself_ubuntu_uses_that_repository(first: t.Any, lab_hosts: dict[str, Host]) -> None:
    assert "slow" not in first.outcome.failed, first.outcome.failed["slow"]
    assert "/stable/ubuntu noble main" in lab_hosts["slow"].check_output("cat /etc/apt/sources.list.d/tailscale.list")
    assert "/stable/raspbian trixie main" in lab_hosts["disks"].check_output("cat /etc/apt/sources.list.d/tailscale.list")
