# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ufw's state as data, and the functions that parse it: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _rules
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._errors import UfwError
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import FAMILIES, Rule

DIRECTIONS = {"incoming": "INPUT", "outgoing": "OUTPUT", "routed": "FORWARD"}
POLICIES = {"ACCEPT": "allow", "DROP": "deny", "REJECT": "reject"}
# The values in the package's /etc/default/ufw.
PACKAGED_DEFAULTS = {"incoming": "deny", "outgoing": "allow", "routed": "deny"}
USER_FILES = {"v4": "/etc/ufw/user.rules", "v6": "/etc/ufw/user6.rules"}


@dataclasses.dataclass(frozen=True)
class State:
    """The state of ufw."""

    enabled: bool = False  # ENABLED of ufw.conf, which applies at the next boot
    running: bool = False  # according to `ufw status`
    broken: bool = False  # `ufw status` fails: only some of its chains exist
    defaults: t.Mapping[str, str] = dataclasses.field(default_factory=lambda: dict(PACKAGED_DEFAULTS))
    logging: str = "low"
    v4: tuple[Rule, ...] = ()  # as in the file, where a profile of several ports has several lines
    v6: tuple[Rule, ...] = ()
    unparsed: tuple[Rule, ...] = ()  # shown by ufw, but not parsed

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules, in the order of `ufw show added`: rules for IPv6 alone come last."""
        sixes = {rule.half("") for rule in self.v6}
        fours = {rule.half("") for rule in self.v4}
        merged = [rule.half("") if rule.half("") in sixes else rule for rule in self.v4]
        merged += [rule for rule in self.v6 if rule.half("") not in fours]
        return (*dict.fromkeys(merged), *self.unparsed)


def with_rules(*rules: Rule, **more: t.Any) -> State:
    """A state with these rules in the families that they are for."""
    halves = {family: tuple(rule.half(family) for rule in rules if family in rule.families) for family in FAMILIES}
    return State(**{**halves, **more})


def parse_settings(text: str) -> dict[str, str]:
    """Parse a file of shell assignments: /etc/default/ufw, /etc/ufw/ufw.conf."""
    return {key: value.strip("\"'") for key, value in re.findall(r"^\s*(\w+)=(\S*)\s*$", text, re.MULTILINE)}


def refuse_unsafe(settings: t.Mapping[str, str], families: t.Collection[str] = FAMILIES) -> None:
    """Refuse settings that make ufw remove tailscaled's chains when it starts (ufw-init-functions)."""
    if "v6" in families and settings.get("IPV6", "yes").lower() != "yes":
        raise UfwError("/etc/default/ufw has IPV6 off, so ufw would flush all IPv6 rules, tailscaled's too: set IPV6=yes there")
    if settings.get("MANAGE_BUILTINS", "no").lower() != "no":
        raise UfwError(
            "/etc/default/ufw has MANAGE_BUILTINS on, so ufw would flush tailscaled's rules: set MANAGE_BUILTINS=no there"
        )


def read_tuples(text: str, family: str) -> tuple[Rule, ...]:
    """Parse the rules of user.rules or user6.rules. Lines that ufw would skip are skipped; `malformed` finds them."""
    rules = []
    for line in text.splitlines():
        if line.startswith(_rules.TUPLE):
            try:
                rules.append(_rules.parse_tuple(line, family))
            except ValueError:
                continue
    return tuple(rules)


def malformed(text: str) -> int:
    """The number of the first line that ufw would skip, and therefore lose with its next write; 0 if there is none."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(_rules.TUPLE):
            try:
                _rules.parse_tuple(line, "v4")
            except ValueError:
                return number
    return 0


def read_state(
    settings: t.Mapping[str, str], conf: t.Mapping[str, str], status: str, added: str, files: t.Mapping[str, str]
) -> State:
    """The state from ufw's files, which have the families and the order of the rules, and from the rules of `ufw show added`."""
    defaults = {
        name: POLICIES.get(settings.get(f"DEFAULT_{key}_POLICY", "").upper(), PACKAGED_DEFAULTS[name])
        for name, key in DIRECTIONS.items()
    }
    halves = {family: read_tuples(files[family], family) for family in FAMILIES}
    known = {rule.half("") for family in FAMILIES for rule in halves[family]}
    shown = [_rules.parse(line) for line in added.splitlines() if line.startswith("ufw ")]
    return State(
        enabled=conf.get("ENABLED", "no").lower() == "yes",
        running="Status: active" in status,
        broken="Status:" not in status,
        defaults=defaults,
        logging=conf.get("LOGLEVEL", "low").lower(),
        unparsed=tuple(rule for rule in shown if rule.half("") not in known),
        **halves,
    )


def describe(state: State) -> dict[str, t.Any]:
    """Describe a state in the form that the modules return."""
    return {
        "enabled": state.enabled,
        "running": state.running,
        "defaults": dict(state.defaults),
        "logging": state.logging,
        "rules": [_rules.describe(rule) for rule in state.rules],
    }
