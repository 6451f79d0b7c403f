# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ufw_policy against a double of ufw that can also fail."""

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


def apply_policy(double: UfwDouble | None, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
    ufw = _apply.Ufw(double, double.root) if double else None
    return _apply.apply(ufw, params(POLICY, **options), check_mode)


def has(double: UfwDouble, *lines: str) -> None:
    for line in lines:
        code, _output, error = double(["ufw", *line.split()], None)
        assert code == 0, error


def test_second_call_of_ufw_policy_changes_nothing(double: UfwDouble) -> None:
    first = apply_policy(double, rules=[TAILNET])
    assert (first["changed"], first["added"], double.active) == (True, ["allow in on tailscale0"], True)
    double.calls.clear()
    second = apply_policy(double, rules=[TAILNET])
    assert (second["changed"], second["commands"], double.writes) == (False, [], [])
    assert len(double.calls) == 4, "two calls of ufw and two of iptables must be enough for a steady host"


def test_check_mode_of_ufw_policy_predicts_the_change(double: UfwDouble) -> None:
    check = apply_policy(double, check_mode=True, rules=[TAILNET], multicast=False, docker=True)
    assert double.writes == []
    real = apply_policy(double, rules=[TAILNET], multicast=False, docker=True)
    assert (check["after"], check["commands"]) == (real["after"], real["commands"])
    assert check.keys() == real.keys()


def test_check_mode_works_without_ufw() -> None:
    result = apply_policy(None, check_mode=True, rules=[TAILNET], docker=True)
    assert (result["changed"], result["added"]) == (True, ["allow in on tailscale0"])
    with pytest.raises(UfwError, match="not installed"):
        apply_policy(None, rules=[TAILNET])


def test_unmanaged_rules_are_listed(double: UfwDouble) -> None:
    has(double, "allow 22/tcp", "allow from 10.0.0.0/8")
    assert apply_policy(double, rules=[TAILNET])["unmanaged"] == ["allow in port 22 proto tcp", "allow in from 10.0.0.0/8"]
    kept = apply_policy(double, rules=[TAILNET], purge=True, keep=[SSH])
    assert (kept["unmanaged"], kept["removed"]) == (["allow in port 22 proto tcp"], ["allow in from 10.0.0.0/8"])


def test_failure_during_a_change_closes_nothing_and_the_next_run_finishes(double: UfwDouble) -> None:
    has(double, "allow 22/tcp")
    double.broken = "--force enable"
    with pytest.raises(UfwError, match="ufw --force enable failed: ERROR: could not do it"):
        apply_policy(double, rules=[TAILNET], purge=True)
    assert "ufw allow in from any to any port 22 proto tcp\n" in double.shown()
    assert not double.active
    double.broken = ""
    assert apply_policy(double, rules=[TAILNET], purge=True)["removed"] == ["allow in port 22 proto tcp"]
    assert double.active
    assert not apply_policy(double, rules=[TAILNET], purge=True)["changed"]


@pytest.mark.parametrize("at", range(24))
def test_change_interrupted_at_any_command_is_finished_by_the_next_run(double: UfwDouble, at: int) -> None:
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
    apply_policy(double, **options)
    assert not apply_policy(double, **options)["changed"]
    assert apply_policy(double, **options)["after"] == decision.after


def test_command_without_effect_is_an_error(double: UfwDouble) -> None:
    has(double, "allow 22/tcp", "--force enable")

    def forgetful(command: list[str], data: str | None) -> tuple[int, str, str]:
        return (0, "", "") if "delete" in command else double(command, data)

    with pytest.raises(UfwError, match="still to do: ufw delete allow"):
        _apply.apply(_apply.Ufw(forgetful, double.root), params(POLICY, purge=True), check_mode=False)


def test_enabled_ufw_that_does_not_run_is_restarted(double: UfwDouble) -> None:
    has(double, "allow in on tailscale0", "--force enable")
    double.active, double.kernel = False, {"v4": [], "v6": []}
    result = apply_policy(double, rules=[TAILNET])
    assert result["commands"] == [["ufw", "disable"], ["ufw", "--force", "enable"]]
    assert (result["before"]["enabled"], result["before"]["running"], result["after"]["running"]) == (True, False, True)
    assert not apply_policy(double, rules=[TAILNET])["changed"]


def test_running_ufw_that_is_not_enabled_is_restarted(double: UfwDouble) -> None:
    has(double, "--force enable")
    double.enabled = False
    double.save()
    commands = [command for command in apply_policy(double)["commands"] if command[0] == "ufw"]
    assert commands == [["ufw", "disable"], ["ufw", "--force", "enable"]]


def test_partly_loaded_ufw_is_repaired(double: UfwDouble) -> None:
    double.enabled = double.half_loaded = True
    double.save()
    assert apply_policy(double, rules=[TAILNET])["changed"]
    assert double.active


@pytest.mark.parametrize("line", ["-A ufw-user-input -j allow", "-A ufw-before-input", "DOCKER-USER"])
def test_rules_missing_in_the_kernel_are_loaded_again(double: UfwDouble, line: str) -> None:
    options: dict[str, t.Any] = {"rules": [TAILNET], "docker": True, "multicast": True}
    apply_policy(double, **options)
    double.kernel["v4"] = [live for live in double.kernel["v4"] if line not in live]
    result = apply_policy(double, **options)
    assert [command for command in result["commands"] if command[0] == "ufw"] == [["ufw", "reload"]]
    assert result["before"] != result["after"]
    assert not apply_policy(double, **options)["changed"]


def test_opened_default_policy_in_the_kernel_is_closed_again(double: UfwDouble) -> None:
    """A run that was cut off may have opened it, to keep allowed traffic open while ufw loads."""
    apply_policy(double, rules=[TAILNET])
    double(["ip6tables", "-w", "-P", "INPUT", "ACCEPT"], None)
    result = apply_policy(double, rules=[TAILNET])
    assert (result["changed"], result["before"]["running"], result["after"]["running"]) == (True, False, True)
    assert "-P INPUT DROP" in double.chain_policies("v6")
    assert not apply_policy(double, rules=[TAILNET])["changed"]


def test_allowed_traffic_stays_open_while_ufw_reloads(double: UfwDouble) -> None:
    has(double, "allow in on tailscale0", "--force enable")
    assert apply_policy(double, default_routed="allow", default_incoming="allow", rules=[TAILNET])["commands"] == [
        ["iptables", "-w", "-P", "INPUT", "ACCEPT"],
        ["ip6tables", "-w", "-P", "INPUT", "ACCEPT"],
        ["ufw", "default", "allow", "incoming"],
        ["ufw", "default", "allow", "routed"],
    ]


@pytest.mark.parametrize("docker", [True, False, None])
def test_disabling_ufw_removes_the_rules_of_dockers_chain(double: UfwDouble, docker: bool | None) -> None:
    apply_policy(double, rules=[TAILNET], docker=True)
    assert any("DOCKER-USER" in line for line in double.kernel["v6"])
    apply_policy(double, state="disabled", rules=[TAILNET], docker=docker)
    assert double.kernel == {"v4": [], "v6": []}
    assert not apply_policy(double, state="disabled", rules=[TAILNET], docker=docker)["changed"]


@pytest.mark.parametrize("later", [{"docker": False}, {"docker": True, "state": "disabled"}], ids=["docker off", "disabled"])
def test_dockers_block_of_another_tool_converges(double: UfwDouble, later: dict[str, t.Any]) -> None:
    """ufw-docker's block behind ours empties the chain again: ours moves behind it, and theirs stays in the file."""
    apply_policy(double, rules=[TAILNET], docker=True)
    theirs = "*filter\n:DOCKER-USER - [0:0]\n-A DOCKER-USER -j RETURN -s 10.0.0.0/8\nCOMMIT\n"
    for family in ("v4", "v6"):
        path = double.file("after", family)
        path.write_text(path.read_text(encoding="ascii") + theirs, encoding="ascii")
    double(["ufw", "reload"], None)
    assert not any("tailsync" in line for line in double.kernel["v4"]), "theirs voids ours"
    assert apply_policy(double, rules=[TAILNET], docker=True)["changed"]
    assert any("tailsync" in line for line in double.kernel["v4"])
    assert theirs in double.file("after").read_text(encoding="ascii")
    assert not apply_policy(double, rules=[TAILNET], docker=True)["changed"]
    apply_policy(double, **{"rules": [TAILNET], **later})
    assert not any("tailsync" in line for lines in double.kernel.values() for line in lines)
    assert not apply_policy(double, **{"rules": [TAILNET], **later})["changed"]


def test_multicast_rules_are_restored_exactly(double: UfwDouble) -> None:
    path = double.file("before")
    odd = path.read_bytes().replace(b"\n\n", b"\r\n\xff\n") + b"# the end without a newline"
    path.write_bytes(odd)
    path.chmod(0o604)
    assert apply_policy(double, multicast=False)["after"]["multicast"] is False
    assert not _before_rules.multicast(_files.read(path))
    assert not any(_before_rules.multicast("\n".join(lines)) for lines in double.kernel.values())
    assert apply_policy(double, multicast=True)["after"]["multicast"] is True
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (odd, 0o604)
    assert [other.name for other in path.parent.iterdir() if other.name.startswith(".")] == []


def test_missing_multicast_rules_count_as_closed(double: UfwDouble) -> None:
    for family in ("v4", "v6"):
        double.file("before", family).write_text("*filter\nCOMMIT\n", encoding="ascii")
    apply_policy(double)
    assert not apply_policy(double, multicast=False)["changed"]


def test_unloadable_file_is_an_error_before_any_write(double: UfwDouble) -> None:
    path = double.file("before")
    path.write_text(path.read_text(encoding="ascii").replace("# allow MULTICAST UPnP", "garbage\n#"), encoding="ascii")
    double.corrupt = "garbage"
    for check_mode in (True, False):
        with pytest.raises(UfwError, match=r"^/etc/ufw/before.rules, line 6: Bad argument `x'\. Nothing was changed"):
            apply_policy(double, check_mode, rules=[TAILNET])
    assert double.writes == []


def test_kernel_without_its_modules_is_an_error_that_says_so(double: UfwDouble) -> None:
    def execute(command: list[str], data: str | None) -> tuple[int, str, str]:
        said = "iptables-restore v1.8.11 (legacy): can't initialize iptables-restore table 'filter': Table does not exist"
        return (3, "", said) if command[0].endswith("-restore") else double(command, data)

    with pytest.raises(
        UfwError, match=r"Table does not exist\. So the running kernel lacks its modules.*restart the host"
    ) as caught:
        _apply.apply(_apply.Ufw(execute, double.root), params(POLICY, rules=[TAILNET]), check_mode=True)
    assert "/usr/share/ufw" not in str(caught.value)


def test_ipv6_may_be_off_where_the_kernel_has_none(double: UfwDouble) -> None:
    double.settings = "IPV6=no\nMANAGE_BUILTINS=no\n"
    double.save()
    with pytest.raises(UfwError, match="set IPV6=yes"):
        apply_policy(double, rules=[TAILNET])
    (double.root / "proc/sys/net/ipv6").rmdir()
    assert apply_policy(double, rules=[TAILNET])["changed"]
    assert not apply_policy(double, rules=[TAILNET])["changed"]


def test_unreadable_rule_is_an_error_before_any_write(double: UfwDouble) -> None:
    path = double.file("user", "v6")
    path.write_text(f"{path.read_text(encoding='ascii')}{_rules.TUPLE} allow tcp\n", encoding="ascii")
    with pytest.raises(UfwError, match=r"^/etc/ufw/user6.rules, line 5: ufw cannot read"):
        apply_policy(double, rules=[TAILNET])
    assert double.writes == []


def test_kernel_without_ipv6_gets_only_ipv4_rules(double: UfwDouble) -> None:
    (double.root / "proc/sys/net/ipv6").rmdir()
    result = apply_policy(double, rules=[TAILNET, {"from": "fd00::/8"}])
    assert result["added"] == ["allow in on tailscale0 from 0.0.0.0/0"]
    assert not apply_policy(double, rules=[TAILNET])["changed"]


def test_unknown_application_profile_is_refused(double: UfwDouble) -> None:
    with pytest.raises(UfwError, match="the rule for OpenSSH: there is no such application profile, only CIFS, DNS"):
        apply_policy(double, rules=[{"app": "OpenSSH"}])
    assert apply_policy(double, rules=[{"app": "CIFS"}])["added"] == ["allow in app CIFS"]


@pytest.mark.parametrize("broken", ["read", "write"])
def test_file_that_cannot_be_read_or_written_is_an_error(double: UfwDouble, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    def fail(path: pathlib.Path, *_text: str) -> str:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(_files, broken, fail)
    with pytest.raises(UfwError, match=r"/etc/.* cannot be read or written: No space left on device\. Is the disk full\?"):
        apply_policy(double, rules=[TAILNET], multicast=False)
