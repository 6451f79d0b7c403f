# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rollback of a firewall change, which happens unless it is proven that the host can still be reached.

`rollback` is the state of ufw before this change, `original` the state before the first confirmed change. Both are on the
file system of ufw's own files, so that they can be moved into place.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import secrets
import shutil
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._common.files import write_whole
from ansible_collections.homelab.tailsync.plugins.module_utils._host.packet_filter import SERVICES, services
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import (
    _lock,
    _record,
    _rollback_script,
    _rollback_units,
    _state,
)
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._errors import UfwError
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._record import Record
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rollback_units import SECOND, UNIT, Places

PLACES = Places()
SYSTEMD = Path("/run/systemd/system")  # sd_booted(3)

Execute = t.Callable[[t.List[str]], t.Tuple[int, str, str]]  # noqa: UP006  (3.9 at run time)


def policies(listing: str) -> str:
    """The policies in the output of `iptables -S`, one chain on a line."""
    return "".join(f"{chain} {policy}\n" for chain, policy in re.findall(r"^-P (\S+) (\S+)$", listing, re.MULTILINE))


def docker_user(listing: str) -> str:
    """The chain that Docker leaves to the administrator, as input for iptables-restore; empty if there is none."""
    if not re.search(r"^-N DOCKER-USER$", listing, re.MULTILINE):
        return ""
    rules = re.findall(r"^-A DOCKER-USER .*$", listing, re.MULTILINE)
    return "\n".join(["*filter", ":DOCKER-USER - [0:0]", *rules, "COMMIT", ""])


