# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A call of the module against the double, with answers that the real Syncthing does not give on demand."""

from __future__ import annotations

import os
import pathlib
import pwd
import socket
import threading
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _apply, _tables
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import SyncthingError
from module_call import params
from syncthing_double import API_KEY, Syncthing

NAS = "P56IOI7-MZJNU2Y-IQGDREY-DM2MGTI-MGL3BXN-PQ6W5BM-TBBZ4TJ-XZWICQ2"
MIGRATING = (200, {"Content-Type": "text/plain"}, "*** Database migration in progress ***\n")
JSON = {"Content-Type": "application/json", "X-Syncthing-Version": "v2.1.3"}


def cluster(tmp_path: pathlib.Path, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
    spec = {**_tables.CONNECTION, **_tables.CLUSTER}
    return _apply.apply(params(spec, home=str(tmp_path / "home"), timeout=1, **options), check_mode)


def nas() -> list[dict[str, t.Any]]:
    return [{"name": "nas", "device_id": NAS}]


def test_second_call_of_syncthing_cluster_only_reads(double: Syncthing, tmp_path: pathlib.Path) -> None:
    first = cluster(tmp_path, devices=nas())
    assert (first["changed"], first["version"]) == (True, double.version)
    double.requests.clear()
    assert not cluster(tmp_path, devices=nas())["changed"]
    assert {method for method, _path in double.requests} == {"GET"}


def test_module_waits_for_a_database_migration(double: Syncthing, tmp_path: pathlib.Path) -> None:
    double.script = [MIGRATING, MIGRATING]
    assert cluster(tmp_path, devices=nas())["changed"]


def test_wait_for_a_database_migration_ends_with_the_timeout(double: Syncthing, tmp_path: pathlib.Path) -> None:
    double.script = [MIGRATING] * 500
    with pytest.raises(SyncthingError, match=r"not ready yet: \*\*\* Database migration .* \(waited 1 s\)"):
        cluster(tmp_path, devices=nas())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((403, {}, "CSRF Error\n"), "does not accept the API key"),
        ((401, {}, "Not Authorized\n"), "does not accept the API key"),
        ((403, {}, "Host check error\n"), "host check"),
        ((500, JSON, "a plain reason\n"), "refused GET config: a plain reason"),
        ((500, JSON, ""), "refused GET config: HTTP 500"),
        ((200, JSON, "<html>not JSON"), "JSON"),
    ],
)
def test_each_bad_answer_of_syncthing_has_its_message(
    double: Syncthing, tmp_path: pathlib.Path, answer: tuple[int, dict[str, str], str], words: str
) -> None:
    double.script = [answer]
    with pytest.raises(SyncthingError, match=words) as failure:
        cluster(tmp_path, devices=nas())
    assert API_KEY not in str(failure.value)


@pytest.mark.parametrize("status", [200, 204, 307])
def test_answer_without_syncthings_header_is_retried(double: Syncthing, tmp_path: pathlib.Path, status: int) -> None:
    double.script = [(status, {"Content-Type": "application/json", "Location": "https://elsewhere"}, "")] * 2
    assert cluster(tmp_path, devices=nas())["changed"]


def test_refused_write_is_an_error_with_the_reason_and_the_next_run_finishes(double: Syncthing, tmp_path: pathlib.Path) -> None:
    double.refuse = "verify: folder documents: unknown versioning type"
    with pytest.raises(SyncthingError, match="refused PUT config/devices: verify: folder documents"):
        cluster(tmp_path, devices=nas())
    double.refuse = ""
    assert cluster(tmp_path, devices=nas())["changed"]


def test_change_that_syncthing_does_not_keep_is_an_error(double: Syncthing, tmp_path: pathlib.Path) -> None:
    double.forget = "label"
    folder = {"id": "documents", "path": "/srv/documents", "label": "Mine"}
    with pytest.raises(SyncthingError, match=r"did not keep all of it: folders: documents \(label\)"):
        cluster(tmp_path, folders=[folder])


def leave_at_the_old_address(double: Syncthing) -> dict[str, t.Any]:
    """A web interface whose new address is in the configuration, but neither in config.xml nor in use yet; its options.

    The answer to the write is lost, since a real one ends the connection.
    """
    double.refused_write, double.lost_answer = 0, True
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return {"address": f"127.0.0.1:{found.getsockname()[1]}"}


def test_old_address_that_still_answers_is_no_proof_of_a_move(double: Syncthing, tmp_path: pathlib.Path) -> None:
    gui = leave_at_the_old_address(double)
    words = f"has not moved from http://127.0.0.1:{double.port} to {gui['address']}.*waited 1 s"
    with pytest.raises(SyncthingError, match=words):
        cluster(tmp_path, gui=gui)


def test_web_interface_that_moves_late_is_waited_for(
    double: Syncthing, serve: t.Callable[..., Syncthing], tmp_path: pathlib.Path
) -> None:
    gui = leave_at_the_old_address(double)
    port = int(gui["address"].rpartition(":")[2])
    timer = threading.Timer(0.2, lambda: serve(double, port))
    timer.start()
    assert cluster(tmp_path, gui=gui)["changed"]
    assert not timer.is_alive()
    assert gui["address"] in (tmp_path / "home" / "config.xml").read_text(encoding="utf-8")
    assert not cluster(tmp_path, gui=gui)["changed"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<configuration", "is not XML"),
        ("<configuration><gui><apikey></apikey></gui></configuration>", "has no API key"),
    ],
)
def test_unusable_config_xml_is_an_error(tmp_path: pathlib.Path, text: str, words: str) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.xml").write_text(text, encoding="ascii")
    with pytest.raises(SyncthingError, match=words):
        cluster(tmp_path, devices=nas())


