# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs that the validator accepts are given to the real module, each in a separate process, in check mode."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import odd_inputs
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._device_id import device_id_of_certificate
from ansible_collections.homelab.tailsync.plugins.plugin_utils import mesh_host, validate

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
COUNT = 200
# Runs a module as Ansible does, in check mode, on a machine without Syncthing.
CALL = """
import importlib, json, sys
from ansible.module_utils.testing import patch_module_args
name, arguments = json.load(sys.stdin)
with patch_module_args({**arguments, "_ansible_check_mode": True}):
    importlib.import_module(f"ansible_collections.homelab.tailsync.plugins.modules.{name}").main()
"""


def call(name: str, arguments: dict[str, t.Any], place: pathlib.Path) -> dict[str, t.Any]:
    done = subprocess.run(
        [sys.executable, "-c", CALL],
        input=json.dumps([name, arguments]),
        capture_output=True,
        text=True,
        check=False,
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT / "collections")},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return dict(json.loads(done.stdout))


def whole(name: str, variables: t.Mapping[str, t.Any]) -> t.Any:
    return variables.get(name, validate.specs_of(validate.ROLES)[name].get("default"))


def test_modules_accept_every_input_that_the_validator_accepts(tmp_path: pathlib.Path) -> None:
    calls = 0
    for hosts, names in odd_inputs.inventories(20 * COUNT, 12):
        if calls >= COUNT:
            break
        variables = hosts["nas"]
        if validate.problems(hosts, inventory=odd_inputs.HOSTS) or not any(name.startswith("syncthing_mesh") for name in names):
            continue
        parts = ("external_devices", "allowed_networks", "options", "gui", "defaults", "timeout")
        given = {name: whole(f"syncthing_mesh_{name}", variables) for name in parts}
        for host in hosts:
            members = {name: {"device_id": own_id(number), "addresses": []} for number, name in enumerate(odd_inputs.HOSTS)}
            folders = mesh_host.folders_of(whole("syncthing_mesh_folders", variables), host)
            arguments = mesh_host.arguments(
                {**given, "folders": folders, "members": members, "home": str(tmp_path / "none")}, host
            )
            said = call("syncthing_cluster", arguments, tmp_path)
            assert not said.get("failed"), (said["msg"], {name: variables.get(name) for name in names})
            calls += 1
    assert calls >= COUNT


def own_id(number: int) -> str:
    body = ["QQ==", "Qg==", "Qw=="][number]
    return device_id_of_certificate(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
