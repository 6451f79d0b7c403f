# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's internal variables, computed from the host's facts and from registered results."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from jinja2 import Environment, StrictUndefined

VARS = pathlib.Path(__file__).resolve().parents[3] / "roles/tailscale/vars/main.yml"
KEYRING = "/usr/share/keyrings/tailscale-archive-keyring.gpg"


def rendered(name: str, **values: t.Any) -> str:
    environment = Environment(undefined=StrictUndefined, autoescape=False)
    environment.tests["changed"] = lambda result: result["changed"]
    environment.tests["falsy"] = lambda value: not value
    return environment.from_string(yaml.safe_load(VARS.read_text(encoding="utf-8"))[name]).render(values)


@pytest.mark.parametrize(
    ("key", "missing"),
    [(None, True), ({"kind": "file", "mode": "0600"}, True), ({"kind": "file", "mode": "0644"}, False)],
)
def test_unreadable_repository_key_is_fetched_again(key: dict[str, str] | None, missing: bool) -> None:
    host = {"files": {KEYRING: key}}
    assert rendered("__tailscale_key_missing", __tailsync_host=host, __tailscale_plan={"keyring": KEYRING}) == str(missing)


@pytest.mark.parametrize(
    ("steps", "registered", "changed"),
    [
        (["install", "service"], {"__tailscale_package": {"changed": True}}, True),
        (["install", "service"], {"__tailscale_package": {"changed": False}}, False),
        (["install", "service"], {}, False),
        # By apt, whose tasks all roles share.
        (["install", "service"], {"__inputs_package": {"changed": True}}, True),
        (["service"], {"__inputs_package": {"changed": True}}, False),
        # A result of the same role in an earlier play: tailscaled has been restarted since.
        (["service"], {"__tailscale_package": {"changed": True}}, False),
    ],
)
def test_tailscaled_is_restarted_only_after_an_installation_in_this_run(
    steps: list[str], registered: dict[str, t.Any], changed: bool
) -> None:
    assert rendered("__tailscale_package_changed", __tailscale_steps=steps, **registered) == str(changed)
