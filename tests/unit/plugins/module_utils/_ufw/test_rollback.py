# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's decisions; the scenario molecule/firewall tests the rollback of a real firewall."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._host import packet_filter
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _lock, _record, _rollback, _rollback_units
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._errors import UfwError
from ansible_collections.homelab.tailsync.plugins.plugin_utils import lockdown

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
def test_lock_down_of_a_host_that_would_be_unreachable_is_refused(node: dict[str, object], words: str | None) -> None:
    found = lockdown.refusals(node, {}, {})
    if words is None:
        assert found == []
    else:
        with pytest.raises(AssertionError, match=words):
            raise AssertionError("; ".join(found))


def test_expiring_node_key_may_be_accepted() -> None:
    assert lockdown.refusals({**NODE, "key_expiry_days": 3}, {}, {"firewall_key_expiry_days": 0}) == []


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


def test_other_firewall_that_runs_now_or_after_a_reboot_is_found(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rollback, "SYSTEMD", tmp_path)
    assert packet_filter.services(SHOWN) == ["nftables", "netfilter-persistent"]
    assert packet_filter.services("") == []
    guard = _rollback.Guard(lambda _command: (0, SHOWN, ""))
    with pytest.raises(UfwError, match=r"nftables and netfilter-persistent is in charge .* `systemctl disable --now nftables"):
        guard.refuse_unfit_services()
    masked = _rollback.Guard(lambda command: (1, "masked\n", "") if "is-enabled" in command else (0, "", ""))
    with pytest.raises(UfwError, match=r"ufw\.service is masked, so the firewall would be open after the next boot"):
        masked.refuse_unfit_services()
    monkeypatch.setattr(_rollback, "SYSTEMD", tmp_path / "missing")
    with pytest.raises(UfwError, match="does not run systemd"):
        guard.refuse_unfit_services()


def test_record_of_an_earlier_run_is_read_and_gives_a_warning(tmp_path: pathlib.Path) -> None:
    assert _record.read(tmp_path) == _record.Record(armed=False, rolled_back=None, original=False)
    assert _record.warning_of(_record.read(tmp_path)) is None
    (tmp_path / "rollback").mkdir()
    (tmp_path / "rollback" / "complete").touch()
    (tmp_path / "fired").write_text("2026-11-24T12:00:00Z\nthe host was restarted\n", encoding="utf-8")
    record = _record.read(tmp_path)
    assert record.armed
    assert record.rolled_back == {"time": "2026-11-24T12:00:00Z", "reason": "the host was restarted"}
    assert "taken back at 2026-11-24T12:00:00Z, and the old rules are in force: the host was restarted" in str(
        _record.warning_of(record)
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


def test_policies_and_dockers_chain_are_part_of_the_snapshot() -> None:
    assert _rollback.policies(LISTING) == "INPUT DROP\nFORWARD DROP\nOUTPUT ACCEPT\n"
    assert _rollback.docker_user(LISTING) == "*filter\n:DOCKER-USER - [0:0]\n-A DOCKER-USER -i eth0 -j DROP\nCOMMIT\n"
    assert _rollback.docker_user("-P INPUT ACCEPT\n") == ""


def test_concurrent_change_is_refused_after_the_lock_timeout(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lock, "LOCK_TIMEOUT", 0.1)
    lock = tmp_path / "lock"
    with _lock.held(lock):
        assert lock.read_text(encoding="ascii") == str(os.getpid())
        with pytest.raises(UfwError, match="another change of the firewall has been running"), _lock.held(lock):
            pass
    with _lock.held(lock):
        pass


def test_incomplete_snapshot_is_ignored(tmp_path: pathlib.Path) -> None:
    """The run was cut off while it made or removed the snapshot."""
    (tmp_path / "rollback" / "ufw").mkdir(parents=True)
    assert not _record.read(tmp_path).armed
    (tmp_path / "rollback" / "complete").touch()
    _rollback._discard(tmp_path / "rollback")
    assert not (tmp_path / "rollback").exists()


FILTERS = {
    "iptables": "-P INPUT DROP\n-A INPUT -j ufw-before-input\n-A ufw-before-input -j ufw-user-input\n",
    "ip6tables": "-P INPUT DROP\n-A INPUT -j ufw6-before-input\n-A ufw6-before-input -j ufw6-user-input\n",
}


@pytest.mark.parametrize(
    ("program", "was", "now", "words"),
    [
        ("iptables", "", "", None),
        ("ip6tables", "-P INPUT DROP", "-P INPUT ACCEPT", "the kernel has no `ip6tables -P INPUT DROP`"),
        ("iptables", "-A INPUT -j ufw-before-input\n", "", "the kernel has no `iptables -A INPUT -j ufw-before-input`"),
        ("iptables", "-A ufw-before-input -j ufw-user-input\n", "", "no `iptables -A ufw-before-input -j ufw-user-input`"),
        ("ip6tables", FILTERS["ip6tables"], "", None),  # a kernel without IPv6
        ("iptables", FILTERS["iptables"], "", "the kernel has no `iptables -P INPUT DROP`"),
        ("ENABLED", "yes", "no", "ufw.conf says ENABLED=no"),
        ("left", "", "", None),
    ],
)
def test_change_is_not_confirmed_if_ufw_does_not_filter(
    tmp_path: pathlib.Path, program: str, was: str, now: str, words: str | None
) -> None:
    listings = {name: text.replace(was, now) if name == program and was else text for name, text in FILTERS.items()}
    places = _rollback_units.Places(
        base=str(tmp_path), ufw=str(tmp_path / "ufw"), defaults=str(tmp_path / "default"), lock=str(tmp_path / "lock")
    )
    (tmp_path / "ufw").mkdir()
    (tmp_path / "ufw/ufw.conf").write_text(f"ENABLED={now if program == 'ENABLED' else 'yes'}\n", encoding="ascii")
    (tmp_path / "default").write_text('DEFAULT_INPUT_POLICY="DROP"\n', encoding="ascii")
    (tmp_path / "rollback").mkdir()
    (tmp_path / "rollback/complete").touch()
    if program == "left":  # ufw had no chains before the first change
        (tmp_path / "left").touch()
        listings = {}
    guard = _rollback.Guard(lambda command: (0, listings.get(command[0], ""), ""), places, tmp_path)
    params = {"state": "disarmed", "token": None, "require_active": True}
    if words is None:
        result = _rollback.apply(guard, params, check_mode=False)
        assert result["in_force"] in ("confirmed", "untouched")
        return
    for check_mode in (True, False):
        with pytest.raises(UfwError, match=words):
            _rollback.apply(guard, params, check_mode)
    assert guard.read().in_force == "unproven", "the change must be rolled back"
    assert _rollback.apply(guard, {**params, "require_active": False}, check_mode=False)["in_force"] == "confirmed"


def test_change_after_an_interrupted_leave_keeps_the_original_rules(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise its confirmation would remove the original rules, so that no later run could restore them."""
    monkeypatch.setattr(os, "sync", lambda: None)
    places = _rollback_units.Places(base=str(tmp_path), lock=str(tmp_path / "lock"), since_boot=str(tmp_path / "since-boot"))
    for kept in ("rollback", "original"):
        (tmp_path / kept).mkdir()
        (tmp_path / kept / "complete").touch()
    (tmp_path / "left").touch()
    guard = _rollback.Guard(lambda _command: (0, "", ""), places, tmp_path)
    guard.arm(180)
    guard.disarm()
    assert guard.read().in_force == "confirmed"
