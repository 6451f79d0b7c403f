# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for any existing configuration and any declared one."""

from __future__ import annotations

import copy
import random
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _describe, _plan, _schema
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import SyncthingError
from hypothesis import given
from hypothesis import strategies as st
from syncthing_double import OWN, Syncthing

Json = t.Dict[str, t.Any]  # noqa: UP006
IDS = {
    "nas": "P56IOI7-MZJNU2Y-IQGDREY-DM2MGTI-MGL3BXN-PQ6W5BM-TBBZ4TJ-XZWICQ2",
    "vps": "LYXKCHX-VI3NYZR-ALCJBHF-WMZYSPK-QG6QJA3-MPFYMSO-U56GTUK-NA2MIAW",
    "pi": "NQJFBOP-KQH7YX4-2DQZ2HZ-PXYOZ5P-EDYKMDL-DVEXCDB-5N6RIM2-JVBZYAA",
}
NETWORKS = ["100.64.0.0/10"]
SEEN = _plan.Seen(OWN)


@st.composite
def devices(draw: st.DrawFn, names: list[str]) -> list[Json]:
    found = []
    for name in names:
        device: Json = {"name": name, "device_id": IDS[name]}
        for key, values in (
            ("addresses", st.sampled_from([[], ["dynamic"], [f"tcp://{name}:22000"], ["tcp://a:1", "tcp://b:2"]])),
            ("allowed_networks", st.sampled_from([[], NETWORKS])),
            ("introducer", st.booleans()),
            ("paused", st.booleans()),
            ("compression", st.sampled_from(["metadata", "always"])),
            ("max_send_kbps", st.integers(0, 3)),
            ("settings", st.fixed_dictionaries({"maxRequestKiB": st.integers(0, 3)})),
        ):
            if draw(st.booleans()):
                device[key] = draw(values)
        found.append(device)
    return found


@st.composite
def folders(draw: st.DrawFn, names: list[str]) -> list[Json]:
    found = []
    for folder_id in draw(st.lists(st.sampled_from(["documents", "photos", "music"]), unique=True)):
        folder: Json = {"id": folder_id, "path": f"/srv/{folder_id}"}
        members = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
        if draw(st.booleans()):
            folder["devices"] = [
                {"name": name, **({"encryption_password": "secret"} if draw(st.booleans()) else {})} for name in members
            ]
        for key, values in (
            ("label", st.sampled_from(["", "My files"])),
            ("rescan_interval", st.integers(0, 3)),
            ("paused", st.booleans()),
            ("versioning", st.sampled_from([{"type": "none"}, {"type": "simple", "params": {"keep": 5}}, {"type": "trashcan"}])),
            ("min_disk_free", st.sampled_from(["0", "1 %", "10 GB"])),
            ("max_conflicts", st.integers(0, 3)),
            ("settings", st.fixed_dictionaries({"fsWatcherTimeoutS": st.integers(0, 3)})),
        ):
            if draw(st.booleans()):
                folder[key] = draw(values)
        found.append(folder)
    return found


@st.composite
def declarations(draw: st.DrawFn) -> Json:
    names = draw(st.lists(st.sampled_from(sorted(IDS)), unique=True))
    options = draw(
        st.fixed_dictionaries({}, optional={"relays_enabled": st.booleans(), "ur_accepted": st.sampled_from([-1, 0, 3])})
    )
    return {"devices": draw(devices(names)), "folders": draw(folders(names)), "options": options}


def apply(double: Syncthing, plan: _plan.Plan) -> None:
    for write in plan.writes:
        double.write(write.method, write.path, copy.deepcopy(write.body))


wires = st.sampled_from([1, 2])


@given(wires, declarations(), declarations())
def test_applied_plan_gives_the_declared_configuration(wire: int, first: Json, second: Json) -> None:
    double = Syncthing(wire)
    for declared in (first, second):
        plan = _plan.plan(copy.deepcopy(double.config), SEEN, {**declared, "allow_moves": True})
        apply(double, plan)
        assert _describe.not_applied(double.config, {}, plan) == []
        assert (
            _schema.without_secrets(_describe.describe(_describe.State(double.config, {}), plan.declared, plan.to_remove))
            == plan.described
        )
        again = _plan.plan(copy.deepcopy(double.config), SEEN, declared)
        assert again.writes == []
        assert again.before == again.after == {}
        assert again.described == plan.described


