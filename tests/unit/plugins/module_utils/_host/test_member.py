# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""member_info: a part that fails has a message, and the others have their values."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._common.errors import MissingLibrary
from ansible_collections.homelab.tailsync.plugins.module_utils._host import member
from ansible_collections.homelab.tailsync.plugins.module_utils._host._spec import MEMBER
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _info
from module_call import call

DEFAULTS: dict[str, t.Any] = {name: option.get("default") for name, option in MEMBER.items()}


def test_host_without_tailscale_and_syncthing_has_messages(tmp_path: pathlib.Path) -> None:
    result = call(
        "member_info", tailscale_socket=str(tmp_path / "no-socket"), syncthing_home=str(tmp_path / "no-home"), timeout=0
    )
    assert result["host"]["listening"] is not None
    assert (result["tailscale"]["node"]["backend_state"], result["syncthing"]["device_id"]) == (None, None)
    assert "no-socket" in result["tailscale"]["msg"]
    assert "no-home" in result["syncthing"]["msg"]
    assert not result["changed"]


def test_failure_of_one_part_keeps_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(_info, "gather", lambda params: {"device_id": "ID", "asked": dict(params)})
    result = member.gather({**DEFAULTS, "tailscale_socket": str(tmp_path / "no-socket"), "folders": [{"id": "a"}]})
    assert (result["syncthing"]["device_id"], result["syncthing"]["msg"]) == ("ID", None)
    assert result["syncthing"]["asked"] == {
        "home": "/var/lib/syncthing",
        "folders": [{"id": "a"}],
        "timeout": 10,
        "wait_timeout": 0,
    }
    assert result["tailscale"]["msg"]


def test_missing_library_is_reported_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    def fail(params: t.Any) -> t.NoReturn:
        raise MissingLibrary("requests", None)

    monkeypatch.setattr(_info, "gather", fail)
    result = member.gather({**DEFAULTS, "tailscale_socket": str(tmp_path / "no-socket")})
    assert "install python3-requests" in result["syncthing"]["msg"]
