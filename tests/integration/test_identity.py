# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first start of Syncthing with the role's template."""

from __future__ import annotations

import os
import pathlib
import pwd
import stat
import subprocess
import typing as t

import artefacts
import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _identity, _mounts
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import IdentityError

PAIR = (("certificate", "cert.pem"), ("private_key", "key.pem"))
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


def test_daemon_has_the_version_of_its_debian_release(daemon: t.Any, suite: str) -> None:
    assert daemon.get("system/version")["version"].startswith({"bookworm": "v1.19.2", "trixie": "v1.29.5"}[suite])


def test_syncthing_contacts_no_servers_from_its_first_start(daemon: t.Any) -> None:
    options = daemon.get("config/options")
    assert {key: options[key] for key in SILENT} == SILENT
    assert options["listenAddresses"] == [daemon.address]
    assert daemon.get("config/folders") == []


def test_computed_device_id_is_that_of_the_daemon(daemon: t.Any) -> None:
    assert daemon.get("system/status")["myID"] == daemon.device_id


def test_api_key_is_kept_by_the_first_start(daemon: t.Any) -> None:
    """Without a key in the file, Syncthing uses a random key that it does not write."""
    daemon.get("config")
    daemon.stop()
    daemon.start()
    assert daemon.look()["device_id"] == daemon.device_id


def test_identity_files_are_not_readable_by_others(daemon: t.Any) -> None:
    assert stat.S_IMODE(daemon.home.stat().st_mode) == 0o700
    for name in ("config.xml", "key.pem"):
        assert stat.S_IMODE((daemon.home / name).stat().st_mode) == 0o600


def test_second_call_creates_no_identity(make_daemon: t.Any, suite: str) -> None:
    daemon = make_daemon(suite, start=False)
    before = {path.name: path.read_bytes() for path in daemon.home.iterdir() if path.is_file()}
    again = daemon.first_boot()
    assert (again["changed"], again["created"]) == (False, [])
    assert {path.name: path.read_bytes() for path in daemon.home.iterdir() if path.is_file()} == before


def params(home: pathlib.Path, **more: t.Any) -> dict[str, t.Any]:
    base = {"home": str(home), "owner": "root", "configuration": "<configuration><gui><apikey></apikey></gui></configuration>"}
    return {**base, "api_key": None, "certificate": None, "private_key": None, **more}


def test_identity_is_completed_after_an_interrupted_run(tmp_path: pathlib.Path) -> None:
    program = str(artefacts.syncthing("trixie"))
    home = tmp_path / "home"
    first = _identity.apply(params(home), False, program)
    (home / "config.xml").unlink()
    (home / _identity.STAGING).mkdir()
    second = _identity.apply(params(home), False, program)
    assert second["created"] == ["config.xml"]
    assert second["device_id"] == first["device_id"]


def test_identity_is_completed_after_a_run_that_wrote_one_file(tmp_path: pathlib.Path) -> None:
    program = str(artefacts.syncthing("trixie"))
    home = tmp_path / "home"
    first = _identity.apply(params(home), False, program)
    (home / _identity.STAGING).mkdir()
    (home / "cert.pem").rename(home / _identity.STAGING / "cert.pem")
    second = _identity.apply(params(home), False, program)
    assert (second["created"], second["device_id"]) == (["key pair"], first["device_id"])
    assert not (home / _identity.STAGING).exists()


def damages() -> dict[str, t.Callable[[pathlib.Path, pathlib.Path], object]]:
    return {
        "cert.pem is empty": lambda home, _other: (home / "cert.pem").write_text("", encoding="ascii"),
        "key.pem is empty": lambda home, _other: (home / "key.pem").write_text("\n", encoding="ascii"),
        "cert.pem is not there": lambda home, _other: (home / "cert.pem").unlink(),
        "key.pem is not there": lambda home, _other: (home / "key.pem").unlink(),
        "cert.pem and key.pem in .*: empty": lambda home, _other: [
            (home / name).write_text("", encoding="ascii") for name in ("cert.pem", "key.pem")
        ],
        "do not belong together": lambda home, other: (home / "key.pem").write_bytes((other / "key.pem").read_bytes()),
        "cannot be parsed": lambda home, _other: (home / "key.pem").write_text("garbage", encoding="ascii"),
        "certificate cannot be parsed": lambda home, _other: (home / "cert.pem").write_text("garbage", encoding="ascii"),
        "they cannot be parsed": lambda home, _other: (home / "key.pem").write_bytes((home / "key.pem").read_bytes()[:100]),
        "a database .* and no key pair": lambda home, _other: [
            (home / "index-v0.14.0.db").mkdir(),
            (home / "cert.pem").unlink(),
            (home / "key.pem").unlink(),
        ],
    }


