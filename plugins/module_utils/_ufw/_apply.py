# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ufw_policy does: gather, plan, do it, gather again.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import (
    _change,
    _files,
    _kernel,
    _lock,
    _options,
    _record,
    _state,
)
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._change import Change, Seen
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._errors import UfwError
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._kernel import PROGRAMS, RULES_FILES, Command
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import FAMILIES

DEFAULTS_FILE = "/etc/default/ufw"
CONF_FILE = "/etc/ufw/ufw.conf"
PROFILES = "etc/ufw/applications.d"
ADVICE_BEFORE_WRITE = "Nothing was changed; repair it, or copy it again from /usr/share/ufw"
ADVICE_AFTER_WRITE = "ufw has just written it so, and could not load it at the next boot: is there room on the disk?"

Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)
# Takes a command and what it is to read, gives exit code, output and errors.
Execute = t.Callable[[Command, t.Optional[str]], t.Tuple[int, str, str]]  # noqa: UP006


class Ufw:
    """ufw on a host. Raises UfwError where it does not do its part."""

    def __init__(self, execute: Execute, root: Path = Path("/")) -> None:
        self.execute = execute
        self.root = root

    def gather(self) -> Seen:
        settings = _state.parse_settings(self.read(DEFAULTS_FILE))
        _state.refuse_unsafe(settings)
        texts = {path: self.read(path) for family in FAMILIES for path in RULES_FILES[family]}
        for path in _state.USER_FILES.values():  # the two that ufw reads by Python, and would end with a traceback
            number = _files.not_text(texts[path])
            if number:
                raise UfwError(f"{path}, line {number}: this is not text. {ADVICE_BEFORE_WRITE}")
        status, added = self.status(), self.run(["ufw", "show", "added"])
        # As ufw decides whether it does IPv6 (ufw/backend.py).
        families = FAMILIES if (self.root / "proc/sys/net/ipv6").exists() else ("v4",)
        halves = {family: texts[_state.USER_FILES[family]] if family in families else "" for family in FAMILIES}
        conf = _state.parse_settings(self.read(CONF_FILE))
        state = _state.read_state(settings, conf, status, added, halves)
        # Where the kernel cannot list, ufw says so with its next word.
        live = {family: self.execute([PROGRAMS[family], "-w", "-S"], None)[1] for family in FAMILIES}
        profiles = _options.profiles_of(_files.read(path) for path in sorted((self.root / PROFILES).glob("[!.]*")))
        return Seen(state, texts, live, families, profiles)

    def status(self) -> str:
        code, status, error = self.execute(["ufw", "status"], None)
        if code != 0 and "problem running" not in error + status:
            raise UfwError(f"ufw status failed: {(error or status).strip()}")
        return status

    def read(self, path: str) -> str:
        return _files.read(self.root / path.lstrip("/"))

    def run(self, command: Command) -> str:
        code, output, error = self.execute(command, None)
        if code != 0:
            raise UfwError(f"{' '.join(command)} failed: {(error or output).strip()}")
        return output

    def refuse_corrupt(self, texts: t.Mapping[str, str], what_now: str) -> None:
        """Files that ufw would lose rules of, or could not load and so stop half way."""
        for family in FAMILIES:
            for path in RULES_FILES[family]:
                number, why = _state.malformed(texts[path]), "ufw cannot read this rule of its own, and would drop it"
                if not number:
                    number, why = self.fault(texts[path], family)
                if number:
                    raise UfwError(f"{path}, line {number}: {why}. {what_now}")

    def fault(self, text: str, family: str) -> tuple[int, str]:
        """The line that cannot be loaded, and why; 0 if all can."""
        program = f"{PROGRAMS[family]}-restore"
        whole, numbers = _kernel.testable(text, family)
        code, output, error = self.execute([program, "--test", "-n"], whole)
        if code == 0:
            return 0, ""
        said = (error or output).strip()
        return _kernel.fault_of(said or f"{program} ends with {code}", program, numbers)

    def make(self, change: Change) -> None:
        for command in change.commands:
            if command[0] == "write":
                _files.write(self.root / command[1].lstrip("/"), change.writes[command[1]])
            else:
                self.run(command)


def apply(ufw: Ufw | None, params: t.Mapping[str, t.Any], check_mode: bool) -> Json:
    """Bring ufw to the policy. Without ufw, a check takes it for inactive and empty. Raises UfwError, also for a full disk."""
    if ufw is None and not check_mode:
        raise UfwError("ufw is not installed on this host: install its package first (the role homelab.tailsync.firewall does)")
    try:
        return _bring(ufw, params, check_mode)
    except OSError as error:
        what = error.filename or "a file of ufw's"
        raise UfwError(f"{what} cannot be read or written: {error.strerror}. Is the disk full?") from error


def _bring(ufw: Ufw | None, params: t.Mapping[str, t.Any], check_mode: bool) -> Json:
    seen = ufw.gather() if ufw else Seen()
    change = _change.plan(seen, params)
    if ufw and change.commands:
        ufw.refuse_corrupt({**seen.texts, **change.writes}, ADVICE_BEFORE_WRITE)
        if not check_mode:
            _apply(ufw, change, params)
    return _change.describe(change)


def _apply(ufw: Ufw, change: Change, params: t.Mapping[str, t.Any]) -> None:
    ufw.make(change)
    seen = ufw.gather()
    # On a full disk ufw writes half a file, says nothing of it, and fails at the next boot.
    ufw.refuse_corrupt(seen.texts, ADVICE_AFTER_WRITE)
    left = _change.plan(seen, params).commands
    if left:
        raise UfwError(f"ufw took the policy but does not show it; still to do: {'; '.join(' '.join(words) for words in left)}")


def apply_locked(module: t.Any) -> Json:
    """For an AnsibleModule: one change of the firewall at a time, and none that nothing would take back if it is guarded."""
    with _lock.held() as lock:
        if module.params["guarded"] and not module.check_mode:
            _record.refuse_unarmed(_record.read())
        ufw = Ufw(runner(module, lock)) if module.get_bin_path("ufw") else None
        result = apply(ufw, module.params, module.check_mode)
    return {**result, "rollback": _record.describe(_record.read())}


def runner(module: t.Any, lock: int) -> Execute:
    """Runs commands, which hold the lock until they are done."""

    def execute(command: list[str], data: str | None) -> tuple[int, str, str]:
        path = module.get_bin_path(command[0])  # which looks in /usr/sbin, too, whatever PATH says
        if not path:
            return 127, "", f"{command[0]} is not installed"
        # A comment may have a dollar sign or a tilde: nothing is to be expanded.
        options: Json = {"data": data, "pass_fds": [lock], "expand_user_and_vars": False}
        options["environ_update"] = {"LANGUAGE": "C", "LC_ALL": "C"}
        result: tuple[int, str, str] = module.run_command([path, *command[1:]], **options)
        return result

    return execute
