# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that must exist before Syncthing's first start.

Each file is written atomically, and the certificate last. An interrupted run leaves no identity, which the next run
creates, or a key whose certificate is in the staging directory, or a whole identity.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import typing as t
from pathlib import Path
from xml.sax.saxutils import escape

from ansible_collections.homelab.tailsync.plugins.module_utils._common import files
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _disk, _key_pair
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._device_id import device_id_of_certificate
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import IdentityError, SyncthingError
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._key_pair import STAGING, identity_problem

__all__ = ["STAGING", "apply", "identity_problem"]

EMPTY_API_KEY = "<apikey></apikey>"
MASKED = "<apikey>(made on the host)</apikey>"
# `generate` must neither probe ports nor create a folder; version 2 has no flags for that, only the environment.
GENERATE_ENVIRONMENT = {"STNODEFAULTFOLDER": "1", "STNOPORTPROBING": "1"}


def apply(params: t.Mapping[str, t.Any], check_mode: bool, syncthing: str | None) -> dict[str, t.Any]:
    home = Path(params["home"])
    if EMPTY_API_KEY not in params["configuration"]:
        raise IdentityError(f"configuration has no empty element {EMPTY_API_KEY} for the API key")
    certificate = home / "cert.pem"
    _refuse_half_a_pair(home, params)
    missing = {
        "home": not home.is_dir(),
        "key pair": not (_filled(certificate) and _filled(home / "key.pem")),
        "config.xml": not (home / "config.xml").exists(),
    }
    created = [name for name, absent in missing.items() if absent]
    after = params["configuration"].replace(EMPTY_API_KEY, MASKED) if missing["config.xml"] else ""
    result = {"changed": bool(created), "created": created, "diff": {"before": "", "after": after}}
    if created and not check_mode:
        owner = _owner(params["owner"])
        _make_home(home, owner)
        if missing["key pair"]:
            _make_key_pair(home, owner, params, syncthing)
        if missing["config.xml"]:
            api_key = params["api_key"] or secrets.token_urlsafe(32)
            text = params["configuration"].replace(EMPTY_API_KEY, f"<apikey>{escape(api_key)}</apikey>")
            _write(home / "config.xml", text, owner)
    identity = certificate.read_text(encoding="ascii") if _filled(certificate) else params["certificate"]
    result["device_id"] = device_id_of_certificate(identity) if identity else None
    return result


def _refuse_half_a_pair(home: Path, params: t.Mapping[str, t.Any]) -> None:
    given = params["certificate"]
    problem = identity_problem(str(home), given=bool(given))
    if problem:
        raise IdentityError(problem)
    if not given:
        return
    wrong = _key_pair.pair_problem(given, params["private_key"])
    if wrong:
        raise IdentityError(f"certificate and private_key: {wrong}: give the contents of cert.pem and key.pem of one device")
    certificate, key = home / "cert.pem", home / "key.pem"
    wanted = device_id_of_certificate(given)
    if _filled(certificate):
        try:
            present = device_id_of_certificate(certificate.read_text(encoding="utf-8", errors="replace"))
        except ValueError:
            present = "another device, whose certificate cannot be parsed"
        if present != wanted:
            raise IdentityError(
                f"certificate is that of the device {wanted}, but this host is {present} already, and its peers know that ID. "
                f"To replace its identity, stop Syncthing and move {home} away first"
            )
    if _filled(key) and _key_pair.pair_problem(given, key.read_text(encoding="utf-8", errors="replace")):
        raise IdentityError(
            f"certificate is that of the device {wanted}, but {key} is the key of another one, and may be all that is left of "
            "this host's identity. To replace it, stop Syncthing and move it away first"
        )


def _filled(path: Path) -> bool:
    return path.exists() and bool(path.read_bytes().strip())


def _owner(name: str) -> pwd.struct_passwd:
    found = files.user_named(name)
    if found is None:
        raise IdentityError(f"owner is the user {name!r}, who does not exist on this host: create the user first")
    return found


def _make_home(home: Path, owner: pwd.struct_passwd) -> None:
    try:
        # The user owns new parents in the own home, so that a new ~/.local does not belong to root.
        _disk.make_root("of Syncthing's home", str(home), owner.pw_name)
    except SyncthingError as error:
        raise IdentityError(str(error)) from error
    os.chown(home, owner.pw_uid, owner.pw_gid)
    home.chmod(0o700)


def _make_key_pair(home: Path, owner: pwd.struct_passwd, params: t.Mapping[str, t.Any], syncthing: str | None) -> None:
    staging = home / STAGING
    if params["certificate"]:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700)
        _write(staging / "key.pem", params["private_key"], owner)
        _write(staging / "cert.pem", params["certificate"], owner)
    elif not _key_pair.unfinished(home):
        _generate(staging, syncthing, owner)
    if (staging / "key.pem").exists():
        (staging / "key.pem").replace(home / "key.pem")
    (staging / "cert.pem").replace(home / "cert.pem")
    shutil.rmtree(staging, ignore_errors=True)


def _generate(staging: Path, syncthing: str | None, owner: pwd.struct_passwd) -> None:
    """Let Syncthing generate a new key pair."""
    if syncthing is None:
        raise IdentityError("syncthing is not installed on this host: install its package first")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(mode=0o700)
    done = subprocess.run(
        [syncthing, "generate", f"--home={staging}"],
        # HOME, because old versions create a folder Sync there.
        env={**os.environ, **GENERATE_ENVIRONMENT, "HOME": str(staging)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode != 0:
        shutil.rmtree(staging, ignore_errors=True)
        raise IdentityError(_generate_problem(done.stderr.strip() or done.stdout.strip(), syncthing))
    # Written again for the right owner, since root may have created them, and atomically.
    for name in ("key.pem", "cert.pem"):
        _write(staging / name, (staging / name).read_text(encoding="ascii"), owner)


def _generate_problem(said: str, syncthing: str) -> str:
    """Syncthing's own words; instead of the help of one that does not know `generate`, its version."""
    if "Usage" not in said:
        return f"syncthing generate failed: {said}"
    shown = subprocess.run([syncthing, "--version"], capture_output=True, text=True, check=False, timeout=60).stdout.split()
    version = shown[1] if shown[:1] == ["syncthing"] and shown[1:] else "an unknown version"
    return (
        f"{syncthing} ({version}) is too old for this collection, which needs 1.19 or newer: set "
        "syncthing_package_source: vendor, and remove the old program (apt-get remove syncthing), which keeps its files"
    )


def _write(path: Path, text: str, owner: pwd.struct_passwd) -> None:
    """Write a file atomically, readable by its owner only."""
    files.remove_stale(path)
    files.write_whole(path, (text.rstrip("\n") + "\n").encode(), owner=(owner.pw_uid, owner.pw_gid))
