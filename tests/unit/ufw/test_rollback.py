# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's decisions; that it brings a real firewall back is shown by the scenario molecule/firewall."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _firewall, _lock, _rollback
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._policy import UfwError

NODE = {"backend_state": "Running", "ipv4": "100.64.0.1", "tun": True, "key_expiry_days": None, "key_expiry": None}


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (NODE, None),
        ({**NODE, "backend_state": "NeedsLogin", "ipv4": None}, "tailscaled is NeedsLogin, not Running"),
        ({**NODE, "backend_state": "Stopped"}, "run `tailscale up` on it"),
        ({**NODE, "ipv4": None}, "no tailnet address yet"),
        ({**NODE, "tun": False}, "userspace networking"),
        ({**NODE, "key_expiry_days": 13, "key_expiry": "2026-12-07T00:00:00Z"}, r"expires in 13 days \(2026-12-07T00:00:00Z\)"),
        ({**NODE, "key_expiry_days": 14}, None),
    ],
)
def test_a_host_that_nobody_could_reach_afterwards_is_not_locked(node: dict[str, object], words: str | None) -> None:
    found = _firewall.refusals(node, 14)
    if words is None:
        assert found == []
    else:
        with pytest.raises(AssertionError, match=words):
            raise AssertionError("; ".join(found))


def test_a_key_that_expires_may_be_accepted() -> None:
    assert _firewall.refusals({**NODE, "key_expiry_days": 3}, 0) == []


def test_rules_in_short() -> None:
    assert _firewall.public_rule("443/tcp") == {"port": "443", "proto": "tcp", "comment": "public"}
    assert _firewall.public_rule("53") == {"port": "53", "comment": "public"}
    rule = _firewall.ssh_rule("192.168.1.7/24", 2222)
    assert (rule["from"], rule["port"], rule["proto"]) == ("192.168.1.0/24", "2222", "tcp")


SHOWN = """\
Id=firewalld.service
ActiveState=inactive
UnitFileState=

Id=nftables.service
ActiveState=inactive
UnitFileState=enabled

Id=netfilter-persistent.service
ActiveState=active
UnitFileState=disabled

Id=iptables.service
ActiveState=inactive
UnitFileState=disabled
"""


def test_another_firewall_is_found_if_it_runs_or_will_run_at_the_next_boot(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_rollback, "SYSTEMD", tmp_path)
    assert _rollback.other_firewalls(SHOWN) == ["nftables", "netfilter-persistent"]
    assert _rollback.other_firewalls("") == []
    guard = _rollback.Guard(lambda _command: (0, SHOWN, ""))
    with pytest.raises(UfwError, match=r"nftables and netfilter-persistent is in charge .* `systemctl disable --now nftables"):
        guard.refuse_unfit_services()
    masked = _rollback.Guard(lambda command: (1, "masked\n", "") if "is-enabled" in command else (0, "", ""))
    with pytest.raises(UfwError, match=r"ufw\.service is masked, so the firewall would be open after the next boot"):
        masked.refuse_unfit_services()
    monkeypatch.setattr(_rollback, "SYSTEMD", tmp_path / "missing")
    with pytest.raises(UfwError, match="does not run systemd"):
        guard.refuse_unfit_services()


def test_what_an_earlier_run_left_is_read_and_said(tmp_path: pathlib.Path) -> None:
    assert _rollback.read(tmp_path) == _rollback.Record(armed=False, rolled_back=None, original=False)
    assert _rollback.warning_of(_rollback.read(tmp_path)) is None
    (tmp_path / "rollback").mkdir()
    (tmp_path / "rollback" / "complete").touch()
    (tmp_path / "fired").write_text("2026-11-24T12:00:00Z\nthe host was restarted\n", encoding="utf-8")
    record = _rollback.read(tmp_path)
    assert record.armed
    assert record.rolled_back == {"time": "2026-11-24T12:00:00Z", "reason": "the host was restarted"}
    assert "taken back at 2026-11-24T12:00:00Z, and the old rules are in force: the host was restarted" in str(
        _rollback.warning_of(record)
    )


LISTING = """\
-P INPUT DROP
-P FORWARD DROP
-P OUTPUT ACCEPT
-N DOCKER-USER
-N ufw-user-input
-A FORWARD -j DOCKER-USER
-A DOCKER-USER -i eth0 -j DROP
"""


def test_what_ufw_does_not_bring_back_by_itself_is_kept() -> None:
    assert _rollback.policies(LISTING) == "INPUT DROP\nFORWARD DROP\nOUTPUT ACCEPT\n"
    assert _rollback.docker_user(LISTING) == "*filter\n:DOCKER-USER - [0:0]\n-A DOCKER-USER -i eth0 -j DROP\nCOMMIT\n"
    assert _rollback.docker_user("-P INPUT ACCEPT\n") == ""


def test_one_change_at_a_time(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lock, "PATIENCE", 0.1)
    lock = tmp_path / "lock"
    with _lock.held(lock):
        assert lock.read_text(encoding="ascii") == str(os.getpid())
        with pytest.raises(UfwError, match="another change of the firewall has been at work"), _lock.held(lock):
            pass
    with _lock.held(lock):
        pass


def test_half_a_snapshot_counts_for_nothing(tmp_path: pathlib.Path) -> None:
    """It was cut off while it was made, or while it was thrown away."""
    (tmp_path / "rollback" / "ufw").mkdir(parents=True)
    assert not _rollback.read(tmp_path).armed
    (tmp_path / "rollback" / "complete").touch()
    _rollback._discard(tmp_path / "rollback")
    assert not (tmp_path / "rollback").exists()
