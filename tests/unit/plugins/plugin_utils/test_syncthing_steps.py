# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A steady host needs no step, and every difference gives a step: one row for each difference."""

from __future__ import annotations

import hashlib
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import syncthing_steps
from variations import changed

LIST, PIN = "/etc/apt/sources.list.d/syncthing.list", "/etc/apt/preferences.d/syncthing.pref"
FOLDER = "/etc/systemd/system/syncthing@syncthing.service.d"
OWNER = {"uid": 998, "name": "syncthing"}
WANTED: dict[str, t.Any] = {
    "source": "vendor",
    "repository_url": "https://apt.syncthing.net",
    "repository_files": {LIST: "deb\n", PIN: "pin\n"},
    "user": "syncthing",
    "certificate": "",
    "unit": "[Unit]\n",
    "gui_directory": "/run/syncthing",
    "gui_group": "",
}


def file(text: str, mode: str = "0644") -> dict[str, t.Any]:
    return {"kind": "file", "mode": mode, "sha256": hashlib.sha256(text.encode()).hexdigest()}


LOOK: dict[str, t.Any] = {
    "packages": {"syncthing": {"version": "2.0.10"}, "python3-requests": {"version": "2.32.3"}},
    "files": {
        LIST: file("deb\n"),
        PIN: file("pin\n"),
        syncthing_steps.KEYRING: file("key"),
        FOLDER: {"kind": "directory", "mode": "0755"},
        f"{FOLDER}/50-tailsync.conf": file("[Unit]\n"),
    },
    "syncthing_unit": {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "NeedDaemonReload": "no"},
    "syncthing": {
        "account": {"exists": True, "uid": 998, "gid": 998},
        "home": {"exists": True, "files": dict.fromkeys(["cert.pem", "config.xml", "key.pem"], OWNER)},
        "device_id": "MFZWI3D",
        "identity_problem": None,
        "disk_problem": None,
        "gui_directory": "/run/syncthing",
        "gui_directory_access": {"uid": 998, "gid": 998, "mode": "0700"},
        "gui_group": {"name": None, "gid": None},
    },
}
SHARED = {"gui_group": "family"}


def steps(*changes: tuple[str, t.Any], **wanted: t.Any) -> list[str]:
    return syncthing_steps.steps(changed(LOOK, *changes), {**WANTED, **wanted})


FAMILY = (
    ("syncthing|gui_group", {"name": "family", "gid": 1001}),
    ("syncthing|gui_directory_access", {"uid": 998, "gid": 1001, "mode": "2750"}),
)


def test_steady_host_needs_no_syncthing_step() -> None:
    assert steps() == []
    assert steps((f"files|{LIST}", None), source="distribution") == []
    assert steps(*FAMILY, **SHARED) == []
    assert steps(("syncthing|gui_directory", ""), gui_directory="") == []


@pytest.mark.parametrize(
    ("wanted", "due"),
    [
        ({"repository_files": {LIST: "deb another\n", PIN: "pin\n"}}, ["repository", "install"]),
        ({"unit": "[Unit]\nother\n"}, ["service"]),
        ({"user": "me"}, ["service"]),
        ({"certificate": "-----BEGIN CERTIFICATE-----"}, ["identity"]),  # the module compares it
        ({"gui_directory": "/run/elsewhere"}, ["service"]),
        (SHARED, ["service"]),
    ],
)
def test_changed_variable_gives_a_syncthing_step(wanted: dict[str, t.Any], due: list[str]) -> None:
    assert steps(**wanted) == due


