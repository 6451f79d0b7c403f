# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that must log in to a tailnet, and what the role asks for that before it changes anything."""

from __future__ import annotations

import base64
import json
import pathlib
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._host import tailscaled
from ansible_collections.homelab.tailsync.plugins.plugin_utils import tailscale_host
from tailscale_machine import CGROUP, USUAL, Machine

STATUS = {"BackendState": "Running", "HaveNodeKey": True, "TailscaleIPs": ["100.64.0.7"], "Self": {"DNSName": "nas.home.ts.net."}}
PREFS = {"ControlURL": "https://controlplane.tailscale.com", "LoggedOut": False, "WantRunning": True}


@pytest.fixture
def empty(tmp_path: pathlib.Path) -> Machine:
    """A host without a tailscaled that runs."""
    return Machine(tmp_path)


@pytest.fixture
def machine(empty: Machine) -> Machine:
    """A host with the tailscaled of the package."""
    empty.service(pid=9)
    return empty.process(9, USUAL, "/usr/sbin/tailscaled", CGROUP, holds="tailscale0")


def wanted(**more: t.Any) -> dict[str, t.Any]:
    usual = {"source": "vendor", "state": "present", "login_server": "", "tags": [], "has_secret": True, "problem": ""}
    return {**usual, **more}


def status(**more: t.Any) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    prefs: dict[str, t.Any] = {key: more.pop(key) for key in ("ControlURL", "LoggedOut") if key in more}
    return {**STATUS, **more}, {**PREFS, **prefs}


@pytest.mark.parametrize(
    ("node", "more"),
    [
        (status(), {}),
        (status(BackendState="Stopped"), {}),
        (status(BackendState="Starting"), {}),
        (status(BackendState="NoState", HaveNodeKey=False), {}),
        (status(Self={"Tags": ["tag:server"]}), {"tags": ["tag:server"]}),
        (status(Self={"Tags": ["tag:server"]}), {"tags": "tag:server"}),  # a list of one, as Ansible accepts it
        (status(), {"tags": None}),
        (status(), {"login_server": "https://login.tailscale.com"}),
        (status(BackendState="NeedsLogin", HaveNodeKey=False), {"state": "absent"}),
    ],
)
def test_host_that_need_not_log_in_needs_no_key(machine: Machine, node: t.Any, more: dict[str, t.Any]) -> None:
    machine.node = node
    assert tailscale_host.refusals(machine.look(), wanted(has_secret=False, **more)) == []


@pytest.mark.parametrize(
    ("node", "more", "words"),
    [
        (status(BackendState="NeedsLogin", HaveNodeKey=False), {}, "logged out"),
        (status(LoggedOut=True), {}, "logged out"),
        (status(BackendState="NeedsLogin"), {}, "must log in again"),
        (status(), {"login_server": "https://headscale.example"}, "login_server is https://headscale.example"),
        (status(), {"tags": ["tag:server"]}, "tags are to be tag:server"),
    ],
)
def test_host_that_must_log_in_is_refused_without_a_key(
    machine: Machine, node: t.Any, more: dict[str, t.Any], words: str
) -> None:
    machine.node = node
    (said,) = tailscale_host.refusals(machine.look(), wanted(has_secret=False, **more))
    assert words in said
    assert "tailscale_auth_key is empty" in said
    assert tailscale_host.refusals(machine.look(), wanted(**more)) == []


def test_tags_that_only_the_server_changes_are_refused_with_its_command(machine: Machine) -> None:
    own = {"ID": "7", "Tags": ["tag:server"]}
    machine.node = status(ControlURL="https://headscale.example", Self=own)
    (said,) = tailscale_host.refusals(machine.look(), wanted(has_secret=False, tags=["tag:b", "tag:a"]))
    assert "headscale nodes tag --identifier 7 --tags tag:a,tag:b" in said
    assert "tailscale_auth_key is empty" not in said
    assert tailscale_host.refusals(machine.look(), wanted(has_secret=False, tags=["tag:server"])) == []


def test_login_that_the_server_asks_for_is_seen_without_its_address(machine: Machine) -> None:
    machine.node = status(AuthURL="https://headscale.example/register/s3cr3t", Self={"Online": False})
    assert "s3cr3t" not in str(machine.look())
    (said,) = tailscale_host.refusals(machine.look(), wanted(has_secret=False))
    assert "its login is over" in said


def state_file(machine: Machine, text: str) -> None:
    path = machine.root / tailscaled.STATE_FILE
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="ascii")


def profile(name: str) -> str:
    return base64.b64encode(name.encode()).decode()


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (None, True),
        (json.dumps({"_machinekey": "x", "_current-profile": profile("profile-1"), "profile-1": "x"}), False),
        (json.dumps({"_machinekey": "x", "_current-profile": profile("")}), True),
        (json.dumps({"_machinekey": "x"}), True),
        (json.dumps({"key": "sealed", "data": "sealed"}), False),  # encrypted: the login is unknown
        ("not JSON", False),
        ("[]", False),
    ],
)
def test_stopped_tailscaled_is_judged_by_its_state_file(empty: Machine, text: str | None, refused: bool) -> None:
    empty.service()
    if text is not None:
        state_file(empty, text)
    found = tailscale_host.refusals(empty.look(), wanted(has_secret=False))
    assert ["not in the tailnet yet" in said for said in found] == ([True] if refused else [])
