# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be there before Syncthing's first start.

Each file appears complete or not at all, and the certificate last: a run that dies
in between leaves either no identity, which the next run makes, or a whole one.

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

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._identity import device_id_of_certificate

EMPTY_API_KEY = "<apikey></apikey>"
MASKED = "<apikey>(made on the host)</apikey>"
STAGING = ".tailsync-new"
# `generate` may ask no port and make no folder; version 2 knows neither flag, so only the environment will do.
GENERATE_ENVIRONMENT = {"STNODEFAULTFOLDER": "1", "STNOPORTPROBING": "1"}


class IdentityError(Exception):
    """Why a host cannot get its identity, in words for the user."""


def ensure(params: t.Mapping[str, t.Any], check_mode: bool, syncthing: str | None) -> dict[str, t.Any]:
    home = Path(params["home"])
    if EMPTY_API_KEY not in params["configuration"]:
        raise IdentityError(f"configuration has no empty element {EMPTY_API_KEY} for the API key to go to")
    certificate = home / "cert.pem"
    _refuse_another_identity(certificate, params["certificate"])
    missing = {
        "home": not home.is_dir(),
        "key pair": not certificate.exists(),
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
    identity = certificate.read_text(encoding="ascii") if certificate.exists() else params["certificate"]
    result["device_id"] = device_id_of_certificate(identity) if identity else None
    return result


def _refuse_another_identity(path: Path, given: str | None) -> None:
    if not given or not path.exists():
        return
    present = device_id_of_certificate(path.read_text(encoding="ascii"))
    wanted = device_id_of_certificate(given)
    if present != wanted:
        raise IdentityError(
            f"certificate stands for the device {wanted}, but this host is {present} already, and its peers know it by that. "
            f"To replace its identity, stop Syncthing and move {path.parent} away first"
        )


def _owner(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError as error:
        raise IdentityError(f"owner is the user {name!r}, who does not exist on this host: make the user first") from error


def _make_home(home: Path, owner: pwd.struct_passwd) -> None:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chown(home, owner.pw_uid, owner.pw_gid)
    home.chmod(0o700)


def _make_key_pair(home: Path, owner: pwd.struct_passwd, params: t.Mapping[str, t.Any], syncthing: str | None) -> None:
    if params["certificate"]:
        certificate, key = params["certificate"], params["private_key"]
    else:
        certificate, key = _generate(home / STAGING, syncthing)
    _write(home / "key.pem", key, owner)
    _write(home / "cert.pem", certificate, owner)


def _generate(staging: Path, syncthing: str | None) -> tuple[str, str]:
    """A new key pair, made by Syncthing itself."""
    if syncthing is None:
        raise IdentityError("syncthing is not installed on this host: install its package first")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(mode=0o700)
    try:
        done = subprocess.run(
            [syncthing, "generate", f"--home={staging}"],
            # HOME, because old versions make a folder Sync there.
            env={**os.environ, **GENERATE_ENVIRONMENT, "HOME": str(staging)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if done.returncode != 0:
            raise IdentityError(f"syncthing generate failed: {done.stderr.strip() or done.stdout.strip()}")
        return tuple((staging / name).read_text(encoding="ascii") for name in ("cert.pem", "key.pem"))  # type: ignore[return-value]
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write(path: Path, text: str, owner: pwd.struct_passwd) -> None:
    """Put a file in its place at once, readable by its owner only."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text.rstrip("\n") + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.chown(temporary, owner.pw_uid, owner.pw_gid)
    temporary.replace(path)
