# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source of a host's Tailscale package, computed from its facts."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import tailscale_package
from variations import TAILSCALE_WANTED


def facts(distribution: str, manager: str, **others: t.Any) -> dict[str, t.Any]:
    """Facts as Ansible gathers them."""
    usual = {"service_mgr": "systemd", "architecture": "x86_64", "userspace_bits": "64", "distribution_release": "NA"}
    return {**usual, "distribution": distribution, "pkg_mgr": manager, **others}


def plan(of: t.Mapping[str, t.Any], os_release: str = "", **wanted: t.Any) -> dict[str, t.Any]:
    return tailscale_package.package(of, {**TAILSCALE_WANTED, **wanted}, os_release)


RASPBIAN = 'PRETTY_NAME="Raspbian GNU/Linux 12 (bookworm)"\nID=raspbian\nVERSION_CODENAME=bookworm\n'


@pytest.mark.parametrize(
    ("host", "os_release", "place"),
    [
        (facts("Debian", "apt", distribution_release="trixie"), "", ("debian", "trixie")),
        (facts("Ubuntu", "apt", distribution_release="noble"), "", ("ubuntu", "noble")),
        # 64-bit Raspberry Pi OS is Debian. The 32-bit one is Raspbian, which Ansible's facts call Debian, with a 64-bit kernel.
        (facts("Debian", "apt", distribution_release="bookworm", architecture="aarch64"), "", ("debian", "bookworm")),
        (
            facts("Debian", "apt", distribution_release="bookworm", architecture="aarch64", userspace_bits="32"),
            RASPBIAN,
            ("raspbian", "bookworm"),
        ),
        (
            facts("Debian", "apt", distribution_release="trixie", architecture="armv7l", userspace_bits="32"),
            "ID=debian\nVERSION_CODENAME=trixie\n",
            ("debian", "trixie"),
        ),
        (facts("Linux Mint", "apt"), "ID=linuxmint\nVERSION_CODENAME=zara\nUBUNTU_CODENAME=noble\n", ("ubuntu", "noble")),
        (facts("Linux Mint Debian Edition", "apt"), "ID=linuxmint\nDEBIAN_CODENAME=bookworm\n", ("debian", "bookworm")),
        (facts("Pop!_OS", "apt"), 'ID=pop\nID_LIKE="ubuntu debian"\nUBUNTU_CODENAME=jammy\n', ("ubuntu", "jammy")),
        (facts("Kali", "apt"), "ID=kali\nVERSION_CODENAME=kali-rolling\n", ("debian", "bullseye")),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_apt_repository_for_each_distribution(host: dict[str, t.Any], os_release: str, place: tuple[str, str]) -> None:
    assert tailscale_package.needs_os_release(host) == bool(os_release)
    found = plan(host, os_release)
    assert found["repository"] == f"https://pkgs.tailscale.com/stable/{place[0]}"
    assert found["suite"] == place[1]
    assert found["key_url"] == f"https://pkgs.tailscale.com/stable/{place[0]}/{place[1]}.noarmor.gpg"
    assert found["keyring"] == "/usr/share/keyrings/tailscale-archive-keyring.gpg"


@pytest.mark.parametrize(
    ("distribution", "major", "folder"),
    [
        ("Fedora", "42", "fedora"),
        ("Rocky", "9", "fedora"),
        ("AlmaLinux", "10", "fedora"),
        ("RedHat", "9", "rhel/9"),
        ("CentOS", "10", "centos/10"),
        ("OracleLinux", "8", "oracle/8"),
        ("Amazon", "2023", "amazon-linux/2023"),
    ],
)
def test_dnf_repository_for_each_distribution(distribution: str, major: str, folder: str) -> None:
    found = plan(facts(distribution, "dnf5" if major == "42" else "dnf", distribution_major_version=major), version="1.88.4")
    assert found["repository"] == f"https://pkgs.tailscale.com/stable/{folder}"
    assert found["key_url"] == f"https://pkgs.tailscale.com/stable/{folder}/repo.gpg"
    assert (found["method"], found["packages"]) == ("dnf", ["tailscale-1.88.4"])


@pytest.mark.parametrize(
    ("machine", "bits", "name"),
    [
        ("x86_64", "64", "amd64"),
        ("aarch64", "64", "arm64"),
        ("aarch64", "32", "arm"),
        ("armv7l", "32", "arm"),
        ("armv6l", "32", "arm"),
        ("i686", "32", "386"),
        ("riscv64", "64", "riscv64"),
    ],
)
def test_archive_for_each_architecture(machine: str, bits: str, name: str) -> None:
    host = facts("Void", "xbps", architecture=machine, userspace_bits=bits)
    checksum = "https://example.org/{version}_{arch}.sha256"
    found = plan(host, source="static", version="1.88.4", static_checksum=checksum)
    assert found["archive"] == f"https://pkgs.tailscale.com/stable/tailscale_1.88.4_{name}.tgz"
    assert found["checksum"] == f"sha256:https://example.org/1.88.4_{name}.sha256"
    assert found["folder"] == f"/opt/tailscale/1.88.4-{name}"


def test_mirror_with_its_own_key_gets_a_separate_keyring() -> None:
    found = plan(
        facts("Debian", "apt", distribution_release="trixie"),
        repository_url="http://mirror.lan/ts/",
        repository_track="unstable",
        repository_key_url="http://mirror.lan/key.gpg",
    )
    assert (found["repository"], found["key_url"]) == ("http://mirror.lan/ts/unstable/debian", "http://mirror.lan/key.gpg")
    # Not the path at which the vendor's keyring package writes the vendor's key.
    assert found["keyring"] == "/usr/share/keyrings/tailscale-mirror.gpg"
    assert found["packages"] == ["tailscale", "tailscale-archive-keyring"]


def test_apk_pins_a_revision_exactly_and_a_version_loosely() -> None:
    alpine = facts("Alpine", "apk", service_mgr="openrc")
    assert plan(alpine, version="1.88.4-r1")["packages"] == ["tailscale=1.88.4-r1"]
    assert plan(alpine, version="1.88.4")["packages"] == ["tailscale~1.88.4"]
    assert plan(alpine, version="latest")["packages"] == ["tailscale"]


DEBIAN = facts("Debian", "apt", distribution_release="trixie")


@pytest.mark.parametrize(
    ("host", "wanted", "words"),
    [
        (facts("Void", "xbps"), {}, ["xbps", "tailscale_package_source to static"]),
        (facts("Fedora", "atomic_container"), {}, ["tailscale_package_source to static"]),
        (facts("Zorin OS", "apt"), {}, ["UBUNTU_CODENAME", "tailscale_package_source to static"]),
        (facts("Archlinux", "pacman"), {"version": "1.88.4"}, ["tailscale_version", "pacman -Syu"]),
        (facts("Archlinux", "pacman"), {"version": "latest"}, ["tailscale_version"]),
        (facts("Archlinux", "pacman"), {"hold": True}, ["tailscale_hold", "IgnorePkg"]),
        (facts("Alpine", "apk", service_mgr="openrc"), {"hold": True}, ["tailscale_version", "tailscale_hold"]),
        (facts("Fedora", "dnf"), {"hold": True, "source": "distribution"}, ["tailscale_hold", "versionlock"]),
        ({**DEBIAN, "service_mgr": "docker-init"}, {}, ["docker-init", "tailscale_node"]),
        ({**DEBIAN, "architecture": "s390x"}, {"source": "static"}, ["s390x", "tailscale_static_url"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_impossible_package_is_a_problem_with_the_variable_to_set(
    host: dict[str, t.Any], wanted: dict[str, t.Any], words: list[str]
) -> None:
    problem = plan(host, **wanted)["problem"]
    assert problem.startswith(f"{host['distribution']}: ")
    assert all(word in problem for word in words), problem


def test_default_settings_leave_the_packages_file_unchanged() -> None:
    assert plan(DEBIAN)["settings"] == ""
    found = plan(DEBIAN, userspace_networking=True, daemon_flags=["--verbose=1"])
    assert found["settings"] == 'PORT="41641"\nFLAGS="--tun=userspace-networking --verbose=1"'
    assert (found["service"], found["settings_file"]) == ("tailscaled", "/etc/default/tailscaled")


def test_service_and_settings_file_of_package_and_archive_on_alpine() -> None:
    alpine = facts("Alpine", "apk", service_mgr="openrc")
    found = plan(alpine, port=1)
    assert (found["service"], found["settings_file"]) == ("tailscale", "/etc/conf.d/tailscale")
    assert found["settings"] == 'TAILSCALED_PORT="1"\nTAILSCALED_OPTS=""'
    archive = plan(alpine, source="static", version="1.88.4", port=1)
    assert (archive["service"], archive["settings_file"]) == ("tailscaled", "/etc/default/tailscaled")


def test_os_release_is_parsed_as_by_a_shell() -> None:
    text = "# comment\nNAME='A B'\nVERSION_CODENAME=\"trixie\"\nEMPTY=\nBROKEN\nOPEN='x\n"
    assert tailscale_package.parse_os_release(text) == {"NAME": "A B", "VERSION_CODENAME": "trixie", "EMPTY": ""}
