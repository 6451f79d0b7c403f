# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages on hosts with a past, with real apt and dpkg: right at the first run, or a message and an unchanged host."""

from __future__ import annotations

import typing as t

import pytest
from dirty_fixtures import differences, snapshot
from past import c
from testinfra.host import Host

FOLDER = "/etc/apt/sources.list.d"
PACKAGES = "molecule/install/packages.yml"
SCRIPT = """# Tailscale packages for debian trixie
deb [signed-by=/usr/share/keyrings/tailscale-archive-keyring.gpg] {}/tailscale/stable/debian trixie main
"""


@pytest.fixture(scope="module")
def vps(lab_hosts: dict[str, Host], role: t.Any) -> t.Iterator[Host]:
    """A bare host, and bare again for the tests that come after."""
    host = lab_hosts["vps"]
    yield host
    c.clean("vps")
    role("vps", tailscale_state="absent", tailscale_purge_state=True)
    host.check_output("systemctl disable -q --now syncthing@syncthing 2>/dev/null; apt-get purge -qq -y syncthing ufw 2>&1")
    host.check_output(
        f"rm -rf {FOLDER}/*.disabled* {FOLDER}/syncthing.list /etc/apt/preferences.d/syncthing.pref /var/lib/syncthing"
    )


@pytest.fixture(autouse=True)
def _cleaned(vps: Host) -> t.Iterator[None]:
    """A test that fails leaves nothing to the next one."""
    yield
    c.clean("vps")


@pytest.fixture
def install(play: t.Any) -> t.Callable[..., t.Any]:
    """Install on vps: install(package="ufw"), or with syncthing=True by the roles tailscale and syncthing."""

    def run(*arguments: str, **variables: t.Any) -> t.Any:
        return play(PACKAGES, "--limit", "vps", *arguments, variables=variables)

    return run


def done_once(run: t.Callable[..., t.Any], **variables: t.Any) -> t.Any:
    """Check mode has no error, the first run does it, the second changes nothing."""
    check = run("--check", **variables)
    assert (check.code, check.changed["vps"] > 0) == (0, True), check.output
    first = run(**variables)
    assert (first.code, first.changed["vps"] > 0) == (0, True), first.output
    again = run(**variables)
    assert (again.code, again.changed["vps"]) == (0, 0), again.output
    return first


def said(run: t.Any) -> str:
    return " ".join(run.output.split())


def test_vendors_packages_on_a_host_where_all_is_wrong_at_once(install: t.Any, vps: Host) -> None:
    vps.check_output("apt-get purge -qq -y python3-apt 2>&1")
    c.messy("vps")
    c.no_keyrings("vps")
    first = done_once(install, syncthing=True, syncthing_package_source="vendor")
    assert "nowhere" in said(first), "the broken repository is named"
    assert vps.check_output("dpkg --audit") == ""
    assert vps.service("tailscaled").is_running
    assert vps.service("syncthing@syncthing").is_running
    # Debian's repository of the lab has the same package, and apt names both.
    sources = vps.check_output("apt-cache policy syncthing | grep -A2 '[*][*][*]'")
    assert f"{c.MIRROR}/syncthing syncthing/stable-v2" in sources, "the vendor's repository has what is installed"
    for path, mode in {"/etc/apt/keyrings": 0o755, f"{FOLDER}/syncthing.list": 0o644, f"{FOLDER}/tailscale.list": 0o644}.items():
        assert vps.file(path).mode == mode, path
    for keyring in ("/etc/apt/keyrings/syncthing-archive-keyring.gpg", "/usr/share/keyrings/tailscale-archive-keyring.gpg"):
        assert vps.file(keyring).mode == 0o644, keyring
    c.clean("vps")
    assert vps.run("apt-get update").succeeded


