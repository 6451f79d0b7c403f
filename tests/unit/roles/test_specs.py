# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's argument_specs, defaults and tasks agree."""

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
SHARED = {"tailsync_accept"}  # one list of accepted words for all roles, without a default
NAMES = sorted(
    path.parents[1].name for path in ROLES.glob("*/meta/argument_specs.yml") if "\n  main:\n" in path.read_text("utf-8")
)


def load(role: str, name: str) -> dict[str, t.Any]:
    return dict(yaml.safe_load((ROLES / role / name).read_text(encoding="utf-8")))


def options(role: str) -> dict[str, dict[str, t.Any]]:
    return dict(load(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"])


def test_at_least_one_role_is_tested() -> None:
    assert {"tailscale", "firewall", "syncthing", "syncthing_mesh"} <= set(NAMES)
    assert {path.name for path in ROLES.iterdir()} - set(NAMES) == {"inputs"}, "the role inputs has no variables"


@pytest.mark.parametrize("role", NAMES)
def test_every_default_has_a_spec_and_every_spec_a_default(role: str) -> None:
    assert set(options(role)) - SHARED == set(load(role, "defaults/main.yml"))


@pytest.mark.parametrize("role", NAMES)
def test_defaults_in_the_specs_are_those_of_the_role(role: str) -> None:
    for name, value in load(role, "defaults/main.yml").items():
        if "{{" in str(value):
            assert "default" not in options(role)[name], f"{name} is computed: the description says how"
        else:
            assert options(role)[name].get("default") == value, name


@pytest.mark.parametrize("role", NAMES)
def test_public_variables_start_with_the_roles_name(role: str) -> None:
    assert all(name.startswith(f"{role}_") for name in options(role) if name not in SHARED)


@pytest.mark.parametrize("role", NAMES)
def test_secret_variables_have_no_log(role: str) -> None:
    for name, option in options(role).items():
        if re.search(r"(_key|_password|_secret|_token)$", name):
            assert option.get("no_log") is True, name


@pytest.mark.parametrize("role", NAMES)
def test_each_entry_point_has_a_description_and_no_repeated_table(role: str) -> None:
    specs = load(role, "meta/argument_specs.yml")["argument_specs"]
    tables = [entry.get("options") for entry in specs.values() if entry.get("options")]
    assert all(entry["description"] for entry in specs.values())
    assert all(one != other for at, one in enumerate(tables) for other in tables[at + 1 :])


@pytest.mark.parametrize("role", NAMES)
def test_boolean_variables_may_be_strings(role: str) -> None:
    """`-e tailscale_hold=false` is a string, which a condition would treat as true."""
    names = "|".join(name for name, option in options(role).items() if option["type"] == "bool")
    bare = re.compile(rf"\b(?:when: |if |and |or |not )(?:{names})\b(?! \| bool)") if names else None
    files = [*(ROLES / role / "tasks").glob("*.yml"), *(ROLES / role / "vars").glob("*.yml")]
    assert [found for path in files if bare for found in bare.findall(path.read_text(encoding="utf-8"))] == []


def test_role_tailscale_passes_every_preference_to_the_module() -> None:
    options = {*_prefs.OPTIONS, "accept_risk"} - {"hostname"}  # it has a separate variable
    assert set(validate_tailscale.PREFERENCES) == options
    # The role passes them as a dict, next to the options that have separate variables.
    joining = yaml.safe_load((ROLES / "tailscale" / "tasks" / "join.yml").read_text(encoding="utf-8"))[0]
    given = joining["module_defaults"]["homelab.tailsync.tailscale_node"]
    assert given == "{{ __tailscale_node_options | combine(tailscale_preferences) }}"
    own = set(load("tailscale", "vars/main.yml")["__tailscale_node_options"]) | {"auth_key", "state"}
    assert own | options == set(_tables.NODE) | set(_tables.CONNECTION)


def test_null_version_means_no_version() -> None:
    """`tailscale_version:` is null in YAML; check_inputs accepts it, and there is no package tailscale=None."""
    text = load("tailscale", "vars/main.yml")["__tailscale_wanted"]["version"]
    assert Environment(autoescape=False).from_string(text).render(tailscale_version=None) == ""
    for path in (ROLES / "tailscale" / "tasks").glob("*.yml"):
        used = re.sub(r"^\s*#.*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert "tailscale_version" not in used, f"{path.name}: __tailscale_wanted.version"
