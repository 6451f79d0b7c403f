# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ufw_policy does: read, plan, run ufw.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _policy, _rules
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._policy import State, UfwError

DEFAULTS_FILE = Path("/etc/default/ufw")
CONF_FILE = Path("/etc/ufw/ufw.conf")

Execute = t.Callable[[t.List[str]], t.Tuple[int, str, str]]  # noqa: UP006  (3.9 at run time)


class Ufw:
    def __init__(self, execute: Execute, defaults_file: Path = DEFAULTS_FILE, conf_file: Path = CONF_FILE) -> None:
        self.execute = execute
        self.defaults_file = defaults_file
        self.conf_file = conf_file

    def state(self) -> State:
        settings = _policy.parse_settings(self.defaults_file.read_text(encoding="utf-8"))
        _policy.refuse_unsafe(settings)
        conf = _policy.parse_settings(self.conf_file.read_text(encoding="utf-8"))
        return _policy.read_state(settings, conf, self.run(["status"]), self.run(["show", "added"]))

    def run(self, arguments: list[str]) -> str:
        code, output, error = self.execute(arguments)
        if code != 0:
            raise UfwError(f"ufw {' '.join(arguments)} failed: {(error or output).strip()}")
        return output


def policy_of(params: t.Mapping[str, t.Any]) -> _policy.Policy:
    return _policy.Policy(
        active=params["state"] == "enabled",
        rules=tuple(dict.fromkeys(_rules.from_option(rule) for rule in params["rules"])),
        defaults={name: params[f"default_{name}"] for name in _policy.DIRECTIONS},
        logging=params["logging"],
        purge=params["purge"],
        keep=tuple(_rules.from_option(rule) for rule in params["keep"]),
    )


def bring(ufw: Ufw | None, params: t.Mapping[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Bring ufw to the policy. Without ufw, a check takes it for inactive and empty."""
    if ufw is None and not check_mode:
        raise UfwError("ufw is not installed on this host: install its package first (the role homelab.tailsync.firewall does)")
    before = ufw.state() if ufw else State()
    policy = policy_of(params)
    commands = _policy.commands(before, policy)
    after = _policy.wanted(before, policy) if commands else before
    if ufw and not check_mode:
        for command in commands:
            ufw.run(command)
        left = _policy.commands(ufw.state(), policy) if commands else []
        if left:
            raise UfwError(
                f"ufw took the policy but does not show it; still to do: {'; '.join(' '.join(words) for words in left)}"
            )
    return {
        "changed": bool(commands),
        "before": _policy.show(before),
        "after": _policy.show(after),
        "added": [_rules.text(rule) for rule in policy.rules if rule not in before.rules],
        "removed": [_rules.text(rule) for rule in _policy.removed(before, policy)],
        "commands": [["ufw", *words] for words in commands],
        "diff": {"before": _policy.show(before), "after": _policy.show(after)},
    }
