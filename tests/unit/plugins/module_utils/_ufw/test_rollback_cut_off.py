# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard and its script, killed at each of their commands, on a double of a host: a folder with doubles of its programs."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import pathlib
import shutil
import subprocess
import time
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _lock, _rollback, _rollback_script, _rollback_units
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._errors import UfwError
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rollback import Guard
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rollback_units import Places

pytestmark = pytest.mark.slow  # real processes and real time
OLD, NEW = "the old rules", "the new rules"
# The programs that the script runs; each double counts and records its calls, and has their effect.
REAL = ("mv", "rm", "cat", "date", "sleep", "timeout", "flock")
FAKE = ("ufw-init", "iptables", "ip6tables", "iptables-restore", "ip6tables-restore", "systemctl", "tailscale", "logger", "sync")
DOUBLE = """\
#!/bin/sh
name=${{0##*/}} n=0 kill_at=0
read -r n 2>/dev/null <{home}/count
n=$((n + 1))
echo $n >{home}/count
echo "$name $*" >>{home}/calls
read -r kill_at 2>/dev/null <{home}/kill-at
[ $n != "$kill_at" ] || kill -9 $PPID
[ ! -e "{home}/fails/$name" ] || exit 1
[ ! -e "{home}/hangs/$name" ] || exec /bin/sleep 60
exec {real} "$@"
"""


class Machine:
    def __init__(self, home: pathlib.Path) -> None:
        self.home = home
        for folder in ("bin", "fails", "hangs", "etc/ufw", "etc/default"):
            (home / folder).mkdir(parents=True)
        for name in (*REAL, *FAKE):
            real = shutil.which(name) if name in REAL else "/bin/true"
            (home / "bin" / name).write_text(DOUBLE.format(home=home, real=real), encoding="ascii")
            (home / "bin" / name).chmod(0o755)
        self.places = Places(
            base=str(home / "etc/tailsync/firewall"),
            ufw=str(home / "etc/ufw"),
            defaults=str(home / "etc/default/ufw"),
            init=str(home / "bin/ufw-init"),
            lock=str(home / "lock"),
            since_boot=str(home / "since-boot"),
            path=f"{home}/bin:/usr/bin:/bin",
            lock_timeout=0.2,
            policy_timeout=0.3,
            last_command_timeout=0.5,
            pause=0.1,
            tailscaled=0.5,
        )
        self.base = pathlib.Path(self.places.base)
        self.active = True
        self.write(OLD)
        self.count, self.dies_at = 0, 0

    def write(self, text: str) -> None:
        pathlib.Path(self.places.ufw, "user.rules").write_text(text, encoding="ascii")
        pathlib.Path(self.places.ufw, "ufw.conf").write_text("ENABLED=yes\n", encoding="ascii")
        pathlib.Path(self.places.defaults).write_text(text, encoding="ascii")

    @property
    def has(self) -> tuple[str, str]:
        return (
            pathlib.Path(self.places.ufw, "user.rules").read_text(encoding="ascii"),
            pathlib.Path(self.places.defaults).read_text(encoding="ascii"),
        )

    def execute(self, command: list[str]) -> tuple[int, str, str]:
        self.count += 1
        if self.count == self.dies_at:
            raise KeyboardInterrupt
        if command[:1] == ["systemctl"]:
            return 0, "", ""
        if command[0] in ("iptables", "ip6tables"):
            return (0 if self.active else 1), "-P INPUT DROP\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n", ""
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    @property
    def guard(self) -> Guard:
        return Guard(self.execute, self.places, self.home)

    def armed(self) -> Machine:
        self.guard.arm(180)
        self.write(NEW)
        return self

    def script(self, kept: str = "rollback", *reason: str, kill_at: int = 0) -> subprocess.CompletedProcess[str]:
        (self.home / "calls").unlink(missing_ok=True)
        (self.home / "kill-at").write_text(f"{kill_at}\n", encoding="ascii")
        (self.home / "count").write_text("0\n", encoding="ascii")
        command = ["sh", str(self.base / "rollback.sh"), str(self.base / kept), *reason]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    @property
    def calls(self) -> list[str]:
        return (self.home / "calls").read_text(encoding="ascii").splitlines()

    def breaks(self, kind: str, name: str) -> None:
        (self.home / kind / name).touch()

    def works(self, name: str) -> None:
        for kind in ("fails", "hangs"):
            (self.home / kind / name).unlink(missing_ok=True)


