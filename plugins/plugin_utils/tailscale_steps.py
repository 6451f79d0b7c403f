# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Select the groups of tasks of the role tailscale that a host needs, from the facts of host_info: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import apt_host, host_state, tailscale_host, tailscale_package

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
    """The source of Tailscale for the host, with the text of the repository's file; `system` is the topic of host_info."""
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
    """The repository's file in the vendor's form, without blanks around the equals signs.

    It also has the hold, which then needs no plugin, and applies to `dnf upgrade` and `tailscale update`.
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
    """The groups of the role's tasks that must run, because something differs or is not known on the controller."""
    if wanted["source"] == "none" or planned["problem"]:
        return []
    install = not _is_installed(host, planned, wanted)
    # A package replaces an archive that this role has installed.
    replace = planned["method"] != "static" and host_state.is_there(host, CURRENT)
    found = [INSTALL] * install + [REPLACE_ARCHIVE] * replace
    # The installation may stop the service, or replace its program.
    return [*found, SERVICE] if found or not _is_running(host, planned) else found


def repository(planned: Plan) -> dict[str, str]:
    """The apt repository for apt_host; without a URI if the role adds none."""
    is_added = planned["method"] == "apt" and planned["repository"]
    return {
        "name": "Tailscale",
        "uri": planned["repository"] if is_added else "",
        "suite": planned["suite"] if is_added else "",
        "file": APT_FILE,
        "keyring": planned["keyring"] if is_added else "",
        "instead": "tailscale_package_source: none",
    }


def other_sources(host: Host, planned: Plan) -> list[str]:
    """The files of others that the role's own source replaces."""
    return [] if planned["problem"] else apt_host.replaced(host, repository(planned))


def source_refusals(host: Host, planned: Plan, wanted: Wanted) -> list[str]:
    """Why apt could not read its sources with the role's own, if the role is to install the package."""
    if wanted["source"] == "none" or planned["problem"] or planned["method"] != "apt" or _is_installed(host, planned, wanted):
        return []
    return apt_host.refusals(host, repository(planned), [APT_FILE])


def rewritten_sources(host: Host, planned: Plan, wanted: Wanted) -> list[str]:
    """The files with apt sources that this role replaces, rewrites or removes before the next roles install anything."""
    if wanted["source"] == "none" or planned["problem"] or planned["method"] != "apt" or _is_installed(host, planned, wanted):
        return []
    return [*other_sources(host, planned), *[APT_FILE]]


def may_log_in(host: Host, wanted: Wanted, todo: t.Collection[str]) -> bool:
    """Whether the run may have to log the host in; False only if it certainly will not."""
    found = host["tailscaled"]
    node = found["node"]
    if todo or node is None or node["status"]["BackendState"] != "Running":
        return True
    return tailscale_host.login_reason(found, wanted) is not None


def _is_installed(host: Host, planned: Plan, wanted: Wanted) -> bool:
    if wanted["version"] == "latest":
        return False  # only the repository knows
    check = {"apt": _by_apt, "dnf": _by_dnf, "pacman": _by_pacman, "apk": _by_apk, "static": _by_archive}[planned["method"]]
    return check(host, planned, wanted)


def _by_apt(host: Host, planned: Plan, wanted: Wanted) -> bool:
    names = [name.partition("=")[0] for name in planned["packages"]]
    if apt_host.replaced(host, repository(planned)):
        return False
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
    """Whether the file of the vendor's repository matches, or is missing if it is not wanted."""
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
    """Whether systemd runs tailscaled now and at every boot, with the wanted settings. With OpenRC this is not known."""
    unit = host["tailscaled"]["unit"]
    if not unit or host["system"]["service_mgr"] != "systemd" or unit["name"] != f"{planned['service']}.service":
        return False
    return bool(unit["active"] and unit["enabled"]) and has_settings(host, planned)


def has_settings(host: Host, planned: Plan) -> bool:
    """Whether tailscaled was started with the wanted settings."""
    found = host["files"].get(planned["settings_file"]) or {"blocks": []}
    return bool(found["blocks"] == ([planned["settings"]] if planned["settings"] else []))
