# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports are waited for the whole time-out, and which only until they are certain to be closed."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils import _connect, _probe, _reachability

QUICK, WAITED = _connect.Attempt("quick", None), _connect.Attempt("waited", None)


def tried(monkeypatch: pytest.MonkeyPatch, *endpoints: tuple[str, int, bool]) -> list[_connect.Attempt]:
    def connect_all(wanted: t.Sequence[tuple[str, int]], _timeout: int) -> dict[tuple[str, int], _connect.Attempt]:
        return dict.fromkeys(wanted, QUICK)

    monkeypatch.setattr(_connect, "connect_all", connect_all)
    monkeypatch.setattr(_probe, "connect", lambda _address, _port, _timeout: WAITED)
    given = [{"address": address, "port": port, "patient": patient} for address, port, patient in endpoints]
    return _reachability.connect(given, 3)


def test_names_and_patient_endpoints_wait_the_whole_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    found = tried(monkeypatch, ("192.0.2.1", 22, False), ("192.0.2.2", 22, True), ("nas", 22, False), ("fe80::1%eth0", 22, False))
    assert found == [QUICK, WAITED, WAITED, WAITED]


@pytest.mark.parametrize("order", [(True, False), (False, True)])
def test_endpoint_given_twice_waits_if_one_of_them_is_patient(monkeypatch: pytest.MonkeyPatch, order: tuple[bool, bool]) -> None:
    first, second = order
    assert tried(monkeypatch, ("192.0.2.1", 22, first), ("192.0.2.1", 22, second)) == [WAITED, WAITED]