@pytest.fixture
def machine(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(_lock, "LOCK_TIMEOUT", 1)
    monkeypatch.setattr(os, "sync", lambda: None)  # no test cuts the power
    return Machine(tmp_path)


def test_rollback_restores_the_old_rules_and_records_the_reason(machine: Machine) -> None:
    done = machine.armed().script()
    assert (done.returncode, machine.has) == (0, (OLD, OLD))
    record = machine.guard.read()
    assert (record.armed, record.in_force) == (False, "rolled_back")
    assert "no new login over the tailnet was proven within 180 s" in (record.rolled_back or {})["reason"]
    assert "ufw-init force-reload" in machine.calls
    assert "iptables -w -P INPUT DROP" in machine.calls
    assert machine.script().returncode == 0
    assert not (machine.home / "calls").exists(), "nothing is armed, so the script does nothing"


def test_rollback_stops_a_ufw_that_was_inactive(machine: Machine) -> None:
    machine.active = False
    machine.armed().script()
    assert "ufw-init force-stop" in machine.calls
    assert "ufw-init force-reload" not in machine.calls


def test_rollback_after_a_reboot_records_the_reboot(machine: Machine) -> None:
    machine.armed()
    pathlib.Path(machine.places.since_boot).unlink()
    machine.script()
    assert (machine.guard.read().rolled_back or {})["reason"] == "the host was restarted before a new SSH login was proven"


def test_rollback_killed_at_any_command_is_finished_by_the_next_one(machine: Machine, tmp_path: pathlib.Path) -> None:
    machine.armed().script()
    commands = len(machine.calls)
    assert commands > 15
    for number in range(1, commands + 1):
        again = Machine(tmp_path / str(number)).armed()
        again.script(kill_at=number)
        for _attempt in range(2):  # systemd runs it again, and so does a reboot
            again.script()
        assert again.has == (OLD, OLD), number
        assert not again.guard.read().armed, number


@pytest.mark.parametrize("name", ["tailscale", "systemctl"])
def test_hanging_program_does_not_stop_the_rollback(machine: Machine, name: str) -> None:
    machine.armed()
    if name == "tailscale":
        machine.breaks("hangs", name)
    else:
        machine.breaks("fails", name)
    assert machine.script().returncode == 0
    assert machine.has == (OLD, OLD)


def test_rollback_that_cannot_move_files_opens_the_firewall_and_is_retried(machine: Machine) -> None:
    machine.armed().breaks("fails", "mv")
    assert machine.script().returncode == 1
    assert "iptables -w -P INPUT ACCEPT" in machine.calls
    assert machine.guard.read().armed, "otherwise the rollback is not tried again"
    machine.works("mv")
    assert (machine.script().returncode, machine.has) == (0, (OLD, OLD))


def test_rollback_that_cannot_load_rules_opens_and_reports_it(machine: Machine) -> None:
    machine.armed().breaks("fails", "ufw-init")
    assert machine.script().returncode == 0
    assert "ip6tables -w -P INPUT ACCEPT" in machine.calls
    assert "iptables -w -P INPUT DROP" not in machine.calls
    record = machine.guard.read()
    assert (record.in_force, "the firewall is OPEN" in (record.rolled_back or {})["reason"]) == ("open", True)
    assert asked(machine)["open"] is True
    machine.works("ufw-init")
    machine.armed().script()
    assert machine.guard.read().in_force == "rolled_back"
    assert asked(machine)["open"] is False


def asked(machine: Machine) -> dict[str, t.Any]:
    """The module's result for a role that only reads the state."""
    return _rollback.apply(machine.guard, {"state": "restored", "reason": ""}, check_mode=True)


def test_leaving_that_opens_the_firewall_is_an_error(machine: Machine) -> None:
    machine.armed()
    machine.guard.disarm()
    machine.guard.arm(180)
    machine.breaks("fails", "ufw-init")
    with pytest.raises(UfwError, match="the firewall is OPEN"):
        machine.guard.leave()
    assert machine.guard.read().armed


def test_leaving_needs_an_armed_rollback(machine: Machine) -> None:
    machine.armed()
    machine.guard.disarm()
    with pytest.raises(UfwError, match="state armed before state original"):
        machine.guard.leave()
    assert machine.has == (NEW, NEW)
    machine.guard.arm(180)
    machine.guard.leave()
    assert machine.has == (OLD, OLD)
    machine.guard.disarm()
    assert not machine.base.exists()


HOLD = """
import fcntl, os, sys, time
handle = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
fcntl.flock(handle, fcntl.LOCK_EX)
if sys.argv[2]:
    os.truncate(handle, 0)
    os.write(handle, (str(os.getpid()) if sys.argv[2] == "own" else sys.argv[2]).encode())
print("held", flush=True)
time.sleep(60)
"""


@contextlib.contextmanager
def held(machine: Machine, number: str) -> t.Iterator[subprocess.Popen[str]]:
    """Another process holds the lock, and the file has its number. An earlier, longer number was overwritten."""
    pathlib.Path(machine.places.lock).write_text("9" * 9, encoding="ascii")
    with subprocess.Popen(["python3", "-c", HOLD, machine.places.lock, number], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_policy_module_that_holds_the_lock_too_long_is_killed(machine: Machine) -> None:
    machine.armed()
    with held(machine, "own") as policy:
        assert machine.script().returncode == 0
        assert policy.wait(10) == -9
    assert machine.has == (OLD, OLD)


@pytest.mark.parametrize("number", ["another", "", "no number", "999999999"])
def test_other_holder_of_the_lock_is_neither_killed_nor_waited_for(machine: Machine, number: str) -> None:
    """The number in the file belongs to a module that has ended, and may now be that of another process."""
    machine.armed()
    with subprocess.Popen(["sleep", "60"]) as bystander:
        with held(machine, str(bystander.pid) if number == "another" else number) as stranger:
            begun = time.monotonic()
            assert machine.script().returncode == 0
            assert time.monotonic() - begun < 5
            assert (stranger.poll(), bystander.poll()) == (None, None)
        bystander.kill()
    assert machine.has == (OLD, OLD)


def test_longest_wait_of_a_rollback_is_as_documented() -> None:
    """As documented in the role's README: 30 seconds for a change in progress, and less for any other process."""
    places = Places()
    assert places.lock_timeout + places.policy_timeout <= 30
    assert places.lock_timeout + 2 * places.tailscaled <= 25


def test_interrupted_arming_is_either_unarmed_or_rolled_back(machine: Machine, tmp_path: pathlib.Path) -> None:
    machine.armed()
    for number in range(1, machine.count + 1):
        again = Machine(tmp_path / f"arm-{number}")
        again.dies_at = number
        with pytest.raises(KeyboardInterrupt):
            again.guard.arm(180)
        assert not again.guard.read().armed, number
        again.dies_at = 0
        again.armed().script()
        assert again.has == (OLD, OLD)


def test_interrupted_confirmation_is_either_confirmed_or_rolled_back(machine: Machine, tmp_path: pathlib.Path) -> None:
    machine.armed()
    before = machine.count
    machine.guard.disarm()
    for number in range(1, machine.count - before + 1):
        again = Machine(tmp_path / f"disarm-{number}").armed()
        again.dies_at = again.count + number
        with pytest.raises(KeyboardInterrupt):
            again.guard.disarm()
        again.dies_at = 0
        record = again.guard.read()
        assert (record.armed, record.original) == (False, True), number
        again.script()
        assert again.has == (NEW, NEW)


def test_arming_again_keeps_the_first_snapshot(machine: Machine) -> None:
    machine.armed().armed().script()
    assert machine.has == (OLD, OLD)


def test_confirmed_change_clears_the_record_of_an_earlier_rollback(machine: Machine) -> None:
    machine.armed().script()
    assert machine.guard.read().rolled_back
    machine.armed()
    assert machine.guard.read().in_force == "unproven"
    machine.guard.disarm()
    assert (machine.guard.read().rolled_back, machine.guard.read().in_force) == (None, "confirmed")


def test_change_of_another_run_cannot_be_confirmed(machine: Machine) -> None:
    _expires, first = machine.guard.arm(180)
    _expires, second = machine.guard.arm(180)
    with pytest.raises(UfwError, match="another run has armed a change"):
        machine.guard.disarm(first)
    machine.guard.disarm(second)
    with pytest.raises(UfwError, match="taken back before it was confirmed"):
        machine.guard.disarm(second)


def test_rollback_script_is_replaced_atomically(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.armed()
    whole = (machine.base / "rollback.sh").read_text(encoding="utf-8")
    monkeypatch.setattr(_rollback_script, "SCRIPT", "#!/bin/sh\n# another version\n")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    machine.guard.restore("the disk is full")
    monkeypatch.undo()
    assert machine.has == (OLD, OLD)
    assert "Restores ufw's old files" in whole


@pytest.mark.parametrize("kind", ["link", "off"])
def test_change_that_could_not_be_rolled_back_is_refused(machine: Machine, kind: str) -> None:
    folder = pathlib.Path(machine.places.ufw)
    if kind == "link":
        folder.rename(machine.home / "elsewhere")
        folder.symlink_to(machine.home / "elsewhere")
        words = "is a link or a mount point"
    else:
        (folder / "ufw.conf").write_text("ENABLED=no\n", encoding="ascii")
        words = "ufw filters although its ufw.conf says ENABLED=no"
    with pytest.raises(UfwError, match=words):
        machine.guard.arm(180)
    assert not machine.guard.read().armed


def test_second_timer_does_not_match_the_name_of_the_first(machine: Machine) -> None:
    told: list[list[str]] = []

    def execute(command: list[str]) -> tuple[int, str, str]:
        if command[0] == "systemctl":
            told.append(command[1:])
        return machine.execute(command)

    guard = Guard(execute, machine.places, machine.home)
    first, second = f"{_rollback_units.UNIT}.timer", f"{_rollback_units.SECOND}.timer"
    _expires, token = guard.arm(60)
    assert not fnmatch.fnmatch(second, "tailsync*")
    assert ["restart", first, second] in told
    assert ["enable", f"{_rollback_units.UNIT}.service", second] in told, "each timer is started at boot"
    text = guard.second.read_text(encoding="ascii")
    assert f"Unit={_rollback_units.UNIT}.service\nOnActiveSec=60\nOnActiveSec=90\nOnActiveSec=150\n" in text
    assert "RefuseManualStop=yes" in guard.service.read_text(encoding="ascii")
    guard.disarm(token)
    assert ["stop", first, second] in told
    assert not guard.second.exists()
    machine.armed().script()
    assert f"systemctl --no-block stop {first} {second}" in machine.calls


def test_units_and_script_have_no_placeholders_left() -> None:
    for text in (_rollback_script.SCRIPT, _rollback_units.SERVICE, _rollback_units.TIMER, _rollback_units.SECOND_TIMER):
        filled = _rollback_units.fill(text, Places(), 180)
        assert not [
            name
            for name in (*Places.__dataclass_fields__, "unit", "second", "timeout", "again", "once_more")
            if f"@{name}@" in filled
        ]
    assert os.fspath(_rollback.PLACES.base) == "/etc/tailsync/firewall"
