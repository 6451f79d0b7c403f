# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""State tables of the Syncthing modules: run against the double and against real daemons.

Each step is run in check mode, in check mode with diff, for real, and again. What check mode
foretells must be what the real run then says, and the second time nothing may be left.
"""

from __future__ import annotations

import os
import pwd
import typing as t

from module_call import call

Json = t.Dict[str, t.Any]  # noqa: UP006
NAS = "P56IOI7-MZJNU2Y-IQGDREY-DM2MGTI-MGL3BXN-PQ6W5BM-TBBZ4TJ-XZWICQ2"
PI = "LYXKCHX-VI3NYZR-ALCJBHF-WMZYSPK-QG6QJA3-MPFYMSO-U56GTUK-NA2MIAW"
SECRETS = ("a-folder-password", "a-gui-password")


class Step(t.NamedTuple):
    """Options of the module, whether they change something, and a check of the configuration afterwards."""

    what: str
    options: Json
    changed: bool
    holds: t.Callable[[Json], bool] = lambda config: True


def devices(config: Json) -> dict[str, Json]:
    return {device["name"]: device for device in config["devices"]}


def folders(config: Json) -> dict[str, Json]:
    return {folder["id"]: folder for folder in config["folders"]}


def of_device() -> list[Step]:
    base = {"name": "nas", "device_id": NAS}
    full = {**base, "addresses": ["tcp://nas:22000"], "allowed_networks": ["100.64.0.0/10"], "max_send_kbps": 100}
    return [
        Step("absent, and already so", {"name": "nas", "state": "absent"}, False),
        Step("create", full, True, lambda config: devices(config)["nas"]["allowedNetworks"] == ["100.64.0.0/10"]),
        Step("name it only", {"name": "nas"}, False),
        Step("declare less", base, False, lambda config: devices(config)["nas"]["maxSendKbps"] == 100),
        Step("change one key", {**base, "compression": "always"}, True, lambda c: devices(c)["nas"]["compression"] == "always"),
        Step("a key by its own name", {**base, "settings": {"maxRequestKiB": 7}}, True),
        Step("remove a key's value", {**base, "allowed_networks": []}, True, lambda c: not devices(c)["nas"]["allowedNetworks"]),
        Step("no address", {**base, "addresses": []}, True, lambda c: devices(c)["nas"]["addresses"] == ["dynamic"]),
        Step(
            "set up again",
            {"name": "nas", "device_id": PI, "replace": True},
            True,
            lambda c: (devices(c)["nas"]["deviceID"], devices(c)["nas"]["maxSendKbps"]) == (PI, 100),
        ),
        Step("remove by name", {"name": "nas", "state": "absent"}, True, lambda config: "nas" not in devices(config)),
        Step("create again", {"name": "nas", "device_id": PI.lower()}, True, lambda c: devices(c)["nas"]["deviceID"] == PI),
        Step("remove by ID", {"device_id": PI, "state": "absent"}, True, lambda config: "nas" not in devices(config)),
    ]


def of_folder(root: str) -> list[Step]:
    base = {"id": "photos", "path": f"{root}/photos"}
    member = {"device_id": NAS, "encryption_password": SECRETS[0]}
    return [
        Step("absent, and already so", {"id": "photos", "state": "absent"}, False),
        Step(
            "create",
            {
                **base,
                "label": "Photos",
                "devices": [member],
                "min_disk_free": "5 GB",
                "folder_owner": pwd.getpwuid(os.getuid()).pw_name,
                "ignores": ["*.tmp"],
            },
            True,
            lambda config: folders(config)["photos"]["minDiskFree"] == {"value": 5, "unit": "GB"},
        ),
        Step("declare less", {"id": "photos"}, False, lambda config: folders(config)["photos"]["label"] == "Photos"),
        Step("another spelling of the path", {"id": "photos", "path": f"{root}//photos/"}, False),
        Step("change one key", {**base, "rescan_interval": 77}, True, lambda c: folders(c)["photos"]["rescanIntervalS"] == 77),
        Step("ignore other files", {**base, "ignores": ["(?d).DS_Store", "// a comment", "*.tmp"]}, True),
        Step("ignore nothing", {**base, "ignores": []}, True),
        Step(
            "keep versions",
            {**base, "versioning": {"type": "staggered", "params": {"maxAge": 100}}},
            True,
            lambda c: folders(c)["photos"]["versioning"]["params"] == {"maxAge": "100"},
        ),
        Step(
            "keep them otherwise",
            {**base, "versioning": {"type": "simple", "params": {"keep": 3}}},
            True,
            lambda c: folders(c)["photos"]["versioning"]["params"] == {"keep": "3"},
        ),
        Step("keep none", {**base, "versioning": {"type": "none"}}, True),
        Step("a key by its own name", {**base, "settings": {"hashers": "2"}}, True),
        Step(
            "nothing said of the password",
            {**base, "devices": [{"name": "nas"}]},
            False,
            lambda c: {share["encryptionPassword"] for share in folders(c)["photos"]["devices"]} == {"", SECRETS[0]},
        ),
        Step("share with nobody", {**base, "devices": []}, True, lambda c: len(folders(c)["photos"]["devices"]) == 1),
        Step("pause", {**base, "paused": True}, True),
        Step("remove", {"id": "photos", "state": "absent"}, True, lambda config: "photos" not in folders(config)),
    ]


def of_settings() -> list[Step]:
    gui = {"user": "admin", "password": SECRETS[1]}
    return [
        Step("nothing", {}, False),
        Step(
            "options",
            {"options": {"max_send_kbps": 200, "always_local_nets": ["100.64.0.0/10"]}},
            True,
            lambda config: config["options"]["maxSendKbps"] == 200,
        ),
        Step("one key more", {"options": {"max_folder_concurrency": 2}}, True, lambda c: c["options"]["maxSendKbps"] == 200),
        Step("user and password", {"gui": gui}, True, lambda config: config["gui"]["password"].startswith("$2")),
        Step("another user", {"gui": {**gui, "user": "root"}}, True, lambda config: config["gui"]["user"] == "root"),
        Step("another key", {"gui": {"api_key": "another-api-key-0123456789"}}, True),
        Step("a theme", {"gui": {"theme": "dark"}}, True, lambda c: c["gui"]["apiKey"] == "another-api-key-0123456789"),
        Step(
            "defaults",
            {
                "defaults": {
                    "folder": {"versioning": {"type": "trashcan"}},
                    "device": {"compression": "always"},
                    "ignores": ["*.tmp"],
                }
            },
            True,
            lambda config: config["defaults"]["folder"]["versioning"]["type"] == "trashcan",
        ),
        Step("fewer defaults", {"defaults": {"ignores": []}}, True, lambda c: c["defaults"]["device"]["compression"] == "always"),
    ]


def run_steps(module: str, steps: list[Step], home: str, config: t.Callable[[], Json]) -> None:
    """Run the table; `config` reads Syncthing's configuration without the module."""
    common: Json = {"home": home, "timeout": 20}
    for step in steps:
        before = config()
        check = call(module, check_mode=True, **common, **step.options)
        differ = call(module, check_mode=True, diff=True, **common, **step.options)
        assert config() == before, f"{step.what}: check mode wrote"
        real = call(module, diff=True, **common, **step.options)
        assert check["changed"] is differ["changed"] is real["changed"] is step.changed, step.what
        assert check["after"] == differ["diff"]["after"] == real["diff"]["after"] == real["after"], step.what
        assert check["before"] == real["before"] == real["diff"]["before"], step.what
        assert step.holds(config()), step.what
        again = call(module, **common, **step.options)
        assert not again["changed"], f"{step.what}: again {again['before']} {again['after']}"
        assert again["requests"]["writes"] == 0
        assert again["before"] == again["after"] == {}, step.what
        shown = str((check, differ, real, again))
        assert not any(secret in shown for secret in (*SECRETS, config()["gui"]["apiKey"])), step.what
