# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose the source of Tailscale for a host by its facts: package manager, repository, archive, service, settings file.

The tables are those of Tailscale's own installer (scripts/installer.sh), so that a host gets the repository that
`tailscale update` knows. Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import typing as t

Facts = t.Mapping[str, t.Any]
DEFAULT_PORT = 41641
USERSPACE = "--tun=userspace-networking"
# By the names in Ansible's facts; all other distributions with dnf use the packages for Fedora.
DNF_FOLDERS = {
    "RedHat": "rhel/{major}",
    "MIRACLE": "rhel/{major}",
    "CentOS": "centos/{major}",
    "OracleLinux": "oracle/{major}",
    "Amazon": "amazon-linux/{major}",
}
# Derivatives of Debian that do not name their release of Debian.
DEBIAN_RELATIVES = {
    "deepin": "bullseye",
    "industrial-os": "bullseye",
    "kaisen": "bullseye",
    "kali": "bullseye",
    "mendel": "bullseye",
    "osmc": "bullseye",
    "parrot": "bullseye",
    "pureos": "bullseye",
}
ARCHITECTURES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "i386": "386",
    "i486": "386",
    "i586": "386",
    "i686": "386",
    "mips": "mips",
    "mips64": "mips64",
    "mips64le": "mips64le",
    "mipsle": "mipsle",
    "riscv64": "riscv64",
}
# Architectures of 32-bit programs on a 64-bit kernel, which Raspberry Pi OS has by default on a Pi 4.
USERLAND_32 = {"amd64": "386", "arm64": "arm", "mips64": "mips", "mips64le": "mipsle"}
METHODS = {"apt": "apt", "dnf": "dnf", "dnf5": "dnf", "pacman": "pacman", "apk": "apk"}
SERVICE_MANAGERS = ("systemd", "openrc")
STATIC_HINT = "set tailscale_package_source to static, with tailscale_version and tailscale_static_checksum"


class Unsupported(Exception):
    """A host cannot get Tailscale this way; the message says what to set instead."""


def parse_os_release(text: str) -> dict[str, str]:
    """Parse the variables of /etc/os-release, which has the syntax of a shell."""
    found = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and re.fullmatch(r"[A-Z][A-Z0-9_]*", key):
            with contextlib.suppress(ValueError):  # a quotation mark that is never closed
                found[key] = "".join(shlex.split(value)[:1])
    return found


def needs_os_release(facts: Facts) -> bool:
    """Whether the facts alone do not determine the apt repository of the host.

    A derivative has its own codename, and Ansible's facts call Raspbian Debian.
    """
    if facts.get("pkg_mgr") != "apt":
        return False
    is_32_bit = str(facts.get("userspace_bits")) == "32" or str(facts.get("architecture")).startswith("arm")
    return facts.get("distribution") not in ("Debian", "Ubuntu") or is_32_bit


def apt_suite(facts: Facts, os_release: str = "") -> tuple[str, str]:
    """The repository's folder and suite, such as ("debian", "trixie")."""
    release = parse_os_release(os_release)
    name = release.get("ID", "")
    if name == "raspbian":
        return "raspbian", release.get("VERSION_CODENAME") or str(facts["distribution_release"])
    if release.get("UBUNTU_CODENAME"):
        return "ubuntu", release["UBUNTU_CODENAME"]
    if release.get("DEBIAN_CODENAME"):
        return "debian", release["DEBIAN_CODENAME"]
    if name in DEBIAN_RELATIVES:
        return "debian", DEBIAN_RELATIVES[name]
    if facts.get("distribution") in ("Debian", "Ubuntu"):
        return str(facts["distribution"]).lower(), str(facts["distribution_release"])
    if name == "linuxmint" and release.get("VERSION_CODENAME"):
        return "ubuntu", release["VERSION_CODENAME"]
    raise Unsupported(
        f"{facts.get('distribution')} does not say (UBUNTU_CODENAME or DEBIAN_CODENAME in /etc/os-release) which release of "
        f"Ubuntu or Debian it is made from, so there is no repository to choose: {STATIC_HINT}"
    )


def dnf_folder(facts: Facts) -> str:
    return DNF_FOLDERS.get(str(facts.get("distribution")), "fedora").format(major=facts.get("distribution_major_version"))


def architecture(facts: Facts) -> str:
    """The architecture in the names of Tailscale's archives."""
    machine = str(facts.get("architecture"))
    name = "arm" if machine.startswith("armv") else ARCHITECTURES.get(machine)
    if name is None:
        raise Unsupported(f"there is no archive of Tailscale for {machine}: set tailscale_static_url to one that runs there")
    return USERLAND_32.get(name, name) if str(facts.get("userspace_bits")) == "32" else name


def package(facts: Facts, wanted: Facts, os_release: str = "") -> dict[str, t.Any]:
    """The values that the role's tasks need; if there is no source, only `problem` with the reason."""
    try:
        return {"problem": "", **_package(facts, wanted, os_release)}
    except Unsupported as reason:
        return {"problem": f"{facts.get('distribution')}: {reason}.", "method": "none"}


