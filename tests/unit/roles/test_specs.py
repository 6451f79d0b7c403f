# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's manual (argument_specs), its defaults and its tasks say the same."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import yaml
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _prefs, _tables
from ansible_collections.homelab.tailsync.plugins.plugin_utils import validate_tailscale
from jinja2 import Environment

ROLES = pathlib.Path(__file__).resolve().parents[3] / "roles"
SHARED = {"tailsync_accept"}  # one list of words for all roles, without a default
NAMES = sorted(
    path.parents[1].name for path in ROLES.glob("*/meta/argument_specs.yml") if "\n  main:\n" in path.read_text("utf-8")
)


def load(role: str, name: str) -> dict[str, t.Any]:
    return dict(yaml.safe_load((ROLES / role / name).read_text(encoding="utf-8")))


def options(role: str) -> dict[str, dict[str, t.Any]]:
    return dict(load(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"])


def test_there_are_roles() -> None:
    assert {"tailscale", "firewall", "syncthing", "syncthing_mesh"} <= set(NAMES)
    assert {path.name for path in ROLES.iterdir()} - set(NAMES) == {"inputs"}, "which says why"


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


@pytest.mark.parametrize("role", NAMES)
def test_each_entry_point_has_a_description_and_no_table_comes_twice(role: str) -> None:
    specs = load(role, "meta/argument_specs.yml")["argument_specs"]
    tables = [entry.get("options") for entry in specs.values() if entry.get("options")]
    assert all(entry["description"] for entry in specs.values())
    assert all(one != other for at, one in enumerate(tables) for other in tables[at + 1 :])


@pytest.mark.parametrize("role", NAMES)
def test_true_and_false_may_be_text_as_extra_variables_are(role: str) -> None:
    """`-e tailscale_hold=false` is a text, which a condition would take for true."""
    names = "|".join(name for name, option in options(role).items() if option["type"] == "bool")
    bare = re.compile(rf"\b(?:when: |if |and |or |not )(?:{names})\b(?! \| bool)") if names else None
    files = [*(ROLES / role / "tasks").glob("*.yml"), *(ROLES / role / "vars").glob("*.yml")]
    assert [found for path in files if bare for found in bare.findall(path.read_text(encoding="utf-8"))] == []


def test_the_role_tailscale_knows_every_preference_of_the_module_and_hands_it_on() -> None:
    options = {*_prefs.OPTIONS, "accept_risk"} - {"hostname"}  # which has a variable of its own
    assert set(validate_tailscale.PREFERENCES) == options
    # They are handed on as a whole, beside what has variables of its own.
    joining = yaml.safe_load((ROLES / "tailscale" / "tasks" / "join.yml").read_text(encoding="utf-8"))[0]
    given = joining["module_defaults"]["homelab.tailsync.tailscale_node"]
    assert given == "{{ __tailscale_node_options | combine(tailscale_preferences) }}"
    own = set(load("tailscale", "vars/main.yml")["__tailscale_node_options"]) | {"auth_key", "state"}
    assert own | options == set(_tables.NODE) | set(_tables.CONNECTION)


def test_a_version_without_a_value_is_none() -> None:
    """As `tailscale_version:` is in YAML; check_inputs takes it, and there is no package tailscale=None."""
    text = load("tailscale", "vars/main.yml")["__tailscale_wanted"]["version"]
    assert Environment(autoescape=False).from_string(text).render(tailscale_version=None) == ""
    for path in (ROLES / "tailscale" / "tasks").glob("*.yml"):
        used = re.sub(r"^\s*#.*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert "tailscale_version" not in used, f"{path.name}: __tailscale_wanted.version"
