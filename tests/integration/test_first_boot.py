# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the very first start does, with the role's own template."""

from __future__ import annotations

import pathlib
import stat
import subprocess
import typing as t

import artefacts
import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _first_boot

SILENT = {
    "globalAnnounceEnabled": False,
    "localAnnounceEnabled": False,
    "announceLANAddresses": False,
    "relaysEnabled": False,
    "natEnabled": False,
    "crashReportingEnabled": False,
    "urAccepted": -1,
    "autoUpgradeIntervalH": 0,
}


def test_the_version_is_the_one_the_test_is_named_after(daemon: t.Any, suite: str) -> None:
    assert daemon.get("system/version")["version"].startswith({"bookworm": "v1.19.2", "trixie": "v1.29.5"}[suite])


def test_it_is_silent_from_the_start(daemon: t.Any) -> None:
    options = daemon.get("config/options")
    assert {key: options[key] for key in SILENT} == SILENT
    assert options["listenAddresses"] == [daemon.address]
    assert daemon.get("config/folders") == []


def test_the_device_id_is_the_one_that_syncthing_has(daemon: t.Any) -> None:
    assert daemon.get("system/status")["myID"] == daemon.device_id


def test_the_api_key_survives_the_first_start(daemon: t.Any) -> None:
    """A file without one would get a random key in memory only."""
    daemon.get("config")
    daemon.stop()
    daemon.start()
    assert daemon.look()["device_id"] == daemon.device_id


def test_nothing_is_readable_by_others(daemon: t.Any) -> None:
    assert stat.S_IMODE(daemon.home.stat().st_mode) == 0o700
    for name in ("config.xml", "key.pem"):
        assert stat.S_IMODE((daemon.home / name).stat().st_mode) == 0o600


def test_a_second_time_makes_nothing(make_daemon: t.Any, suite: str) -> None:
    daemon = make_daemon(suite, start=False)
    before = {path.name: path.read_bytes() for path in daemon.home.iterdir() if path.is_file()}
    again = daemon.first_boot()
    assert (again["changed"], again["created"]) == (False, [])
    assert {path.name: path.read_bytes() for path in daemon.home.iterdir() if path.is_file()} == before


def params(home: pathlib.Path, **more: t.Any) -> dict[str, t.Any]:
    base = {"home": str(home), "owner": "root", "configuration": "<configuration><gui><apikey></apikey></gui></configuration>"}
    return {**base, "api_key": None, "certificate": None, "private_key": None, **more}


def test_a_run_that_died_half_way_is_finished(tmp_path: pathlib.Path) -> None:
    program = str(artefacts.syncthing("trixie"))
    home = tmp_path / "home"
    first = _first_boot.ensure(params(home), False, program)
    (home / "config.xml").unlink()
    (home / _first_boot.STAGING).mkdir()
    second = _first_boot.ensure(params(home), False, program)
    assert second["created"] == ["config.xml"]
    assert second["device_id"] == first["device_id"]
    (home / "cert.pem").unlink()
    third = _first_boot.ensure(params(home), False, program)
    assert third["created"] == ["key pair"]
    assert third["device_id"] != first["device_id"]


def test_an_identity_is_restored_and_never_replaced(tmp_path: pathlib.Path) -> None:
    program = str(artefacts.syncthing("trixie"))
    old = _first_boot.ensure(params(tmp_path / "old"), False, program)
    kept = {
        option: (tmp_path / "old" / name).read_text(encoding="ascii")
        for option, name in (("certificate", "cert.pem"), ("private_key", "key.pem"))
    }
    restored = _first_boot.ensure(params(tmp_path / "new", **kept), False, syncthing=None)
    assert restored["device_id"] == old["device_id"]
    assert not _first_boot.ensure(params(tmp_path / "new", **kept), False, syncthing=None)["changed"]
    _first_boot.ensure(params(tmp_path / "another"), False, program)
    with pytest.raises(_first_boot.IdentityError, match=old["device_id"]):
        _first_boot.ensure(params(tmp_path / "another", **kept), False, program)


def test_check_mode_makes_nothing_and_says_what_it_would(tmp_path: pathlib.Path) -> None:
    result = _first_boot.ensure(params(tmp_path / "home", api_key="a-very-secret-key"), True, None)
    assert result["created"] == ["home", "key pair", "config.xml"]
    assert "a-very-secret-key" not in str(result)
    assert not (tmp_path / "home").exists()


def test_the_key_pair_is_syncthings_own(tmp_path: pathlib.Path, suite: str) -> None:
    program = artefacts.syncthing(suite)
    made = _first_boot.ensure(params(tmp_path / "home"), False, str(program))
    told = subprocess.run(
        [program, "--device-id", f"--home={tmp_path / 'home'}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert made["device_id"] == told