@pytest.mark.parametrize(
    ("path", "value", "due"),
    [
        ("packages|syncthing", KeyError, ["install"]),
        ("packages|python3-requests", KeyError, ["install"]),
        (f"files|{LIST}", None, ["repository", "install"]),
        (f"files|{LIST}|mode", "0600", ["repository", "install"]),
        (f"files|{PIN}|sha256", "other", ["repository", "install"]),
        (f"files|{syncthing_steps.KEYRING}", None, ["repository", "install"]),
        (f"files|{syncthing_steps.KEYRING}|mode", "0600", ["repository", "install"]),
        ("syncthing|account", {"exists": False}, ["user", "service"]),
        ("syncthing|home|files|cert.pem", KeyError, ["identity"]),
        ("syncthing|home|files|key.pem", KeyError, ["identity"]),
        ("syncthing|home|files|config.xml", KeyError, ["identity"]),
        ("syncthing|home", {"exists": False}, ["identity"]),
        ("syncthing|device_id", None, ["identity"]),
        ("syncthing|identity_problem", "key.pem is empty", ["identity"]),
        ("syncthing|disk_problem", "not mounted", ["identity"]),
        (f"files|{FOLDER}", None, ["service"]),
        (f"files|{FOLDER}|mode", "0700", ["service"]),
        (f"files|{FOLDER}/50-tailsync.conf", None, ["service"]),
        (f"files|{FOLDER}/50-tailsync.conf|sha256", "other", ["service"]),
        (f"files|{FOLDER}/50-tailsync.conf|mode", "0600", ["service"]),
        (f"files|{FOLDER}/50-tailsync.conf|kind", "link", ["service"]),
        ("syncthing_unit", {}, ["service"]),
        ("syncthing_unit|LoadState", "not-found", ["service"]),
        ("syncthing_unit|ActiveState", "failed", ["service"]),
        ("syncthing_unit|ActiveState", "activating", ["service"]),
        ("syncthing_unit|UnitFileState", "disabled", ["service"]),
        ("syncthing_unit|UnitFileState", "masked", ["service"]),
        ("syncthing_unit|UnitFileState", "enabled-runtime", ["service"]),
        ("syncthing_unit|NeedDaemonReload", "yes", ["service"]),
        ("syncthing|gui_directory", "", ["service"]),
        ("syncthing|gui_directory_access", None, ["service"]),
        ("syncthing|gui_directory_access|uid", 0, ["service"]),
        ("syncthing|gui_directory_access|mode", "0755", ["service"]),
    ],
)
def test_difference_on_the_host_gives_a_syncthing_step(path: str, value: t.Any, due: list[str]) -> None:
    assert steps((path, value)) == due


def test_changed_access_to_the_socket_gives_a_step() -> None:
    assert steps(*FAMILY, ("syncthing|gui_directory_access|gid", 998), **SHARED) == ["service"]
    assert steps(*FAMILY, ("syncthing|gui_directory_access|mode", "0700"), **SHARED) == ["service"]
    assert steps(*FAMILY) == ["service"], "the group loses its access"


CONFLICT = "E: Conflicting values set for option Signed-By regarding source http://old.example/ x: /a != /b"


def apt_source(file: str, key: str, uri: str, suite: str = "x") -> dict[str, t.Any]:
    return {"file": f"/etc/apt/sources.list.d/{file}", "line": 1, "uri": uri, "suite": suite, "signed_by": key, "flags": []}


def test_other_source_of_the_vendor_is_replaced_if_the_role_adds_its_own() -> None:
    other = apt_source("st.list", "/other.gpg", "https://apt.syncthing.net", "syncthing")
    host = {**LOOK, "apt": {"sources": [other], "problem": ""}}
    distribution = {**WANTED, "source": "distribution"}
    assert syncthing_steps.other_sources(host, WANTED) == ["/etc/apt/sources.list.d/st.list"]
    assert syncthing_steps.steps(host, WANTED) == ["repository", "install"]
    assert syncthing_steps.other_sources(host, distribution) == []
    assert syncthing_steps.steps(host, distribution) == []


def test_contradiction_of_others_matters_only_if_syncthing_is_installed_now() -> None:
    pair = [apt_source(f"{key}.list", f"/{key}", "http://old.example") for key in "ab"]
    host = {**LOOK, "apt": {"sources": pair, "problem": CONFLICT}}
    known = {key: value for key, value in WANTED.items() if key != "unit"}
    assert syncthing_steps.source_refusals(host, known) == [], "outside of the role there is no template of the unit"
    for source in ("vendor", "distribution"):
        (message,) = syncthing_steps.source_refusals({**host, "packages": {}}, {**WANTED, "source": source})
        assert "/a.list:1 and " in message
        assert syncthing_steps.source_refusals({**host, "packages": {}}, {**WANTED, "source": source}, [pair[0]["file"]]) == []
