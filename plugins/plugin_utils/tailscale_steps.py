# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role tailscale has to do on a host, by what host_info found there: pure functions, for the controller.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import host_state, tailscale_host, tailscale_package

Host = t.Mapping[str, t.Any]  # what host_info returns
Wanted = t.Mapping[str, t.Any]
Plan = t.Mapping[str, t.Any]
INSTALL = "install"
REPLACE_ARCHIVE = "replace_archive"
SERVICE = "service"

CURRENT = "/opt/tailscale/current"  # the archive that tailscaled was last started from
MARK = "# Managed by Ansible (homelab.tailsync.tailscale)."
# `tailscale update` reads and rewrites exactly these files.
APT_FILE = "/etc/apt/sources.list.d/tailscale.list"
DNF_FILE = "/etc/yum.repos.d/tailscale.repo"


def plan(system: Host, wanted: Wanted) -> dict[str, t.Any]:
    """Where the host gets Tailscale from, with the text of the repository's file; system is what host_info calls so."""
    os_release = system["os_release"] if tailscale_package.needs_os_release(system) else ""
    found = tailscale_package.package(system, wanted, os_release)
    text = {"apt": _apt_file, "dnf": _dnf_file}.get(found["method"])
    files = {"apt": APT_FILE, "dnf": DNF_FILE}
    repository = bool(found.get("repository"))
    return {
        **found,
        "repository_file": files.get(found["method"], ""),
        "repository_text": text(found, wanted) if text and repository else "",
    }


def _apt_file(found: Plan, _wanted: Wanted) -> str:
    return f"{MARK}\ndeb [signed-by={found['keyring']}] {found['repository']} {found['suite']} main\n"


def _dnf_file(found: Plan, wanted: Wanted) -> str:
    """As the vendor writes it, without blanks around the equals signs.

    A hold stands in here as well: it needs no plugin, and binds `dnf upgrade` and `tailscale update` alike.
    """
    lines = [
        MARK,
        f"[tailscale-{wanted['repository_track']}]",
        f"name=Tailscale {wanted['repository_track']}",
        f"baseurl={found['repository']}/$basearch",
        "enabled=1",
        "type=rpm",
        "repo_gpgcheck=1",
        "gpgcheck=1",
        f"gpgkey={found['key_url']}",
        *(["excludepkgs=tailscale"] if wanted["hold"] else []),
    ]
    return "".join(f"{line}\n" for line in lines)


def steps(host: Host, planned: Plan, wanted: Wanted) -> list[str]:
    """Which groups of the role's tasks must run, because something differs or cannot be told from here."""
    if wanted["source"] == "none" or planned["problem"]:
        return []
    install = not _is_installed(host, planned, wanted)
    # A package takes the place of an archive that we brought.
    replace = planned["method"] != "static" and host_state.is_there(host, CURRENT)
    found = [INSTALL] * install + [REPLACE_ARCHIVE] * replace
    # Installing may stop the service, or bring another program for it.
    return [*found, SERVICE] if found or not _is_running(host, planned) else found


def may_log_in(host: Host, wanted: Wanted, todo: t.Collection[str]) -> bool:
    """Whether the run may come to log the host in; False only if it is sure not to."""
    found = host["tailscaled"]
    node = found["node"]
    if todo or node is None or node["status"]["BackendState"] != "Running":
        return True
    return tailscale_host.login_reason(found, wanted) is not None


def _is_installed(host: Host, planned: Plan, wanted: Wanted) -> bool:
    if wanted["version"] == "latest":
        return False  # only the repository knows
    judge = {"apt": _by_apt, "dnf": _by_dnf, "pacman": _by_pacman, "apk": _by_apk, "static": _by_archive}[planned["method"]]
    return judge(host, planned, wanted)


def _by_apt(host: Host, planned: Plan, wanted: Wanted) -> bool:
    names = [name.partition("=")[0] for name in planned["packages"]]
    if not _has_repository(host, planned) or not host_state.has_packages(host, names):
        return False
    if planned["repository"] and not host_state.is_file(host, planned["keyring"]):
        return False
    package = host["packages"]["tailscale"]
    return wanted["version"] in ("", package["version"]) and bool(package["held"]) == bool(wanted["hold"])


def _by_dnf(host: Host, planned: Plan, wanted: Wanted) -> bool:
    if not _has_repository(host, planned) or not host_state.has_packages(host, ["tailscale"]):
        return False
    package = host["packages"]["tailscale"]
    return str(wanted["version"]) in ("", package["version"], f"{package['version']}-{package['release']}")


def _has_repository(host: Host, planned: Plan) -> bool:
    """Whether the vendor's repository is named as it should be, or not at all."""
    if not planned["repository"]:
        return not host_state.is_there(host, planned["repository_file"])
    return host_state.is_file(host, planned["repository_file"], planned["repository_text"])


def _by_pacman(host: Host, _planned: Plan, _wanted: Wanted) -> bool:
    return host_state.has_packages(host, ["tailscale"])


def _by_apk(host: Host, planned: Plan, _wanted: Wanted) -> bool:
    world: t.Collection[str] = (host["packages"].get("tailscale") or {}).get("world", ())
    return planned["packages"][0] in world


def _by_archive(host: Host, planned: Plan, _wanted: Wanted) -> bool:
    return host_state.target(host, CURRENT) == str(planned["folder"])


def _is_running(host: Host, planned: Plan) -> bool:
    """Whether systemd runs tailscaled now and at every boot, with the settings that are wanted. OpenRC is not asked."""
    unit = host["tailscaled"]["unit"]
    if not unit or host["system"]["service_mgr"] != "systemd" or unit["name"] != f"{planned['service']}.service":
        return False
    return bool(unit["active"] and unit["enabled"]) and has_settings(host, planned)


def has_settings(host: Host, planned: Plan) -> bool:
    """Whether tailscaled was started with the settings that are wanted."""
    found = host["files"].get(planned["settings_file"]) or {"blocks": []}
    return bool(found["blocks"] == ([planned["settings"]] if planned["settings"] else []))