@given(wires, declarations(), declarations())
def test_undeclared_options_never_change(wire: int, first: Json, second: Json) -> None:
    double = Syncthing(wire)
    apply(double, _plan.plan(copy.deepcopy(double.config), SEEN, first))
    before = copy.deepcopy(double.config)
    apply(double, _plan.plan(copy.deepcopy(double.config), SEEN, {**second, "allow_moves": True}))
    after = double.config
    declared_options = {_schema.OPTIONS_KEYS[key] for key in second["options"]}
    for key, value in before["options"].items():
        assert key in declared_options or after["options"][key] == value
    for kind, identifier, names, extra in (
        ("devices", "deviceID", _schema.DEVICE_KEYS, {}),
        ("folders", "id", _schema.FOLDER_KEYS, _schema.FOLDER_PARTS),
    ):
        wanted = {one.get("device_id") or one["id"]: one for one in second[kind]}
        now = {one[identifier]: one for one in after[kind]}
        for one in before[kind]:
            declared = wanted.get(one[identifier], {})
            named = {{**names, **extra}[key] for key in declared if key in {**names, **extra}}
            named |= {*(declared.get("settings") or {})}
            for key, value in one.items():
                assert key in named or now[one[identifier]][key] == value, (kind, key)


@given(wires, declarations(), st.randoms(use_true_random=False))
def test_order_of_declared_lists_does_not_matter(wire: int, declared: Json, shuffler: random.Random) -> None:
    double = Syncthing(wire)
    apply(double, _plan.plan(copy.deepcopy(double.config), SEEN, declared))
    shuffled = copy.deepcopy(declared)
    for folder in shuffled["folders"]:
        shuffler.shuffle(folder.get("devices") or [])
    for key in ("devices", "folders"):
        shuffler.shuffle(shuffled[key])
    assert _plan.plan(copy.deepcopy(double.config), SEEN, shuffled).writes == []


@given(wires, declarations())
def test_plan_shows_no_secret(wire: int, declared: Json) -> None:
    plan = _plan.plan(Syncthing(wire).config, SEEN, declared)
    assert "secret" not in str((plan.before, plan.after))


def test_devices_are_written_before_their_folders() -> None:
    declared = {
        "devices": [{"name": "nas", "device_id": IDS["nas"]}],
        "folders": [{"id": "documents", "path": "/srv/documents", "devices": [{"name": "nas"}]}],
    }
    plan = _plan.plan(Syncthing().config, SEEN, declared)
    assert [write.path for write in plan.writes] == ["config/devices", "config/folders"]


def test_devices_added_by_an_introducer_are_kept() -> None:
    double = Syncthing()
    double.write(
        "PUT", "config/devices", [{"deviceID": IDS["pi"], "introducedBy": IDS["nas"]}, {"deviceID": IDS["nas"], "name": "nas"}]
    )
    shares = [{"deviceID": IDS["pi"], "introducedBy": IDS["nas"]}, {"deviceID": IDS["nas"]}]
    double.write("PUT", "config/folders", [{"id": "documents", "path": "/srv/documents", "devices": shares}])
    declared = {"folders": [{"id": "documents", "devices": [{"name": "nas"}]}]}
    assert _plan.plan(double.config, SEEN, declared).writes == []


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ({"id": "new", "path": "/srv/documents/inside"}, "folder new .* lies inside folder documents"),
        ({"id": "new", "path": "/srv/documents"}, "lies inside"),
        ({"id": "documents", "path": "/elsewhere"}, "its path is /srv/documents.* allow_moves"),
        ({"id": "documents", "type": "sendonly"}, "its type is sendreceive.* allow_moves"),
        ({"id": "new", "path": "/srv/new", "devices": [{"device_id": IDS["vps"]}]}, "no device here"),
        ({"id": "documents", "settings": {"rescanInterval": 1}}, "'rescanInterval'.*rescanIntervalS"),
    ],
)
def test_plan_that_could_lose_files_or_not_converge_is_refused(folder: Json, words: str) -> None:
    double = Syncthing()
    double.write("PUT", "config/folders", [{"id": "documents", "path": "/srv/documents", "devices": []}])
    with pytest.raises(SyncthingError, match=words):
        _plan.plan(double.config, SEEN, {"folders": [folder]})


