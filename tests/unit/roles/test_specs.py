# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's manual (argument_specs), its defaults and its tasks say the same."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import yaml
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _prefs

ROLES = pathlib.Path(__file__).resolve().parents[3] / "roles"
SHARED = {"tailsync_accept"}  # one list of words for all roles, without a default
NAMES = sorted(path.name for path in ROLES.iterdir())


def load(role: str, name: str) -> dict[str, t.Any]:
    return dict(yaml.safe_load((ROLES / role / name).read_text(encoding="utf-8")))


def options(role: str) -> dict[str, dict[str, t.Any]]:
    return dict(load(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"])


def test_there_are_roles() -> None:
    assert {"tailscale", "firewall", "syncthing", "syncthing_mesh"} <= set(NAMES)


@pytest.mark.parametrize("role", NAMES)
def test_every_default_is_in_the_manual_and_the_other_way_round(role: str) -> None:
    assert set(options(role)) - SHARED == set(load(role, "defaults/main.yml"))


@pytest.mark.parametrize("role", NAMES)
def test_the_manual_names_the_same_values(role: str) -> None:
    for name, value in load(role, "defaults/main.yml").items():
        if "{{" in str(value):
            assert "default" not in options(role)[name], f"{name} is computed: the description says how"
        else:
            assert options(role)[name].get("default") == value, name


@pytest.mark.parametrize("role", NAMES)
def test_public_variables_carry_the_roles_name(role: str) -> None:
    assert all(name.startswith(f"{role}_") for name in options(role) if name not in SHARED)


@pytest.mark.parametrize("role", NAMES)
def test_secrets_are_marked(role: str) -> None:
    for name, option in options(role).items():
        if re.search(r"(_key|_password|_secret|_token)$", name):
            assert option.get("no_log") is True, name


@pytest.mark.parametrize("role", [name for name in NAMES if (ROLES / name / "tasks" / "preflight.yml").exists()])
def test_preflight_takes_the_same_variables(role: str) -> None:
    specs = load(role, "meta/argument_specs.yml")["argument_specs"]
    assert specs["preflight"]["options"] == specs["main"]["options"]


def test_the_role_tailscale_knows_every_preference_of_the_module_and_hands_it_on() -> None:
    options = {*_prefs.OPTIONS, "accept_risk"} - {"hostname"}  # which has a variable of its own
    assert set(load("tailscale", "vars/main.yml")["__tailscale_preference_names"]) == options
    text = (ROLES / "tailscale" / "tasks" / "join.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"tailscale_preferences\.(\w+)", text)) == options
