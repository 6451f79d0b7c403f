# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of the firewall that takes itself back unless somebody proves that the host can still be reached.

`rollback` is what ufw was before this change, `original` what it was before the first one that was confirmed. Both
lie on the file system that ufw's own files are on, so that they can be moved into place.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import shutil
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _lock, _rollback_files
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._policy import UfwError

BASE = Path("/etc/tailsync/firewall")
FIRED = BASE / "fired"
ROLLBACK, ORIGINAL, LEAVING = BASE / "rollback", BASE / "original", BASE / "leaving"
LEFT = BASE / "left"  # the host has left, but for the proof that it can be reached
SCRIPT = BASE / "rollback.sh"
SERVICE = Path(f"/etc/systemd/system/{_rollback_files.UNIT}.service")
TIMER = Path(f"/run/systemd/system/{_rollback_files.UNIT}.timer")  # a restart ends the wait, and the service runs at once
# Who would take ufw's rules away, or add to them, behind its back.
OTHERS = ("firewalld", "nftables", "netfilter-persistent", "iptables", "ip6tables", "shorewall", "shorewall6", "ferm")
SYSTEMD = Path("/run/systemd/system")  # sd_booted(3)

Execute = t.Callable[[t.List[str]], t.Tuple[int, str, str]]  # noqa: UP006  (3.9 at run time)


class Record(t.NamedTuple):
    """What a host's files say."""

    armed: bool
    rolled_back: dict[str, str] | None
    original: bool


def read(base: Path = BASE) -> Record:
    fired = None
    with contextlib.suppress(OSError):
        time, _newline, reason = (base / FIRED.name).read_text(encoding="utf-8").strip().partition("\n")
        fired = {"time": time or "a time", "reason": reason or "of which nothing could be written down (is the disk full?)"}
    return Record(
        (base / ROLLBACK.name / "complete").exists(),
        fired,
        (base / ORIGINAL.name / "complete").exists(),
    )


def describe(record: Record) -> dict[str, t.Any]:
    return {"armed": record.armed, "rolled_back": record.rolled_back}


def refuse_unarmed(record: Record) -> None:
    if record.armed:
        return
    why = (record.rolled_back or {}).get("reason", "nothing was armed")
    raise UfwError(
        f"nothing would take this change of the firewall back ({why}), so nothing was changed: arm it by ufw_rollback, and raise "
        "firewall_rollback_timeout if the host needs longer"
    )


def warning_of(record: Record) -> str | None:
    """What the next run has to say of an earlier one."""
    if not record.rolled_back:
        return None
    return (
        f"an earlier change of the firewall was taken back at {record.rolled_back['time']}, and the old rules are in force: "
        f"{record.rolled_back['reason']}"
    )


def other_firewalls(shown: str) -> list[str]:
    """The services among `systemctl show --property=Id,ActiveState,UnitFileState` that manage a packet filter of their own."""
    found = []
    for block in shown.strip().split("\n\n"):
        unit = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if unit.get("ActiveState") == "active" or unit.get("UnitFileState") == "enabled":
            found.append(unit.get("Id", "").removesuffix(".service"))
    return found


def policies(listing: str) -> str:
    """A chain and its policy a line, out of `iptables -S`."""
    return "".join(f"{chain} {policy}\n" for chain, policy in re.findall(r"^-P (\S+) (\S+)$", listing, re.MULTILINE))


def docker_user(listing: str) -> str:
    """The chain that Docker leaves to the administrator, as iptables-restore takes it; empty if there is none."""
    if not re.search(r"^-N DOCKER-USER$", listing, re.MULTILINE):
        return ""
    rules = re.findall(r"^-A DOCKER-USER .*$", listing, re.MULTILINE)
    return "\n".join(["*filter", ":DOCKER-USER - [0:0]", *rules, "COMMIT", ""])


def bring(guard: Guard, params: t.Mapping[str, t.Any], check_mode: bool) -> tuple[Record, dict[str, t.Any]]:
    """What was so before, and the module's result."""
    state, before = params["state"], read()
    expires = None
    if state == "armed":
        guard.refuse_another_firewall()
    if not check_mode:
        if state == "armed":
            expires = guard.arm(params["timeout"])
        elif state == "disarmed":
            guard.disarm()
        elif state == "restored":
            guard.restore(params["reason"])
        elif before.original:
            guard.leave()
    armed = {"armed": True, "disarmed": False, "restored": False, "original": before.armed}[state]
    after = read()
    return before, {
        "changed": armed != before.armed or (state == "original" and before.original),
        "armed": armed,
        "expires": expires,
        "rolled_back": after.rolled_back,
        "original": after.original,
        "diff": {"before": {"armed": before.armed}, "after": {"armed": armed}},
    }


