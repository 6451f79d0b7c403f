# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The implementation of ufw_policy: gather, plan, apply, gather again.

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
ADVICE_MODULES = (
    "So the running kernel lacks its modules for packet filters: restart the host, if its kernel was updated since it started; "
    "otherwise install the modules of its kernel"
)
ADVICE_AFTER_WRITE = "ufw has just written this line, and could not load it at the next boot: is the disk full?"

Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)
# Takes a command and its standard input, returns exit code, output and errors.
Execute = t.Callable[[Command, t.Optional[str]], t.Tuple[int, str, str]]  # noqa: UP006


class Ufw:
    """ufw on a host. Raises UfwError if a command fails."""

    def __init__(self, execute: Execute, root: Path = Path("/")) -> None:
        self.execute = execute
        self.root = root

    def gather(self) -> Seen:
        settings = _state.parse_settings(self.read(DEFAULTS_FILE))
        # The same test as ufw's for IPv6 (ufw/backend.py).
        families = FAMILIES if (self.root / "proc/sys/net/ipv6").exists() else ("v4",)
        _state.refuse_unsafe(settings, families)
        texts = {path: self.read(path) for family in FAMILIES for path in RULES_FILES[family]}
        for path in _state.USER_FILES.values():  # ufw reads these two with Python, and would end with a traceback
            number = _files.not_text(texts[path])
            if number:
                raise UfwError(f"{path}, line {number}: this is not text. {ADVICE_BEFORE_WRITE}")
        status, added = self.status(), self.run(["ufw", "show", "added"])
        halves = {family: texts[_state.USER_FILES[family]] if family in families else "" for family in FAMILIES}
        conf = _state.parse_settings(self.read(CONF_FILE))
        state = _state.read_state(settings, conf, status, added, halves)
        # If the kernel cannot list its rules, ufw's next command reports it.
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

    def refuse_corrupt(self, texts: t.Mapping[str, str], families: t.Iterable[str], advice: str) -> None:
        """Refuse files that ufw would lose rules of, or cannot load, which would stop it half way."""
        for family in families:
            for path in RULES_FILES[family]:
                number, why = _state.malformed(texts[path]), "ufw cannot read this rule of its own, and would drop it"
                if not number:
                    number, why = self.fault(texts[path], family)
                if number:
                    raise UfwError(f"{path}, line {number}: {why}. {advice}")

    def fault(self, text: str, family: str) -> tuple[int, str]:
        """The number of the line that cannot be loaded, and the reason; 0 if all can."""
        program = f"{PROGRAMS[family]}-restore"
        whole, numbers = _kernel.testable(text, family)
        code, output, error = self.execute([program, "--test", "-n"], whole)
        if code == 0:
            return 0, ""
        said = (error or output).strip()
        if _kernel.lacks_modules(said):
            raise UfwError(f"{program}: {said.splitlines()[0]}. {ADVICE_MODULES}")
        return _kernel.fault_of(said or f"{program} ends with {code}", program, numbers)

    def run_commands(self, change: Change) -> None:
        for command in change.commands:
            if command[0] == "write":
                _files.write(self.root / command[1].lstrip("/"), change.writes[command[1]])
            else:
                self.run(command)


def apply(ufw: Ufw | None, params: t.Mapping[str, t.Any], check_mode: bool) -> Json:
    """Apply the policy. In check mode a missing ufw counts as inactive and empty. Raises UfwError, also for a full disk."""
    if ufw is None and not check_mode:
        raise UfwError("ufw is not installed on this host: install its package first (the role homelab.tailsync.firewall does)")
    try:
        return _plan_and_apply(ufw, params, check_mode)
    except OSError as error:
        what = error.filename or "a file of ufw"
        raise UfwError(f"{what} cannot be read or written: {error.strerror}. Is the disk full?") from error


def _plan_and_apply(ufw: Ufw | None, params: t.Mapping[str, t.Any], check_mode: bool) -> Json:
    seen = ufw.gather() if ufw else Seen()
    change = _change.plan(seen, params)
    if ufw and change.commands:
        ufw.refuse_corrupt({**seen.texts, **change.writes}, seen.families, ADVICE_BEFORE_WRITE)
        if not check_mode:
            _apply_change(ufw, change, params)
    return _change.describe(change)


def _apply_change(ufw: Ufw, change: Change, params: t.Mapping[str, t.Any]) -> None:
    ufw.run_commands(change)
    seen = ufw.gather()
    # On a full disk ufw writes half a file without an error, and fails at the next boot.
    ufw.refuse_corrupt(seen.texts, seen.families, ADVICE_AFTER_WRITE)
    left = _change.plan(seen, params).commands
    if left:
        raise UfwError(
            f"ufw accepted the policy but does not show it; still to do: {'; '.join(' '.join(words) for words in left)}"
        )


def apply_locked(module: t.Any) -> Json:
    """Apply the policy for an AnsibleModule under the lock; with `guarded` only if a rollback is armed."""
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
