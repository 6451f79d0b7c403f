# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forbidden places of folders: Syncthing's own files, and the system's.

A folder is copied to other machines, and they write to it. With Syncthing's home, they would get the private key and all
passwords; with a system directory, they would control the machine.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import os
import posixpath
import re

# Directories that contain more than one folder; subdirectories of them are allowed.
SHARED_PLACES = frozenset({"/", "/home", "/srv", "/opt", "/mnt", "/media", "/run/media", "/var", "/var/lib"})
# Directories of the system, with everything below.
SYSTEM = re.compile(r"/(bin|boot|dev|etc|lib(32|64|x32|exec)?|proc|run(?!/media/.)|sbin|sys|tmp|usr|var/tmp)(/|$)")
# Syncthing's files in its home, in all versions (lib/locations/locations.go); "gui" replaces files of its web interface.
OWN_FILE = re.compile(
    r"(config\.xml|cert\.pem|key\.pem|https-cert\.pem|https-key\.pem|csrftokens\.txt|syncthing\.(log|lock)|index-v\d|audit-\d|panic-\d)"
    r".*|gui|gui\.sock|\.(config\.xml|cert\.pem|key\.pem)\..*|\.tailsync-new"
)


def normal(path: str) -> str:
    """A path without doubled slashes, dots and a trailing slash, and with one slash at the beginning, where POSIX allows two."""
    return re.sub(r"^//+", "/", posixpath.normpath(path))


def same(one: str | None, other: str | None) -> bool:
    return bool(one) and bool(other) and posixpath.normpath(str(one)) == posixpath.normpath(str(other))


def below(path: str, place: str) -> bool:
    """Whether a normal path is a place, or is in it."""
    return path == place or path.startswith(place.rstrip("/") + "/")


def refusal(path: str, home: str) -> str | None:
    """The reason why no folder may be at this path, None if one may. Links are not followed: see refusal_here."""
    if not path:
        return None
    place, own = normal(path), normal(home)
    if place == "~" or below(own, place):
        return f"{path} is, or contains, Syncthing's home {home} with its private key and all passwords: {_FIX}"
    inside = posixpath.relpath(place, own).split("/")[0] if below(place, own) else ""
    if inside and OWN_FILE.fullmatch(inside):
        return f"{path} is one of Syncthing's own files in its home {home}: {_FIX}"
    if place in SHARED_PLACES:
        return f"{path} holds more than one folder's files: {_FIX}"
    if SYSTEM.match(place):
        return f"{path} is a directory of the system, or of temporary files: {_FIX}"
    return None


_FIX = "give the folder a directory of its own, such as /srv/sync/NAME"


def refusal_here(path: str, home: str) -> str | None:
    """The reason like `refusal`, on the host itself with links resolved."""
    if not path.startswith("/"):
        return refusal(path, home)
    real = os.path.realpath(path)
    reason = refusal(real, os.path.realpath(home))
    return f"{path} leads to {real}. {reason}" if reason and real != normal(path) else reason
