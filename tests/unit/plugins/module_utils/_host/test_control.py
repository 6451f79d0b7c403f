# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control servers that run on the host itself are found without a connection."""

from __future__ import annotations

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._host import control

NAMES = {"headscale.lan": ["192.168.1.11"], "nas": ["127.0.1.1"], "elsewhere.example": ["203.0.113.7"], "gone.lan": []}


@pytest.fixture(autouse=True)
def _resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "resolve", lambda name, _port: NAMES.get(name, [name]))
    monkeypatch.setattr(control, "dial", lambda *_: pytest.fail("it dialed"))


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://192.168.1.11:8090", 8090),
        ("https://headscale.lan", 443),
        ("http://nas", 80),
        ("http://[fd00::11]:8080", 8080),
        ("https://elsewhere.example", None),
        ("https://gone.lan", None),
        ("http://localhost:8080", None),
        ("http://127.0.0.1:8080", None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_control_server_on_this_host_is_found_by_its_address(url: str, port: int | None) -> None:
    found = control.on_this_host([url, url], ["192.168.1.11", "fd00::11"])
    assert found == ([] if port is None else [{"url": url, "port": port}])


def test_invalid_name_resolves_to_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert control.resolve("a..b.example", 443) == []
    assert control.dial("a..b.example", 443, 1) is not None