def test_bad_device_id_is_refused_before_any_request(double: Syncthing, tmp_path: pathlib.Path) -> None:
    with pytest.raises(SyncthingError, match=r"device nas: 'ABC' is not a device ID"):
        cluster(tmp_path, devices=[{"name": "nas", "device_id": "ABC"}])
    assert double.requests == []


# --- refused folders ----------------------------------------------------------------------------

PRESENT = ("docs", "music", "photos")


def mixed(tmp_path: pathlib.Path) -> list[dict[str, t.Any]]:
    """Folders of which each but the first is refused for another reason; PRESENT exist already."""
    (tmp_path / "file").write_text("x", encoding="ascii")
    path = str(tmp_path)
    return [
        {"id": "good", "path": f"{path}/good", "device_names": ["nas"]},
        {"id": "afile", "path": f"{path}/file"},
        {"id": "docs", "path": f"{path}/elsewhere"},
        {"id": "music", "type": "sendonly"},
        {"id": "photos", "devices": [{"name": "nas", "encryption_password": "other"}]},
        {"id": "inner", "path": f"{path}/music/inner"},
        {"id": "homeless"},
        {"id": "system", "path": "/etc/x"},
        {"id": "stranger", "path": f"{path}/stranger", "settings": {"noSuchKey": 1}},
    ]


def test_refused_folders_do_not_stop_devices_and_other_folders(double: Syncthing, tmp_path: pathlib.Path) -> None:
    cluster(
        tmp_path, devices=nas(), folders=[{"id": key, "path": f"{tmp_path}/{key}", "device_names": ["nas"]} for key in PRESENT]
    )
    folders = mixed(tmp_path)
    new = {"name": "pi", "device_id": "LYXKCHX-VI3NYZR-ALCJBHF-WMZYSPK-QG6QJA3-MPFYMSO-U56GTUK-NA2MIAW"}
    before = {one["id"]: one for one in double.config["folders"]}
    wanted: dict[str, t.Any] = {"devices": [*nas(), new], "folders": folders, "purge_folders": True, "partial": True}
    checked = cluster(tmp_path, check_mode=True, **wanted)
    done = cluster(tmp_path, **wanted)
    refused = {one["id"]: one["reason"] for one in done["refused"]}
    assert list(refused) == [one["id"] for one in folders[1:]]
    assert {key: text for key, text in refused.items() if not text} == {}
    assert checked["refused"] == done["refused"]
    assert checked["after"] == done["after"]
    after = {one["id"]: one for one in double.config["folders"]}
    assert set(after) == {"good", *PRESENT}
    assert {key: after[key] for key in PRESENT} == before
    assert new["device_id"] in {one["deviceID"] for one in double.config["devices"]}
    again = cluster(tmp_path, **wanted)
    assert (again["changed"], again["refused"]) == (False, done["refused"])


@pytest.mark.parametrize("number", range(1, 9))
def test_refused_folder_is_an_error_unless_partial(double: Syncthing, tmp_path: pathlib.Path, number: int) -> None:
    cluster(
        tmp_path, devices=nas(), folders=[{"id": key, "path": f"{tmp_path}/{key}", "device_names": ["nas"]} for key in PRESENT]
    )
    folders = mixed(tmp_path)
    double.requests.clear()
    with pytest.raises(SyncthingError, match=f"folder {folders[number]['id']}"):
        cluster(tmp_path, devices=nas(), folders=[folders[0], folders[number]])
    assert {method for method, _path in double.requests} == {"GET"}


def test_all_ordinary_folders_are_set_up_by_a_partial_call(double: Syncthing, tmp_path: pathlib.Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o700)
    folders = [{"id": key, "path": f"{tmp_path}/{key}"} for key in ("new", "mine")] + [{"id": "home", "path": "~/Sync"}]
    done = cluster(tmp_path, folders=folders, folder_owner="root", partial=True)
    assert (done["refused"], done["left_out"], len(double.config["folders"])) == ([], [], 3)


def test_check_before_the_first_start_shows_no_empty_device_id(tmp_path: pathlib.Path) -> None:
    folder = {"id": "docs", "path": f"{tmp_path}/docs", "device_names": ["nas"]}
    after = cluster(tmp_path, check_mode=True, devices=nas(), folders=[folder])["after"]
    assert [one["deviceID"] for one in after["folders"]["docs"]["devices"]] == [NAS]


# --- ~ --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "declared"), [("~/Music", "{home}/Music"), ("{home}/Music", "~/Music"), ("~/Music", "~/Music/")]
)
def test_tilde_in_a_path_is_the_home_of_syncthings_user(
    double: Syncthing, tmp_path: pathlib.Path, there: str, declared: str
) -> None:
    own = pwd.getpwuid(os.getuid()).pw_dir
    cluster(tmp_path, folders=[{"id": "music", "path": there.format(home=own)}])
    assert not cluster(tmp_path, folders=[{"id": "music", "path": declared.format(home=own)}])["changed"]
    assert double.config["folders"][0]["path"] == there.format(home=own)


def test_another_path_with_a_tilde_is_refused(double: Syncthing, tmp_path: pathlib.Path) -> None:
    cluster(tmp_path, folders=[{"id": "music", "path": "~/Music"}])
    with pytest.raises(SyncthingError, match="its path is ~/Music, and is to be ~/Other"):
        cluster(tmp_path, folders=[{"id": "music", "path": "~/Other"}])
    assert double.config["folders"][0]["path"] == "~/Music"
