# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of a host's key pair; nothing is changed.

The pair is the device's identity. If Syncthing finds half of it, it overwrites that with a new pair, and the host is an
unknown device to its peers.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _disk, _mounts
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._device_id import device_id_of_certificate

CERTIFICATE, KEY = "cert.pem", "key.pem"
STAGING = ".tailsync-new"
RESTORE = (
    "Restore both {home}/cert.pem and {home}/key.pem from a backup, or give them as syncthing_certificate and "
    "syncthing_private_key (certificate and private_key of the module). Only if this host is to be a new device for its peers, "
    "move {away} away"
)


def identity_problem(home: str, given: bool = False) -> str | None:
    """The problem of the key pair in a home, with the fix; None for a whole pair, or if none was created yet.

    `given` means that a pair is to be written there, so that missing files are no problem.
    """
    away = _disk.not_mounted(os.path.realpath(home), None, _mounts.read())
    if away:
        return f"Syncthing's home {home} is not there: {away}"
    place = Path(home)
    try:
        present = {name: _content(place / name) for name in (CERTIFICATE, KEY)}
        databases = sorted(path.name for path in place.glob("index-v*")) if place.is_dir() else []
    except OSError as error:
        return f"{error.filename} cannot be read ({error.strerror}): repair it first; the device's identity is in there"
    if given or unfinished(place):
        return None
    lost = [name for name, content in present.items() if not content]
    if lost:
        return _lost(place, lost, databases)
    problem = pair_problem(present[CERTIFICATE], present[KEY])
    return f"{home}/cert.pem and {home}/key.pem: {problem}. {RESTORE.format(home=home, away='both')}" if problem else None


def _lost(home: Path, lost: list[str], databases: list[str]) -> str | None:
    """The message for half a pair, for files that a power cut has emptied, and for a used home without a pair."""
    emptied = [name for name in lost if (home / name).exists()]
    if len(lost) == 1:
        what, away = f"{home / lost[0]} is {'empty' if emptied else 'not there'}", "both"
    elif emptied:
        what, away = f"{' and '.join(emptied)} in {home}: empty", " and ".join(emptied)
    elif databases:
        what, away = f"{home} has a database ({databases[0]}) and no key pair", databases[0]
    else:
        return None
    return f"{what}: this device's identity is lost. {RESTORE.format(home=home, away=away)}"


def unfinished(home: Path) -> bool:
    """Whether a run was interrupted between the two files of a new pair: the fitting certificate is in the staging directory."""
    try:
        waiting = _content(home / STAGING / CERTIFICATE)
        key = _content(home / KEY)
        return bool(waiting and key) and not _content(home / CERTIFICATE) and pair_problem(waiting, key) is None
    except OSError:
        return False


def pair_problem(certificate: str, key: str) -> str | None:
    """The reason why two texts in PEM form are no key pair; None if they are one."""
    try:
        device_id_of_certificate(certificate)
    except ValueError:
        return "the certificate cannot be parsed"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")  # an old key is a short one, and still the identity
    try:
        with _in_memory(certificate) as certificate_file, _in_memory(key) as key_file:
            context.load_cert_chain(certificate_file.name, key_file.name, password=lambda: b"")
    except ssl.SSLError as error:
        if error.reason and "MISMATCH" in error.reason:
            return "they do not belong together"
        return f"they cannot be parsed ({error.reason or error})"
    except ValueError as error:  # an encrypted key, which Syncthing cannot open either
        return f"they cannot be parsed ({error})"
    return None


class _in_memory:  # noqa: N801
    """A file in memory, for a library that accepts only file names."""

    def __init__(self, text: str) -> None:
        self.handle = os.memfd_create("pem")
        os.write(self.handle, text.encode())
        self.name = f"/proc/self/fd/{self.handle}"

    def __enter__(self) -> _in_memory:
        return self

    def __exit__(self, *_error: object) -> None:
        os.close(self.handle)


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return ""