def _package(facts: Facts, wanted: Facts, os_release: str) -> dict[str, t.Any]:
    manager = str(facts.get("pkg_mgr"))
    if facts.get("service_mgr") not in SERVICE_MANAGERS:
        raise Unsupported(
            f"its service manager is {facts.get('service_mgr')}, and this role runs tailscaled by systemd or OpenRC: install and "
            "start it yourself, and use the module homelab.tailsync.tailscale_node"
        )
    method = "static" if wanted["source"] == "static" else METHODS.get(manager, "none")
    plan = {"apt": _apt, "dnf": _dnf, "pacman": _pacman, "apk": _apk, "static": _static}.get(method)
    if plan is None:
        raise Unsupported(f"this role does not install packages with {manager}: {STATIC_HINT}")
    return {"method": method, **plan(facts, wanted, os_release), **_service(facts, method, wanted)}


def _named(wanted: Facts, sign: str) -> str:
    """The package, with the version if one is wanted."""
    return f"tailscale{sign}{wanted['version']}" if wanted["version"] not in ("", "latest") else "tailscale"


def _repository(wanted: Facts, folder: str) -> str:
    return f"{wanted['repository_url'].rstrip('/')}/{wanted['repository_track']}/{folder}"


def _apt(facts: Facts, wanted: Facts, os_release: str) -> dict[str, t.Any]:
    if wanted["source"] == "distribution":
        return {"packages": [_named(wanted, "=")], "repository": ""}
    folder, suite = apt_suite(facts, os_release)
    repository = _repository(wanted, folder)
    own_key = wanted["repository_key_url"]
    return {
        # The second package keeps the repository's key up to date, which `tailscale update` needs.
        "packages": [_named(wanted, "="), "tailscale-archive-keyring"],
        "repository": repository,
        "suite": suite,
        "key_url": own_key or f"{repository}/{suite}.noarmor.gpg",
        # That package has the file with the vendor's key, so the key of a mirror needs another file.
        "keyring": f"/usr/share/keyrings/tailscale-{'mirror' if own_key else 'archive-keyring'}.gpg",
    }


def _dnf(facts: Facts, wanted: Facts, _os_release: str) -> dict[str, t.Any]:
    packages = [_named(wanted, "-")]
    if wanted["source"] == "distribution":
        if wanted["hold"]:
            raise Unsupported(
                "a hold is written into the vendor's repository file, and tailscale_package_source is distribution: set "
                "tailscale_hold to false, or lock the package with dnf's own versionlock"
            )
        return {"packages": packages, "repository": ""}
    repository = _repository(wanted, dnf_folder(facts))
    return {
        "packages": packages,
        "repository": repository,
        "key_url": wanted["repository_key_url"] or f"{repository}/repo.gpg",
    }


def _pacman(_facts: Facts, wanted: Facts, _os_release: str) -> dict[str, t.Any]:
    if wanted["version"] or wanted["hold"]:
        raise Unsupported(
            "its repository has one version of Tailscale, which is upgraded together with all other packages (pacman -Syu): "
            f"leave tailscale_version empty and tailscale_hold false (IgnorePkg in pacman.conf holds a package), or {STATIC_HINT}"
        )
    return {"packages": ["tailscale"], "repository": ""}


def _apk(_facts: Facts, wanted: Facts, _os_release: str) -> dict[str, t.Any]:
    # A version with the package's revision is exact; without it any revision of the version matches.
    package = _named(wanted, "=" if re.search(r"-r[0-9]+$", wanted["version"]) else "~")
    if wanted["hold"] and package == "tailscale":
        raise Unsupported("apk holds a package only at a given version: set tailscale_version, or tailscale_hold to false")
    return {"packages": [package], "repository": ""}


def _static(facts: Facts, wanted: Facts, _os_release: str) -> dict[str, t.Any]:
    arch, version = architecture(facts), wanted["version"]
    archive, checksum = (
        text.replace("{arch}", arch).replace("{version}", version) for text in (wanted["static_url"], wanted["static_checksum"])
    )
    return {
        "packages": [],
        "repository": "",
        "archive": archive,
        "checksum": checksum if checksum.startswith("sha256:") else f"sha256:{checksum}",
        "folder": f"/opt/tailscale/{version}-{arch}",
    }


def _service(facts: Facts, method: str, wanted: Facts) -> dict[str, t.Any]:
    """The service, and the file with its port and flags."""
    flags = [USERSPACE] * bool(wanted["userspace_networking"]) + list(wanted["daemon_flags"])
    port = int(wanted["port"])
    # Alpine's package has its own names.
    alpine = facts["service_mgr"] == "openrc" and method == "apk"
    names = ("TAILSCALED_PORT", "TAILSCALED_OPTS") if alpine else ("PORT", "FLAGS")
    changed = bool(flags) or port != DEFAULT_PORT
    return {
        "service": "tailscale" if alpine else "tailscaled",
        "settings_file": "/etc/conf.d/tailscale" if alpine else "/etc/default/tailscaled",
        "settings": f'{names[0]}="{port}"\n{names[1]}="{" ".join(flags)}"' if changed else "",
    }
