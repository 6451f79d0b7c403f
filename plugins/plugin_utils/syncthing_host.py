# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons to refuse a host before Syncthing is set up on it, from the facts of host_info: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import posixpath
import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import host_state, other_syncthing

Found = t.Mapping[str, t.Any]

NOBODY = 65534
NO_LOGIN = ("nologin", "false")
NEW_IDENTITY = "new_identity"


def refusals(host: Found, variables: t.Mapping[str, t.Any]) -> list[str]:
    """The reasons, one message each with the fix; `host` is what host_info returned."""
    no_apt = host_state.no_apt(host, "syncthing", "Syncthing")
    if no_apt:
        return no_apt
    others = [*other_syncthing.refusals(host, variables), *other_syncthing.version_refusals(host, variables)]
    return [*_own_refusals(host["syncthing"], variables), *others]


def warnings(host: Found, variables: t.Mapping[str, t.Any]) -> list[str]:
    return other_syncthing.warnings(host, variables)


def _own_refusals(found: Found, variables: t.Mapping[str, t.Any]) -> list[str]:
    user, home = variables["syncthing_user"], variables["syncthing_home"]
    if found["disk_problem"]:
        # Other files at this path do not belong to Syncthing.
        return [f"syncthing_home is {home}, and {found['disk_problem']}"]
    return [
        *_account_refusals(found["account"], user, home),
        *_home_refusals(found["home"], found["account"], user, home),
        *_identity_refusals(found, variables),
        *_group_refusals(variables.get("syncthing_gui_group"), found["gui_group"]),
    ]


def _group_refusals(group: str | None, there: Found) -> list[str]:
    if not group or there["gid"] is not None:
        return []
    return [
        f"syncthing_gui_group is {group}, a group that this host does not have: create it (groupadd {group}), or name another"
    ]


def _account_refusals(account: Found, user: str, home: str) -> list[str]:
    if not account["exists"]:
        if ":" in home:
            return [f"syncthing_home is {home}, which cannot be the home of a new account: leave out the colon, or create {user}"]
        return []
    if account["uid"] in (0, NOBODY):
        other = "root" if account["uid"] == 0 else "nobody"
        return [
            f"syncthing_user is {user}, which is {other} by another name: name the account that owns the files, or leave it out"
        ]
    return []


def _home_refusals(place: Found, account: Found, user: str, home: str) -> list[str]:
    if not place["exists"]:
        return []
    if not place["directory"]:
        return [f"syncthing_home is {home}, which is no directory: move it away, or set syncthing_home"]
    others = {name: owner for name, owner in place["files"].items() if owner["uid"] != account.get("uid")}
    if others:
        return [_owner_refusal(others, account, user, home)]
    if not place["files"] and not place["empty"] and place["owner"]["uid"] != account.get("uid"):
        return [
            f"syncthing_home is {home}, which belongs to {_name(place['owner'])} and has other files; it would "
            f"be closed to all others: set syncthing_home to a directory of its own, or make {user} the owner of this one"
        ]
    if not place["files"] and _is_login_home(account, home) and int(place["mode"], 8) & 0o077:
        return [
            f"syncthing_home is {home}, the home of the account {user}, which would be closed to all others: set syncthing_home "
            f"to {posixpath.join(home, '.local/state/syncthing')}, or close it yourself (chmod 700 {home})"
        ]
    return []


def _owner_refusal(others: t.Mapping[str, Found], account: Found, user: str, home: str) -> str:
    name, owner = sorted(others.items())[0]
    start = f"{posixpath.join(home, name)} belongs to {_name(owner)}, and Syncthing is to run as {user} (syncthing_user)"
    same = f"set syncthing_user to {owner['name']}, or " if owner["name"] and owner["uid"] else ""
    if account["exists"]:
        return f"{start}, who could not read it: {same}stop Syncthing there and run: chown -R {user}: {home}"
    return (
        f"{start}, an account that is still to be created: {same}create it first, with the owner's ID "
        f"(useradd --system --uid {owner['uid']} --home-dir {home} --no-create-home --shell /usr/sbin/nologin {user}), "
        f"or move {home} away"
    )


def _is_login_home(account: Found, home: str) -> bool:
    if not account["exists"] or posixpath.normpath(account["home"]) != posixpath.normpath(home):
        return False
    return posixpath.basename(account["shell"]) not in NO_LOGIN


def _identity_refusals(found: Found, variables: t.Mapping[str, t.Any]) -> list[str]:
    problem = found["restore_problem" if variables.get("syncthing_certificate") else "identity_problem"]
    if problem:
        return [problem]
    place, user = found["home"], variables["syncthing_user"]
    there = place["exists"] and "cert.pem" in place.get("files", ())
    lost = found["was_set_up"] and not there
    restored = variables.get("syncthing_certificate") or NEW_IDENTITY in (variables.get("tailsync_accept") or ())
    if lost and not restored:
        home = variables["syncthing_home"]
        return [
            f"Syncthing was set up on this host with its home in {home}, and its identity is not there any more: mount its disk, "
            f"restore {home}, or set syncthing_certificate and syncthing_private_key. If the host is to be a new device to its "
            f"peers, add {NEW_IDENTITY} to tailsync_accept"
        ]
    for other in found.get("elsewhere") or () if not there and not restored else ():
        home = variables["syncthing_home"]
        return [
            f"Syncthing was set up on this host as {other['user']} with its home in {other['home']}, and is to run as {user} "
            f"with its home in {home} (syncthing_user, syncthing_home), where no identity is: it would be a new device to its "
            f"peers. Put the old values back; or run `systemctl disable --now syncthing@{other['user']}`, move "
            f"{other['home']} to {home} with {user} as its owner, and run again; or add {NEW_IDENTITY} to tailsync_accept"
        ]
    return []


def _name(owner: Found) -> str:
    return str(owner["name"]) if owner["name"] else f"the user ID {owner['uid']}, which has no account"