@pytest.mark.parametrize("key", ["debian/keyring.gpg", "debian/dists/trixie/Release"])
def test_vendors_source_in_another_file_is_replaced(key: str, role: t.Any, vps: Host) -> None:
    vps.check_output(f"rm -f {FOLDER}/*.disabled*")
    c.vendors_source("vps", f"{c.MIRROR}/{key}")  # the second is no key at all
    assert vps.run("apt-get update").failed, "both together"
    done_once(lambda *arguments, **variables: role("vps", *arguments, **variables))
    assert vps.file(f"{FOLDER}/tailscale.sources.disabled").exists
    assert vps.run("apt-get update").succeeded


def test_source_of_tailscales_install_script_is_taken_over(role: t.Any, vps: Host) -> None:
    vps.check_output(f"cat >{FOLDER}/tailscale.list <<'END'\n{SCRIPT.format(c.MIRROR)}END")
    done_once(lambda *arguments, **variables: role("vps", *arguments, **variables))
    assert vps.check_output(f"ls {FOLDER}").split().count("tailscale.list") == 1


def test_vendors_source_of_syncthing_in_another_file_is_replaced(install: t.Any, vps: Host) -> None:
    line = f"deb [signed-by=/etc/apt/keyrings/other.gpg] {c.MIRROR}/syncthing/ syncthing stable-v2"
    vps.check_output(f"echo '{line}' >{FOLDER}/st.list")
    assert vps.run("apt-get update").failed
    done_once(install, syncthing=True, syncthing_package_source="vendor")
    assert vps.file(f"{FOLDER}/st.list.disabled").exists
    assert vps.run("apt-get update").succeeded


def test_contradiction_is_refused_by_its_files_only_if_something_is_due(role: t.Any, vps: Host) -> None:
    c.contradiction("vps")
    before = snapshot("vps")
    steady = role("vps")
    assert (steady.code, steady.changed["vps"]) == (0, 0), steady.output
    for arguments in (["--check"], []):
        refused = role("vps", *arguments, tailscale_version="latest")
        assert refused.code != 0
        assert f"{FOLDER}/old1.list:1 and {FOLDER}/old2.list:1 have the repository http://old.example/" in said(refused)
    in_a_file = f"{FOLDER}/zz.list"
    lines = f"deb http://x.example/ x main\\ndeb {c.MIRROR}/tailscale/stable/debian trixie main\\n"
    vps.check_output(f"rm {FOLDER}/old?.list; printf '{lines}' >{in_a_file}")
    refused = role("vps", tailscale_version="latest")
    assert refused.code != 0
    assert f"{in_a_file}:2 has Tailscale's repository with another key" in said(refused)
    vps.check_output(f"rm {in_a_file}")
    c.contradiction("vps")
    assert differences(before, snapshot("vps")) == []
    c.clean("vps")


def test_held_package_is_named_with_the_way_to_release_it(install: t.Any, vps: Host) -> None:
    c.held("vps", "ufw")
    before = snapshot("vps")["packages"]
    refused = install(package="ufw")
    assert refused.code != 0
    assert "apt-mark unhold ufw" in said(refused)
    assert snapshot("vps")["packages"] == before
    vps.check_output("apt-mark unhold ufw")


def test_check_mode_without_python_apt_and_with_empty_lists(install: t.Any, vps: Host) -> None:
    vps.check_output("apt-get purge -qq -y python3-apt 2>&1; apt-mark unhold ufw")
    c.no_lists("vps")
    done_once(install, package="ufw")
    assert vps.package("ufw").is_installed


def test_locks_of_lists_and_archives_are_waited_for(install: t.Any, vps: Host) -> None:
    vps.check_output("apt-get purge -qq -y ufw 2>&1")
    c.locked("vps", "25")
    named = install(package="ufw", update=True, wait=3)
    assert named.code != 0
    assert "apt is locked by process" in said(named)
    assert "(python3), still after 3 seconds" in said(named)
    waited = install(package="ufw", update=True)
    assert (waited.code, vps.package("ufw").is_installed) == (0, True), waited.output
