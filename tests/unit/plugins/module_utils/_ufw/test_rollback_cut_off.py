# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard and its script, cut off at each of their commands, on a host that is a folder with stand-ins for its programs."""

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

pytestmark = pytest.mark.slow  # real processes, and time that passes
OLD, NEW = "the old rules", "the new rules"
# What the script runs; each stand-in counts, notes what it was told, and does it.
REAL = ("mv", "rm", "cat", "date", "sleep", "timeout", "flock")
FAKE = ("ufw-init", "iptables", "ip6tables", "iptables-restore", "ip6tables-restore", "systemctl", "tailscale", "logger", "sync")
STAND_IN = """\
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
            (home / "bin" / name).write_text(STAND_IN.format(home=home, real=real), encoding="ascii")
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
    monkeypatch.setattr(os, "sync", lambda: None)  # no plug is pulled here
    return Machine(tmp_path)


def test_it_brings_back_what_there_was_and_says_why(machine: Machine) -> None:
    done = machine.armed().script()
    assert (done.returncode, machine.has) == (0, (OLD, OLD))
    record = machine.guard.read()
    assert (record.armed, record.in_force) == (False, "rolled_back")
    assert "no new login over the tailnet was proven within 180 s" in (record.rolled_back or {})["reason"]
    assert "ufw-init force-reload" in machine.calls
    assert "iptables -w -P INPUT DROP" in machine.calls
    assert machine.script().returncode == 0
    assert not (machine.home / "calls").exists(), "with nothing armed it does nothing"


def test_what_was_off_is_off_again(machine: Machine) -> None:
    machine.active = False
    machine.armed().script()
    assert "ufw-init force-stop" in machine.calls
    assert "ufw-init force-reload" not in machine.calls


def test_after_a_restart_it_says_so(machine: Machine) -> None:
    machine.armed()
    pathlib.Path(machine.places.since_boot).unlink()
    machine.script()
    assert (machine.guard.read().rolled_back or {})["reason"] == "the host was restarted before a new SSH login was proven"


def test_it_may_die_at_any_command_and_be_run_again(machine: Machine, tmp_path: pathlib.Path) -> None:
    machine.armed().script()
    commands = len(machine.calls)
    assert commands > 15
    for number in range(1, commands + 1):
        again = Machine(tmp_path / str(number)).armed()
        again.script(kill_at=number)
        for _attempt in range(2):  # systemd tries again, and a restart would
            again.script()
        assert again.has == (OLD, OLD), number
        assert not again.guard.read().armed, number


@pytest.mark.parametrize("name", ["tailscale", "systemctl"])
def test_a_daemon_that_hangs_does_not_hang_it(machine: Machine, name: str) -> None:
    machine.armed()
    if name == "tailscale":
        machine.breaks("hangs", name)
    else:
        machine.breaks("fails", name)
    assert machine.script().returncode == 0
    assert machine.has == (OLD, OLD)


def test_files_that_cannot_be_moved_open_the_firewall_and_are_tried_again(machine: Machine) -> None:
    machine.armed().breaks("fails", "mv")
    assert machine.script().returncode == 1
    assert "iptables -w -P INPUT ACCEPT" in machine.calls
    assert machine.guard.read().armed, "else nobody would try again"
    machine.works("mv")
    assert (machine.script().returncode, machine.has) == (0, (OLD, OLD))


def test_rules_that_cannot_be_loaded_open_the_firewall_and_that_is_said(machine: Machine) -> None:
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
    """What the module returns to a role that only asks."""
    return _rollback.apply(machine.guard, {"state": "restored", "reason": ""}, check_mode=True)


def test_leaving_that_opens_the_firewall_is_no_success(machine: Machine) -> None:
    machine.armed()
    machine.guard.disarm()
    machine.guard.arm(180)
    machine.breaks("fails", "ufw-init")
    with pytest.raises(UfwError, match="the firewall is OPEN"):
        machine.guard.leave()
    assert machine.guard.read().armed


def test_leaving_needs_somebody_to_take_it_back(machine: Machine) -> None:
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
    """Another process has the lock, and its file says whose it is. What an earlier one left in there was longer."""
    pathlib.Path(machine.places.lock).write_text("9" * 9, encoding="ascii")
    with subprocess.Popen(["python3", "-c", HOLD, machine.places.lock, number], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_a_policy_that_is_at_work_for_too_long_is_ended(machine: Machine) -> None:
    machine.armed()
    with held(machine, "own") as policy:
        assert machine.script().returncode == 0
        assert policy.wait(10) == -9
    assert machine.has == (OLD, OLD)


@pytest.mark.parametrize("number", ["another", "", "no number", "999999999"])
def test_whoever_else_has_the_lock_is_neither_ended_nor_waited_for(machine: Machine, number: str) -> None:
    """The number in the file is that of a module that is gone, and may by now be that of a process of somebody's."""
    machine.armed()
    with subprocess.Popen(["sleep", "60"]) as bystander:
        with held(machine, str(bystander.pid) if number == "another" else number) as stranger:
            begun = time.monotonic()
            assert machine.script().returncode == 0
            assert time.monotonic() - begun < 5
            assert (stranger.poll(), bystander.poll()) == (None, None)
        bystander.kill()
    assert machine.has == (OLD, OLD)


