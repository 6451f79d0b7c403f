# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Select the groups of tasks of the role syncthing that a host needs, from the facts of host_info: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import apt_host, host_state

Host = t.Mapping[str, t.Any]  # what host_info returns
Wanted = t.Mapping[str, t.Any]
REPOSITORY = "repository"
INSTALL = "install"
USER = "user"
IDENTITY = "identity"
SERVICE = "service"

PACKAGES = ("syncthing", "python3-requests")
APT_FILE = "/etc/apt/sources.list.d/syncthing.list"
KEYRING = "/etc/apt/keyrings/syncthing-archive-keyring.gpg"
OWN_FILES = ("cert.pem", "config.xml", "key.pem")
RUNS = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "NeedDaemonReload": "no"}


def steps(host: Host, wanted: Wanted) -> list[str]:
    """The groups of the role's tasks that must run, because something differs or is not known on the controller.

    The keys of `wanted` are source, repository_url, repository_files (a text by path), user, certificate, unit (the drop-in's
    text), gui_directory and gui_group.
    """
    due = {
        **_package_steps(host, wanted),
        USER: not host["syncthing"]["account"]["exists"],
        IDENTITY: not _has_identity(host["syncthing"], wanted),
        SERVICE: not _is_running(host, wanted),
    }
    return [name for name, is_due in due.items() if is_due]


def _package_steps(host: Host, wanted: Wanted) -> dict[str, bool]:
    repository = wanted["source"] == "vendor" and not _is_repository(host, wanted)
    # If the repository changes, its lists must be read, so the packages are due as well.
    return {REPOSITORY: repository, INSTALL: repository or not host_state.has_packages(host, PACKAGES)}


def other_sources(host: Host, wanted: Wanted) -> list[str]:
    """The files of others with nothing but Syncthing's repository, which the role's own source replaces."""
    return apt_host.replaced(host, _repository(wanted))


def source_refusals(host: Host, wanted: Wanted, gone: t.Collection[str] = ()) -> list[str]:
    """Why apt could not read its sources with the role's own, if there is something to install.

    Does not read the unit: its template is found by tasks of the role only, and this is for the look at each host.
    """
    return apt_host.refusals(host, _repository(wanted), gone) if any(_package_steps(host, wanted).values()) else []


def _repository(wanted: Wanted) -> dict[str, str]:
    """The repository for apt_host; without a URI if the role adds none."""
    return {
        "name": "Syncthing",
        "uri": wanted["repository_url"] if wanted["source"] == "vendor" else "",
        "suite": "syncthing",
        "file": APT_FILE if wanted["source"] == "vendor" else "",
        "keyring": KEYRING,
        "instead": "syncthing_package_source: distribution",
    }


def _is_repository(host: Host, wanted: Wanted) -> bool:
    files: t.Mapping[str, str] = wanted["repository_files"]
    is_there = host_state.is_file(host, KEYRING) and all(host_state.is_file(host, path, text) for path, text in files.items())
    return is_there and not other_sources(host, wanted)


def _has_identity(found: t.Mapping[str, t.Any], wanted: Wanted) -> bool:
    """Whether key pair and first configuration are complete. A given certificate is compared by the module."""
    whole = found["device_id"] and not found["identity_problem"] and not found["disk_problem"]
    return bool(whole and not wanted["certificate"] and set(OWN_FILES) <= set(found["home"].get("files", ())))


def _is_running(host: Host, wanted: Wanted) -> bool:
    folder = f"/etc/systemd/system/syncthing@{wanted['user']}.service.d"
    if dict(host["syncthing_unit"]) != RUNS or not host_state.is_directory(host, folder):
        return False
    return host_state.is_file(host, f"{folder}/50-tailsync.conf", wanted["unit"]) and _has_gui_directory(
        host["syncthing"], wanted
    )


def _has_gui_directory(found: t.Mapping[str, t.Any], wanted: Wanted) -> bool:
    """Whether the directory of the web interface's socket exists with the right owner, group and mode."""
    directory, group = wanted["gui_directory"], wanted["gui_group"]
    if not directory:
        return True
    if found["gui_directory"] != directory or not found["account"]["exists"]:
        return False
    access = found["gui_directory_access"] or {}
    if access.get("uid") != found["account"]["uid"] or access.get("mode") != ("2750" if group else "0700"):
        return False
    return not group or (found["gui_group"]["name"] == group and access.get("gid") == found["gui_group"]["gid"])
