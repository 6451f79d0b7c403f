# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From ufw's state and the declared policy to an ordered list of commands: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _rules
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import Rule

DIRECTIONS = {"incoming": "INPUT", "outgoing": "OUTPUT", "routed": "FORWARD"}
POLICIES = {"ACCEPT": "allow", "DROP": "deny", "REJECT": "reject"}
# What ufw has before anybody changed anything (/etc/default/ufw of its package).
UNTOUCHED = {"incoming": "deny", "outgoing": "allow", "routed": "deny"}


class UfwError(Exception):
    """Why the policy cannot be had, in words for the user."""


@dataclasses.dataclass(frozen=True)
class State:
    """What ufw has."""

    active: bool = False
    defaults: t.Mapping[str, str] = dataclasses.field(default_factory=lambda: dict(UNTOUCHED))
    logging: str = "low"
    rules: tuple[Rule, ...] = ()


@dataclasses.dataclass(frozen=True)
class Policy:
    """What is declared; None says nothing about it."""

    active: bool
    rules: tuple[Rule, ...]
    defaults: t.Mapping[str, str | None]
    logging: str | None = None
    purge: bool = False
    keep: tuple[Rule, ...] = ()


def parse_settings(text: str) -> dict[str, str]:
    """A file of shell assignments: /etc/default/ufw, /etc/ufw/ufw.conf."""
    return {key: value.strip("\"'") for key, value in re.findall(r"^\s*(\w+)=(\S*)\s*$", text, re.MULTILINE)}


def refuse_unsafe(settings: t.Mapping[str, str]) -> None:
    """Settings under which ufw tears down tailscaled's chains when it starts (ufw-init-functions)."""
    if settings.get("IPV6", "yes") != "yes":
        raise UfwError("/etc/default/ufw has IPV6 off, so ufw would flush all IPv6 rules, tailscaled's too: set IPV6=yes there")
    if settings.get("MANAGE_BUILTINS", "no") != "no":
        raise UfwError(
            "/etc/default/ufw has MANAGE_BUILTINS on, so ufw would flush tailscaled's rules: set MANAGE_BUILTINS=no there"
        )


def read_state(settings: t.Mapping[str, str], conf: t.Mapping[str, str], status: str, added: str) -> State:
    defaults = {
        name: POLICIES.get(settings.get(f"DEFAULT_{key}_POLICY", "").upper(), UNTOUCHED[name]) for name, key in DIRECTIONS.items()
    }
    rules = tuple(_rules.parse(line) for line in added.splitlines() if line.startswith("ufw "))
    return State("Status: active" in status, defaults, conf.get("LOGLEVEL", "low"), rules)


def wanted(state: State, policy: Policy) -> State:
    """The state as it will be."""
    spared = [rule for rule in state.rules if rule not in policy.rules and (not policy.purge or rule in policy.keep)]
    return State(
        policy.active,
        {name: policy.defaults.get(name) or value for name, value in state.defaults.items()},
        policy.logging or state.logging,
        (*policy.rules, *spared),
    )


def misplaced(state: State, policy: Policy) -> list[Rule]:
    """Declared rules that are there but stand where another would win; in ufw the first that matches does.

    Among rules that only allow, in one direction, the order means nothing, and none of them is touched.
    """
    moved: list[Rule] = []
    for direction in _rules.DIRECTIONS:
        declared = [rule for rule in policy.rules if rule.direction == direction]
        if all(rule.action == "allow" for rule in declared):
            continue
        present = [rule for rule in state.rules if rule in declared]
        # Rules are added at the end, so what is there must be the beginning of what is declared.
        fitting = next((at for at, (has, should) in enumerate(zip(present, declared)) if has != should), len(present))
        moved += [rule for rule in declared if rule in present[fitting:]]
    return moved


def commands(state: State, policy: Policy) -> list[list[str]]:
    """ufw's arguments, in an order that never closes what the policy opens: openings first, removals last."""
    if not policy.active:
        return [["disable"]] if state.active else []
    moved = misplaced(state, policy)
    after = wanted(state, policy)
    plan: list[list[str]] = []
    for rule in policy.rules:
        if rule in moved:
            plan.append(["delete", *_rules.arguments(rule)])
        if rule in moved or rule not in state.rules:
            plan.append(_with_comment(rule))
    plan += [["default", value, name] for name, value in after.defaults.items() if state.defaults[name] != value]
    if after.logging != state.logging:
        plan.append(["logging", after.logging])
    if not state.active:
        plan.append(["--force", "enable"])
    plan += [["delete", *_rules.arguments(rule)] for rule in removed(state, policy)]
    return plan


def removed(state: State, policy: Policy) -> list[Rule]:
    if not policy.purge or not policy.active:
        return []
    return [rule for rule in state.rules if rule not in policy.rules and rule not in policy.keep]


def _with_comment(rule: Rule) -> list[str]:
    return [*_rules.arguments(rule), *(["comment", rule.comment] if rule.comment else [])]


def show(state: State) -> dict[str, t.Any]:
    """For people, diffs and returned values."""
    return {
        "enabled": state.active,
        "defaults": dict(state.defaults),
        "logging": state.logging,
        "rules": [_rules.text(rule) for rule in state.rules],
    }