def apply(guard: Guard, params: t.Mapping[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Apply the declared state. Raises UfwError, also if a file cannot be written."""
    try:
        return _apply(guard, params, check_mode)
    except OSError as error:
        raise UfwError(f"{error.filename or 'a file'} cannot be written: {error.strerror}. Is the disk full?") from error


def _apply(guard: Guard, params: t.Mapping[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    state, before = params["state"], guard.read()
    guard.refuse(state, before, params, check_mode)
    expires = token = None
    if not check_mode:
        expires, token = guard.apply_state(state, before, params)
    armed = {"armed": True, "disarmed": False, "restored": False, "original": before.armed}[state]
    after = guard.read()
    warning = _record.warning_of(before) if state == "armed" else None
    return {
        "changed": armed != before.armed or (state == "original" and before.original),
        "armed": armed,
        "expires": expires,
        "token": token,
        "rolled_back": after.rolled_back,
        "original": after.original,
        "open": after.is_open,
        "in_force": "unproven" if check_mode and armed else after.in_force,
        "diff": {"before": {"armed": before.armed}, "after": {"armed": armed}},
        "warnings": [warning] if warning else [],
    }


class Guard:
    """The rollback's files and units on a host. Raises UfwError, and OSError if a file cannot be written."""

    def __init__(self, execute: Execute, places: Places = PLACES, units: Path = Path("/")) -> None:
        self.execute = execute
        self.places = places
        self.base = Path(places.base)
        self.rollback, self.original, self.leaving = (self.base / name for name in ("rollback", "original", "leaving"))
        self.fired = self.base / "fired"
        self.open = self.base / "open"
        self.left = self.base / "left"  # the original state is restored, but the proof that the host can be reached is missing
        self.script = self.base / "rollback.sh"
        self.service = units / f"etc/systemd/system/{UNIT}.service"
        # Lost at a restart, after which the service runs at once.
        self.timer = units / f"run/systemd/system/{UNIT}.timer"
        self.second = units / f"etc/systemd/system/{SECOND}.timer"

    def read(self) -> Record:
        return _record.read(self.base)

    def refuse(self, state: str, record: Record, params: t.Mapping[str, t.Any], check_mode: bool) -> None:
        """Refuse as much as possible before any change, so that check mode refuses it as well."""
        if state == "armed":
            self.refuse_unfit_services()
        if state == "disarmed":
            self.refuse_to_confirm(record, params["token"])
            if params["require_active"] and check_mode:  # a real run checks it under the lock
                self.refuse_inactive()

    def apply_state(self, state: str, record: Record, params: t.Mapping[str, t.Any]) -> tuple[str | None, str | None]:
        """Apply the state. Returns the time of the rollback and the token that confirms the change, if it is armed."""
        if state == "armed":
            return self.arm(params["timeout"])
        if state == "disarmed":
            self.disarm(params["token"], params["require_active"])
        elif state == "restored":
            self.restore(params["reason"])
        elif record.original:
            self.leave()
        return None, None

    def refuse_unfit_services(self) -> None:
        if not SYSTEMD.exists():
            raise UfwError("this host does not run systemd, which the rollback needs: set ufw up by ufw_policy alone")
        code, state, _error = self.execute(["systemctl", "is-enabled", "ufw.service"])
        if code != 0 and state.strip() in ("disabled", "masked"):
            raise UfwError(
                f"ufw.service is {state.strip()}, so the firewall would be open after the next boot: run `systemctl unmask ufw` "
                "and `systemctl enable ufw`"
            )
        units = [f"{name}.service" for name in SERVICES]
        _code, shown, _error = self.execute(["systemctl", "show", "--property=Id,ActiveState,UnitFileState", *units])
        others = services(shown)
        if others:
            raise UfwError(
                f"{' and '.join(others)} is in charge of this host's packet filter, and would undo what ufw does or be undone by "
                f"it: run `systemctl disable --now {' '.join(others)}`, and put the rules that you need into firewall_extra_rules"
            )

    def refuse_to_confirm(self, record: Record, token: str | None) -> None:
        if not record.armed:
            why = (record.rolled_back or {}).get("reason", "nothing was armed")
            raise UfwError(
                f"the firewall's change was taken back before it was confirmed ({why}): raise firewall_rollback_timeout if "
                "the host needs longer, and run again"
            )
        if token and token != self._token():
            raise UfwError("another run has armed a change of the firewall since: wait until that run is over, and run again")

    def refuse_inactive(self) -> None:
        """Refuse to confirm without active rules: a login proves something only if the rules were in force."""
        if self.left.exists():
            return  # ufw may have been off before the first change
        conf = _state.parse_settings((Path(self.places.ufw) / "ufw.conf").read_text(encoding="utf-8"))
        settings = _state.parse_settings(Path(self.places.defaults).read_text(encoding="utf-8"))
        policy = "ACCEPT" if settings.get("DEFAULT_INPUT_POLICY", "DROP").upper() == "ACCEPT" else "DROP"
        missing = "" if conf.get("ENABLED", "").lower() == "yes" else "ufw.conf says ENABLED=no"
        for program, chain in (("iptables", "ufw-before-input"), ("ip6tables", "ufw6-before-input")):
            _code, listing, _error = self.execute([program, "-w", "-S"])
            lines = listing.splitlines()
            wanted = (f"-P INPUT {policy}", f"-A INPUT -j {chain}", f"-A {chain} -j {chain.replace('before', 'user')}")
            absent = [line for line in wanted if line not in lines] if lines or program == "iptables" else []
            missing = missing or (f"the kernel has no `{program} {absent[0]}`" if absent else "")
        if missing:
            raise UfwError(
                f"ufw does not filter any more ({missing}), so this change cannot be confirmed: it was switched off, or its "
                "chains were emptied meanwhile. Run again"
            )

    def arm(self, timeout: int) -> tuple[str, str]:
        """Save the present state, unless an earlier change still waits for its proof, and start the time.

        Returns the end of the time, and the token that confirms the change. The file "complete" arms the rollback, after the
        timer has started. So a run that is interrupted at any point is either not armed or rolled back.
        """
        with _lock.held(Path(self.places.lock)):
            token = secrets.token_hex(8)
            try:
                # It may be left from a `state: original` that was taken back or interrupted; this is another change.
                self.left.unlink(missing_ok=True)
                if not self.read().armed:
                    self._save()
                self._write_file(self.rollback / "timeout", f"{timeout}\n")
                self._write_file(self.rollback / "token", token)
                self._write_script()
                self._write_file(self.service, _rollback_units.fill(_rollback_units.SERVICE, self.places))
                self._write_file(self.timer, _rollback_units.fill(_rollback_units.TIMER, self.places, timeout))
                self._write_file(self.second, _rollback_units.fill(_rollback_units.SECOND_TIMER, self.places, timeout))
                Path(self.places.since_boot).touch()
                self._systemctl("daemon-reload")
                self._systemctl("enable", self.service.name, self.second.name)
                self._systemctl("restart", self.timer.name, self.second.name)
                os.sync()  # the files must survive a power cut
                (self.rollback / "complete").touch()
                os.sync()
            except OSError as error:
                if not self.read().armed:
                    _discard(self.rollback)
                raise UfwError(
                    f"the firewall's present state cannot be saved in {self.base}, so nothing was changed: {error.strerror}"
                ) from error
            return _in(timeout), token

    def disarm(self, token: str | None = None, require_active: bool = False) -> None:
        """Confirm the change. Raises UfwError if it was taken back meanwhile."""
        with _lock.held(Path(self.places.lock)):
            record = self.read()
            self.refuse_to_confirm(record, token)
            if require_active:
                self.refuse_inactive()
            self.fired.unlink(missing_ok=True)
            self.open.unlink(missing_ok=True)
            if record.original:
                _discard(self.rollback)
            else:
                # Not before a change is confirmed: after a failed one, the user may change ufw by hand.
                _discard(self.original)
                self.rollback.rename(self.original)
            os.sync()
            self._remove_units()
            if self.left.exists():
                _discard(self.original)
                shutil.rmtree(self.base)
                with contextlib.suppress(OSError):  # it may have other files
                    self.base.parent.rmdir()

    def restore(self, reason: str) -> None:
        """Take the change back now. The script takes the lock itself."""
        if self.read().armed:
            self._run_script(self.rollback, reason)
        with _lock.held(Path(self.places.lock)):
            if not self.read().armed:
                self._remove_units()

    def leave(self) -> None:
        """Restore the state before the first change; the next disarm deletes all records."""
        if not self.read().armed:
            raise UfwError("nothing would take this change of the firewall back: use state armed before state original")
        _discard(self.leaving)
        self._execute("cp", "--archive", str(self.original), str(self.leaving))
        self._run_script(self.leaving, "the host leaves")
        self.left.touch()

    def _save(self) -> None:
        for path in (Path(self.places.ufw), Path(self.places.defaults)):
            if path.is_symlink() or path.is_mount():
                raise UfwError(f"{path} is a link or a mount point, which cannot be restored: replace it by an ordinary one")
        self.base.mkdir(mode=0o700, parents=True, exist_ok=True)
        _discard(self.rollback)
        self.rollback.mkdir(mode=0o700)
        self._execute("cp", "--archive", self.places.ufw, str(self.rollback / "ufw"))
        self._execute("cp", "--archive", self.places.defaults, str(self.rollback / "default"))
        conf = _state.parse_settings((self.rollback / "ufw" / "ufw.conf").read_text(encoding="utf-8"))
        enabled = conf.get("ENABLED", "").lower() == "yes"
        if self.execute(["iptables", "-w", "-n", "-L", "ufw-user-input"])[0] == 0:
            if not enabled:
                raise UfwError(
                    "ufw filters although its ufw.conf says ENABLED=no, as after an interrupted `ufw disable`, and this state "
                    "cannot be restored: run `ufw disable` or `ufw enable` first"
                )
            (self.rollback / "active").touch()
        for family, command in ((4, "iptables"), (6, "ip6tables")):
            # ufw sets all three to ACCEPT when it stops; Docker sets FORWARD itself.
            _code, listing, _error = self.execute([command, "-w", "-S"])
            (self.rollback / f"policies{family}").write_text(policies(listing), encoding="utf-8")
            docker = docker_user(listing)
            if docker:
                (self.rollback / f"docker{family}").write_text(docker, encoding="utf-8")

    def _token(self) -> str:
        with contextlib.suppress(OSError):
            return (self.rollback / "token").read_text(encoding="ascii")
        return ""

    @staticmethod
    def _write_file(path: Path, text: str, mode: int = 0o644) -> None:
        """Write a file atomically: half a script could restore nothing."""
        with contextlib.suppress(OSError):
            if path.read_text(encoding="utf-8") == text:
                return
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode(), mode=mode)

    def _write_script(self) -> None:
        self._write_file(self.script, _rollback_units.fill(_rollback_script.SCRIPT, self.places), 0o700)

    def _remove_units(self) -> None:
        self.execute(["systemctl", "stop", self.timer.name, self.second.name])
        self.execute(["systemctl", "disable", self.service.name, self.second.name])
        for path in (self.service, self.timer, self.second, self.script, Path(self.places.since_boot)):
            path.unlink(missing_ok=True)
        self.execute(["systemctl", "daemon-reload"])

    def _run_script(self, kept: Path, reason: str) -> None:
        with contextlib.suppress(OSError):  # on a full disk the existing script is used
            self._write_script()
        code, output, error = self.execute(["sh", str(self.script), str(kept), reason])
        if code != 0:
            raise UfwError(f"{self.script} failed: {(output or error).strip()}. While a change is armed, systemd runs it again")

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
    """Delete a saved state. "complete" is removed first, so that half a state is never restored."""
    (kept / "complete").unlink(missing_ok=True)
    shutil.rmtree(kept, ignore_errors=True)


def _in(seconds: int) -> str:
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")