def test_the_longest_that_a_rollback_may_wait() -> None:
    """What the role's README says: half a minute for a change that is at work, and far less for anybody else."""
    places = Places()
    assert places.lock_timeout + places.policy_timeout <= 30
    assert places.lock_timeout + 2 * places.tailscaled <= 25


def test_arming_that_is_cut_off_is_either_not_armed_or_takes_itself_back(machine: Machine, tmp_path: pathlib.Path) -> None:
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


def test_confirming_that_is_cut_off_is_confirmed_or_not(machine: Machine, tmp_path: pathlib.Path) -> None:
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


def test_what_an_earlier_run_kept_is_kept_on(machine: Machine) -> None:
    machine.armed().armed().script()
    assert machine.has == (OLD, OLD)


def test_a_change_that_went_through_ends_the_story_of_the_one_before(machine: Machine) -> None:
    machine.armed().script()
    assert machine.guard.read().rolled_back
    machine.armed()
    assert machine.guard.read().in_force == "unproven"
    machine.guard.disarm()
    assert (machine.guard.read().rolled_back, machine.guard.read().in_force) == (None, "confirmed")


def test_nobody_confirms_the_change_of_another_run(machine: Machine) -> None:
    _expires, first = machine.guard.arm(180)
    _expires, second = machine.guard.arm(180)
    with pytest.raises(UfwError, match="another run has armed a change"):
        machine.guard.disarm(first)
    machine.guard.disarm(second)
    with pytest.raises(UfwError, match="taken back before it was confirmed"):
        machine.guard.disarm(second)


def test_half_a_file_is_never_in_the_scripts_place(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_what_could_not_be_brought_back_is_not_begun(machine: Machine, kind: str) -> None:
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


def test_a_second_trigger_is_there_that_no_pattern_for_the_first_one_matches(machine: Machine) -> None:
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
    assert ["enable", f"{_rollback_units.UNIT}.service", second] in told, "each of them comes up after a restart"
    text = guard.second.read_text(encoding="ascii")
    assert f"Unit={_rollback_units.UNIT}.service\nOnActiveSec=60\nOnActiveSec=90\nOnActiveSec=150\n" in text
    assert "RefuseManualStop=yes" in guard.service.read_text(encoding="ascii")
    guard.disarm(token)
    assert ["stop", first, second] in told
    assert not guard.second.exists()
    machine.armed().script()
    assert f"systemctl --no-block stop {first} {second}" in machine.calls


def test_the_units_and_the_script_are_filled_in() -> None:
    for text in (_rollback_script.SCRIPT, _rollback_units.SERVICE, _rollback_units.TIMER, _rollback_units.SECOND_TIMER):
        filled = _rollback_units.fill(text, Places(), 180)
        assert not [
            name
            for name in (*Places.__dataclass_fields__, "unit", "second", "timeout", "again", "once_more")
            if f"@{name}@" in filled
        ]
    assert os.fspath(_rollback.PLACES.base) == "/etc/tailsync/firewall"