@pytest.mark.parametrize("words", sorted(damages()))
def test_damaged_identity_is_refused_and_can_be_restored(tmp_path: pathlib.Path, words: str) -> None:
    program = str(artefacts.syncthing("trixie"))
    home, other = tmp_path / "home", tmp_path / "other"
    whole = _identity.apply(params(home), False, program)
    _identity.apply(params(other), False, program)
    kept = {option: (home / name).read_text(encoding="ascii") for option, name in PAIR}
    damages()[words](home, other)
    before = {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()}
    for check_mode in (True, False):
        with pytest.raises(IdentityError, match=f"{words}.* Restore both .*/cert.pem"):
            _identity.apply(params(home), check_mode, program)
    assert {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()} == before
    if "parsed" in words or "together" in words:
        return  # the existing half may be the right one, so the user has to move it away
    restored = _identity.apply(params(home, **kept), False, None)
    assert (restored["created"], restored["device_id"]) == (["key pair"], whole["device_id"])
    assert _identity.identity_problem(str(home)) is None
    assert not _identity.apply(params(home), False, program)["changed"]


def test_declared_key_must_match_its_certificate_and_the_existing_identity(tmp_path: pathlib.Path) -> None:
    program = str(artefacts.syncthing("trixie"))
    for name in ("one", "two"):
        _identity.apply(params(tmp_path / name), False, program)
    one, two = ({option: (tmp_path / name / file).read_text("ascii") for option, file in PAIR} for name in ("one", "two"))
    with pytest.raises(IdentityError, match="do not belong together"):
        _identity.apply(params(tmp_path / "new", certificate=one["certificate"], private_key=two["private_key"]), False, None)
    assert not (tmp_path / "new").exists()
    (tmp_path / "one" / "cert.pem").unlink()
    with pytest.raises(IdentityError, match=r"key\.pem is the key of another one"):
        _identity.apply(params(tmp_path / "one", **two), False, None)
    assert _identity.apply(params(tmp_path / "one", **one), False, None)["created"] == ["key pair"]


def test_home_on_an_unmounted_disk_is_not_created(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fstab").write_text(f"UUID=2 {tmp_path}/disk ext4 nofail 0 2\n", encoding="utf-8")
    monkeypatch.setattr(_mounts, "FSTAB", tmp_path / "fstab")
    (tmp_path / "disk").mkdir()
    for home in (tmp_path / "disk", tmp_path / "disk" / "syncthing"):
        with pytest.raises(IdentityError, match=r"home .* is not there: the disk for .*/disk .* is not mounted"):
            _identity.apply(params(home), False, str(artefacts.syncthing("trixie")))
    assert list((tmp_path / "disk").iterdir()) == []
    assert _identity.apply(params(tmp_path / "elsewhere"), False, str(artefacts.syncthing("trixie")))["changed"]


def test_identity_is_restored_but_never_replaced(tmp_path: pathlib.Path) -> None:
    program = str(artefacts.syncthing("trixie"))
    old = _identity.apply(params(tmp_path / "old"), False, program)
    kept = {
        option: (tmp_path / "old" / name).read_text(encoding="ascii")
        for option, name in (("certificate", "cert.pem"), ("private_key", "key.pem"))
    }
    restored = _identity.apply(params(tmp_path / "new", **kept), False, syncthing=None)
    assert restored["device_id"] == old["device_id"]
    assert not _identity.apply(params(tmp_path / "new", **kept), False, syncthing=None)["changed"]
    _identity.apply(params(tmp_path / "another"), False, program)
    with pytest.raises(IdentityError, match=old["device_id"]):
        _identity.apply(params(tmp_path / "another", **kept), False, program)


def test_check_mode_creates_no_identity_and_predicts_the_change(tmp_path: pathlib.Path) -> None:
    result = _identity.apply(params(tmp_path / "home", api_key="a-very-secret-key"), True, None)
    assert result["created"] == ["home", "key pair", "config.xml"]
    assert "a-very-secret-key" not in str(result)
    assert not (tmp_path / "home").exists()


def test_key_pair_has_the_device_id_that_syncthing_prints(tmp_path: pathlib.Path, suite: str) -> None:
    program = artefacts.syncthing(suite)
    made = _identity.apply(params(tmp_path / "home"), False, str(program))
    told = subprocess.run(
        [program, "--device-id", f"--home={tmp_path / 'home'}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert made["device_id"] == told


def test_parents_of_the_syncthing_home_belong_to_the_homes_owner(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = str(artefacts.syncthing("trixie"))
    me = pwd.struct_passwd(("me", "x", 12345, 12346, "", str(tmp_path), "/bin/bash"))
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: me)
    os.chown(tmp_path, me.pw_uid, me.pw_gid)
    _identity.apply({**params(tmp_path / ".local" / "state" / "syncthing"), "owner": "me"}, False, program)
    made = [".local", ".local/state", ".local/state/syncthing", ".local/state/syncthing/key.pem"]
    assert {name: (tmp_path / name).stat().st_uid for name in made} == dict.fromkeys(made, 12345)
    assert stat.S_IMODE((tmp_path / ".local/state/syncthing").stat().st_mode) == 0o700
