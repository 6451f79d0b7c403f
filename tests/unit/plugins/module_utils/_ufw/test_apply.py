# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ufw_policy against a double of ufw that can also misbehave."""

from __future__ import annotations

import errno
import pathlib
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _apply, _before_rules, _change, _files, _rules
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._errors import UfwError
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._tables import POLICY
from module_call import params
from ufw_double import UfwDouble

TAILNET = {"interface": "tailscale0"}
SSH = {"port": "22", "proto": "tcp"}


@pytest.fixture
def double(tmp_path: pathlib.Path) -> UfwDouble:
    return UfwDouble(tmp_path)


def bring(double: UfwDouble | None, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
    ufw = _apply.Ufw(double, double.root) if double else None
    return _apply.apply(ufw, params(POLICY, **options), check_mode)


def has(double: UfwDouble, *lines: str) -> None:
    for line in lines:
        code, _output, error = double(["ufw", *line.split()], None)
        assert code == 0, error


def test_once_and_again(double: UfwDouble) -> None:
    first = bring(double, rules=[TAILNET])
    assert (first["changed"], first["added"], double.active) == (True, ["allow in on tailscale0"], True)
    double.calls.clear()
    second = bring(double, rules=[TAILNET])
    assert (second["changed"], second["commands"], double.writes) == (False, [], [])
    assert len(double.calls) == 4, "two of ufw and two of the kernel are enough to know that nothing is to be done"


def test_check_mode_says_the_same_and_does_nothing(double: UfwDouble) -> None:
    check = bring(double, check_mode=True, rules=[TAILNET], multicast=False, docker=True)
    assert double.writes == []
    real = bring(double, rules=[TAILNET], multicast=False, docker=True)
    assert (check["after"], check["commands"]) == (real["after"], real["commands"])
    assert check.keys() == real.keys()


def test_check_mode_without_ufw() -> None:
    result = bring(None, check_mode=True, rules=[TAILNET], docker=True)
    assert (result["changed"], result["added"]) == (True, ["allow in on tailscale0"])
    with pytest.raises(UfwError, match="not installed"):
        bring(None, rules=[TAILNET])


def test_rules_of_others_are_listed(double: UfwDouble) -> None:
    has(double, "allow 22/tcp", "allow from 10.0.0.0/8")
    assert bring(double, rules=[TAILNET])["unmanaged"] == ["allow in port 22 proto tcp", "allow in from 10.0.0.0/8"]
    kept = bring(double, rules=[TAILNET], purge=True, keep=[SSH])
    assert (kept["unmanaged"], kept["removed"]) == (["allow in port 22 proto tcp"], ["allow in from 10.0.0.0/8"])


def test_a_failure_in_the_middle_closes_nothing_and_the_next_run_finishes(double: UfwDouble) -> None:
    has(double, "allow 22/tcp")
    double.broken = "--force enable"
    with pytest.raises(UfwError, match="ufw --force enable failed: ERROR: could not do it"):
        bring(double, rules=[TAILNET], purge=True)
    assert "ufw allow in from any to any port 22 proto tcp\n" in double.shown()
    assert not double.active
    double.broken = ""
    assert bring(double, rules=[TAILNET], purge=True)["removed"] == ["allow in port 22 proto tcp"]
    assert double.active
    assert not bring(double, rules=[TAILNET], purge=True)["changed"]


@pytest.mark.parametrize("at", range(24))
def test_a_run_that_died_anywhere_is_finished_by_the_next(double: UfwDouble, at: int) -> None:
    has(double, "allow 22/tcp", "deny from 10.0.0.0/8", "--force enable")
    options: dict[str, t.Any] = {"rules": [SSH, TAILNET, {"action": "deny", "interface": "eth0"}], "purge": True}
    options |= {"multicast": False, "docker": True, "default_routed": "allow", "logging": "medium"}
    ufw = _apply.Ufw(double, double.root)
    decision = _change.plan(ufw.gather(), params(POLICY, **options))
    for command in decision.commands[:at]:
        if command[0] == "write":
            _files.write(double.root / command[1].lstrip("/"), decision.writes[command[1]])
        else:
            assert double(command, None)[0] == 0
    bring(double, **options)
    assert not bring(double, **options)["changed"]
    assert bring(double, **options)["after"] == decision.after


def test_a_ufw_that_takes_but_does_not_keep_is_noticed(double: UfwDouble) -> None:
    has(double, "allow 22/tcp", "--force enable")

    def forgetful(command: list[str], data: str | None) -> tuple[int, str, str]:
        return (0, "", "") if "delete" in command else double(command, data)

    with pytest.raises(UfwError, match="still to do: ufw delete allow"):
        _apply.apply(_apply.Ufw(forgetful, double.root), params(POLICY, purge=True), check_mode=False)


def test_a_ufw_that_is_enabled_but_does_not_run_is_noticed(double: UfwDouble) -> None:
    has(double, "allow in on tailscale0", "--force enable")
    double.active, double.kernel = False, {"v4": [], "v6": []}
    result = bring(double, rules=[TAILNET])
    assert result["commands"] == [["ufw", "disable"], ["ufw", "--force", "enable"]]
    assert (result["before"]["enabled"], result["before"]["running"], result["after"]["running"]) == (True, False, True)
    assert not bring(double, rules=[TAILNET])["changed"]


def test_a_ufw_that_runs_but_is_not_enabled_is_noticed(double: UfwDouble) -> None:
    has(double, "--force enable")
    double.enabled = False
    double.save()
    commands = [command for command in bring(double)["commands"] if command[0] == "ufw"]
    assert commands == [["ufw", "disable"], ["ufw", "--force", "enable"]]


def test_a_ufw_that_came_up_by_half_is_mended(double: UfwDouble) -> None:
    double.enabled = double.half_loaded = True
    double.save()
    assert bring(double, rules=[TAILNET])["changed"]
    assert double.active


@pytest.mark.parametrize("line", ["-A ufw-user-input -j allow", "-A ufw-before-input", "DOCKER-USER"])
def test_rules_that_the_kernel_has_lost_are_loaded_again(double: UfwDouble, line: str) -> None:
    options: dict[str, t.Any] = {"rules": [TAILNET], "docker": True, "multicast": True}
    bring(double, **options)
    double.kernel["v4"] = [live for live in double.kernel["v4"] if line not in live]
    result = bring(double, **options)
    assert [command for command in result["commands"] if command[0] == "ufw"] == [["ufw", "reload"]]
    assert result["before"] != result["after"]
    assert not bring(double, **options)["changed"]


def test_a_policy_that_somebody_has_opened_in_the_kernel_is_closed_again(double: UfwDouble) -> None:
    """Also by a run that was cut off after it had, to keep what is allowed open while ufw loads."""
    bring(double, rules=[TAILNET])
    double(["ip6tables", "-w", "-P", "INPUT", "ACCEPT"], None)
    result = bring(double, rules=[TAILNET])
    assert (result["changed"], result["before"]["running"], result["after"]["running"]) == (True, False, True)
    assert "-P INPUT DROP" in double.chain_policies("v6")
    assert not bring(double, rules=[TAILNET])["changed"]


def test_what_is_allowed_stays_open_while_ufw_empties_its_chains(double: UfwDouble) -> None:
    has(double, "allow in on tailscale0", "--force enable")
    assert bring(double, default_routed="allow", default_incoming="allow", rules=[TAILNET])["commands"] == [
        ["iptables", "-w", "-P", "INPUT", "ACCEPT"],
        ["ip6tables", "-w", "-P", "INPUT", "ACCEPT"],
        ["ufw", "default", "allow", "incoming"],
        ["ufw", "default", "allow", "routed"],
    ]


@pytest.mark.parametrize("docker", [True, False, None])
def test_nothing_of_dockers_chain_is_left_when_ufw_is_turned_off(double: UfwDouble, docker: bool | None) -> None:
    bring(double, rules=[TAILNET], docker=True)
    assert any("DOCKER-USER" in line for line in double.kernel["v6"])
    bring(double, state="disabled", rules=[TAILNET], docker=docker)
    assert double.kernel == {"v4": [], "v6": []}
    assert not bring(double, state="disabled", rules=[TAILNET], docker=docker)["changed"]


def test_multicast_comes_back_byte_for_byte(double: UfwDouble) -> None:
    path = double.file("before")
    odd = path.read_bytes().replace(b"\n\n", b"\r\n\xff\n") + b"# the end without a newline"
    path.write_bytes(odd)
    path.chmod(0o604)
    assert bring(double, multicast=False)["after"]["multicast"] is False
    assert not _before_rules.multicast(_files.read(path))
    assert not any(_before_rules.multicast("\n".join(lines)) for lines in double.kernel.values())
    assert bring(double, multicast=True)["after"]["multicast"] is True
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (odd, 0o604)
    assert [other.name for other in path.parent.iterdir() if other.name.startswith(".")] == []


def test_multicast_that_is_not_there_is_closed_already(double: UfwDouble) -> None:
    for family in ("v4", "v6"):
        double.file("before", family).write_text("*filter\nCOMMIT\n", encoding="ascii")
    bring(double)
    assert not bring(double, multicast=False)["changed"]


def test_a_file_that_ufw_could_not_load_is_named_before_anything_is_written(double: UfwDouble) -> None:
    path = double.file("before")
    path.write_text(path.read_text(encoding="ascii").replace("# allow MULTICAST UPnP", "garbage\n#"), encoding="ascii")
    double.corrupt = "garbage"
    for check_mode in (True, False):
        with pytest.raises(UfwError, match=r"^/etc/ufw/before.rules, line 6: Bad argument `x'\. Nothing was changed"):
            bring(double, check_mode, rules=[TAILNET])
    assert double.writes == []


def test_a_rule_that_ufw_would_lose_is_named_before_anything_is_written(double: UfwDouble) -> None:
    path = double.file("user", "v6")
    path.write_text(f"{path.read_text(encoding='ascii')}{_rules.TUPLE} allow tcp\n", encoding="ascii")
    with pytest.raises(UfwError, match=r"^/etc/ufw/user6.rules, line 5: ufw cannot read"):
        bring(double, rules=[TAILNET])
    assert double.writes == []


def test_a_kernel_without_ipv6_has_one_family(double: UfwDouble) -> None:
    (double.root / "proc/sys/net/ipv6").rmdir()
    result = bring(double, rules=[TAILNET, {"from": "fd00::/8"}])
    assert result["added"] == ["allow in on tailscale0 from 0.0.0.0/0"]
    assert not bring(double, rules=[TAILNET])["changed"]


def test_a_profile_that_ufw_does_not_know_is_refused(double: UfwDouble) -> None:
    with pytest.raises(UfwError, match="the rule for OpenSSH: there is no such application profile, only CIFS, DNS"):
        bring(double, rules=[{"app": "OpenSSH"}])
    assert bring(double, rules=[{"app": "CIFS"}])["added"] == ["allow in app CIFS"]


@pytest.mark.parametrize("broken", ["read", "write"])
def test_a_file_that_cannot_be_used_is_named(double: UfwDouble, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    def fail(path: pathlib.Path, *_text: str) -> str:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(_files, broken, fail)
    with pytest.raises(UfwError, match=r"/etc/.* cannot be read or written: No space left on device\. Is the disk full\?"):
        bring(double, rules=[TAILNET], multicast=False)