class Guard:
    def __init__(self, execute: Execute) -> None:
        self.execute = execute

    def refuse_another_firewall(self) -> None:
        if not SYSTEMD.exists():
            raise UfwError(
                "this host does not run systemd, which is what brings its old rules back: set ufw up by ufw_policy alone"
            )
        units = [f"{name}.service" for name in OTHERS]
        _code, shown, _error = self.execute(["systemctl", "show", "--property=Id,ActiveState,UnitFileState", *units])
        others = other_firewalls(shown)
        if others:
            raise UfwError(
                f"{' and '.join(others)} is in charge of this host's packet filter, and would undo what ufw does or be undone by "
                f"it: run `systemctl disable --now {' '.join(others)}`, and say the rules that you need in firewall_extra_rules"
            )

    def arm(self, timeout: int) -> str:
        """Keep what there is, unless an earlier change still waits for its proof, and start the time. Says when it ends.

        With "complete" it is armed, and not before the time runs: cut off anywhere, it is either not armed or takes itself back.
        """
        with _lock.held():
            try:
                if not read().armed:
                    self._keep()
                (ROLLBACK / "timeout").write_text(f"{timeout}\n", encoding="ascii")
                self._write_units(timeout)
            except OSError as error:
                if not read().armed:
                    _discard(ROLLBACK)
                raise UfwError(
                    f"the firewall's present state cannot be kept in {BASE}, so nothing was changed: {error.strerror}"
                ) from error
            Path(_rollback_files.SINCE_BOOT).touch()
            self._systemctl("daemon-reload")
            self._systemctl("enable", SERVICE.name)
            self._systemctl("restart", TIMER.name)
            (ROLLBACK / "complete").touch()
            return _in(timeout)

    def disarm(self) -> None:
        """Take the change for good. If it was taken back meanwhile, that is said."""
        with _lock.held():
            record = read()
            if not record.armed:
                why = (record.rolled_back or {}).get("reason", "nothing was armed")
                raise UfwError(
                    f"the firewall's change was taken back before it was confirmed ({why}): raise firewall_rollback_timeout if "
                    "the host needs longer, and run again"
                )
            if record.original:
                _discard(ROLLBACK)
            else:
                # Not before: what was there when a change failed, its owner may have changed since.
                _discard(ORIGINAL)
                ROLLBACK.rename(ORIGINAL)
            FIRED.unlink(missing_ok=True)
            self._forget_units()
            if LEFT.exists():
                shutil.rmtree(BASE)
                with contextlib.suppress(OSError):  # others may have something there
                    BASE.parent.rmdir()

    def restore(self, reason: str) -> None:
        """The script has the lock meanwhile."""
        if read().armed:
            self._write_script()
            self._run_script(ROLLBACK, reason)
        with _lock.held():
            if not read().armed:
                self._forget_units()

    def leave(self) -> None:
        """Bring back what was before the first change; the next disarm forgets that there was anything."""
        _discard(LEAVING)
        self._execute("cp", "--archive", str(ORIGINAL), str(LEAVING))
        self._write_script()
        self._run_script(LEAVING, "the host leaves")
        LEFT.touch()

    def _keep(self) -> None:
        BASE.mkdir(mode=0o700, parents=True, exist_ok=True)
        LEFT.unlink(missing_ok=True)  # of a leaving that was taken back
        _discard(ROLLBACK)
        ROLLBACK.mkdir(mode=0o700)
        self._execute("cp", "--archive", "/etc/ufw", str(ROLLBACK / "ufw"))
        self._execute("cp", "--archive", "/etc/default/ufw", str(ROLLBACK / "default"))
        if self.execute(["iptables", "-w", "-n", "-L", "ufw-user-input"])[0] == 0:
            (ROLLBACK / "active").touch()
        for family, command in ((4, "iptables"), (6, "ip6tables")):
            # ufw sets all three to ACCEPT when it stops; Docker has its own mind about FORWARD.
            _code, listing, _error = self.execute([command, "-w", "-S"])
            (ROLLBACK / f"policies{family}").write_text(policies(listing), encoding="utf-8")
            docker = docker_user(listing)
            if docker:
                (ROLLBACK / f"docker{family}").write_text(docker, encoding="utf-8")

    def _write_units(self, timeout: int) -> None:
        self._write_script()
        for path, text in ((SERVICE, _rollback_files.SERVICE), (TIMER, _rollback_files.TIMER)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_rollback_files.fill(text, str(BASE), timeout), encoding="utf-8")

    @staticmethod
    def _write_script() -> None:
        SCRIPT.write_text(_rollback_files.fill(_rollback_files.SCRIPT, str(BASE)), encoding="utf-8")
        SCRIPT.chmod(0o700)

    def _forget_units(self) -> None:
        self.execute(["systemctl", "stop", TIMER.name])
        self.execute(["systemctl", "disable", SERVICE.name])
        for path in (SERVICE, TIMER, SCRIPT, Path(_rollback_files.SINCE_BOOT)):
            path.unlink(missing_ok=True)
        self.execute(["systemctl", "daemon-reload"])

    def _run_script(self, kept: Path, reason: str) -> None:
        code, output, error = self.execute([str(SCRIPT), str(kept), reason])
        if code != 0:
            raise UfwError(f"{SCRIPT} failed, and is run again by systemd: {(error or output).strip()}")

    def _systemctl(self, *arguments: str) -> None:
        code, output, error = self.execute(["systemctl", *arguments])
        if code != 0:
            raise UfwError(
                f"systemd did not take the firewall's rollback, so nothing was changed: systemctl {' '.join(arguments)}: "
                f"{(error or output).strip()}"
            )

    def _execute(self, *command: str) -> None:
        code, output, error = self.execute(list(command))
        if code != 0:
            raise OSError(code, ((error or output).strip().splitlines() or [command[0]])[0])


def _discard(kept: Path) -> None:
    """What is no longer complete is not brought back, should this be cut off."""
    (kept / "complete").unlink(missing_ok=True)
    shutil.rmtree(kept, ignore_errors=True)


def _in(seconds: int) -> str:
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")