def test_other_spelling_of_a_path_is_no_move() -> None:
    double = Syncthing()
    double.write("PUT", "config/folders", [{"id": "documents", "path": "/srv/documents", "devices": []}])
    plan = _plan.plan(double.config, SEEN, {"folders": [{"id": "documents", "path": "/srv/documents/"}]})
    assert plan.writes == []


def test_diff_shows_that_a_secret_changes_but_not_its_value() -> None:
    double = Syncthing()
    double.write("PUT", "config/devices", [{"deviceID": IDS["nas"], "name": "nas"}])
    shares = [{"deviceID": IDS["nas"], "encryptionPassword": "old-secret"}]
    double.write("PUT", "config/folders", [{"id": "photos", "path": "/srv/photos", "devices": shares}])
    member = {"name": "nas", "encryption_password": "new-secret"}
    plan = _plan.plan(double.config, SEEN, {"folders": [{"id": "photos", "devices": [member]}], "allow_moves": True})
    before, after = (
        {share["deviceID"]: share["encryptionPassword"] for share in shown["folders"]["photos"]["devices"]}
        for shown in (plan.before, plan.after)
    )
    assert (before[IDS["nas"]], after[IDS["nas"]]) == (_schema.MASK, _schema.NEW_MASK)
    apply(double, plan)
    assert _describe.not_applied(double.config, {}, plan) == []


def test_nested_folders_made_by_hand_do_not_block_other_changes() -> None:
    double = Syncthing()
    for name in ("srv", "srv/inner", "elsewhere"):
        double.write("PUT", "config/folders", [{"id": name, "path": f"/{name}", "devices": []}])
    assert _plan.plan(double.config, SEEN, {"folders": [{"id": "elsewhere", "label": "Mine"}]}).writes
    assert _plan.plan(double.config, SEEN, {"folders": [{"id": "srv", "label": "Mine"}]}).writes
    with pytest.raises(SyncthingError, match=r"folder new .* lies inside folder srv"):
        _plan.plan(double.config, SEEN, {"folders": [{"id": "new", "path": "/srv/third"}]})


@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_interrupted_replacement_of_a_device_is_finished_by_the_next_run(done: int) -> None:
    double = Syncthing()
    double.write("PUT", "config/devices", [{"deviceID": IDS["nas"], "name": "pi", "maxSendKbps": 9}])
    shares = [{"deviceID": IDS["nas"], "encryptionPassword": "a-secret"}]
    double.write("PUT", "config/folders", [{"id": "photos", "path": "/srv/photos", "devices": shares}])
    declared = {"devices": [{"name": "pi", "device_id": IDS["pi"]}], "replace_devices": True}
    first = _plan.plan(copy.deepcopy(double.config), SEEN, declared)
    assert len(first.writes) == 3
    for write in first.writes[:done]:
        double.write(write.method, write.path, copy.deepcopy(write.body))
    apply(double, _plan.plan(copy.deepcopy(double.config), SEEN, declared))
    pi = next(device for device in double.config["devices"] if device["name"] == "pi")
    assert (pi["deviceID"], pi["maxSendKbps"], len(double.config["devices"])) == (IDS["pi"], 9, 2)
    passwords = {share["deviceID"]: share["encryptionPassword"] for share in double.config["folders"][0]["devices"]}
    assert passwords == {OWN: "", IDS["pi"]: "a-secret"}
    assert _plan.plan(copy.deepcopy(double.config), SEEN, declared).writes == []


def test_peer_with_the_host_name_of_this_host_is_another_device() -> None:
    """Two machines from one image: Syncthing names each of them after its host name."""
    double = Syncthing()
    double.config["devices"][0]["name"] = "pi"
    first: Json = {"devices": [{"name": "pi", "device_id": IDS["pi"]}], "folders": []}
    shared = {"id": "documents", "path": "/srv/documents", "devices": [{"name": "pi"}]}
    for write in _plan.plan(copy.deepcopy(double.config), SEEN, {**first, "folders": [shared]}).writes:
        double.write(write.method, write.path, write.body)
    # With --limit its ID is not known, and the device is still found.
    limited: Json = {"devices": [{"name": "pi"}], "folders": [shared], "purge_devices": True}
    plan = _plan.plan(copy.deepcopy(double.config), SEEN, limited)
    assert (plan.writes, plan.unresolved) == ([], [])
    # Before the pairing no device is found by that name.
    assert _plan.plan(Syncthing().config, SEEN, {**limited, "devices": [{"name": "own"}], "folders": []}).unresolved == ["own"]
