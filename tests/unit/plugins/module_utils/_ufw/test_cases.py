# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of commands for a state and a policy: each file of cases/ is a test.

A case has `what` it shows, the state `before`, the options of ufw_policy as `policy`, and the `commands` (without ufw's own name)
or the `error` that must come of them. `before` has `rules` as `ufw show added` prints them, or `v4` and `v6` where the two
families differ, `unparsed` lines, and the fields of State.
"""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _options, _plan, _rules
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._errors import UfwError
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._policy import Policy, policy_of
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import FAMILIES
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._state import State, with_rules
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._tables import POLICY, RULE
from module_call import params
from ufw_double import PROFILES, UfwDouble

FOLDER = pathlib.Path(__file__).parent / "cases"
CASES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
KEYS = {"what", "before", "policy"}


def state_of(before: dict[str, t.Any]) -> State:
    given = dict(before)
    rules = [_rules.parse(line) for line in given.pop("rules", [])]
    unparsed = tuple(_rules.parse(line) for line in given.pop("unparsed", []))
    halves: dict[str, t.Any] = {
        family: tuple(_rules.parse(line).half(family) for line in given.pop(family)) for family in FAMILIES if family in given
    }
    state = State(unparsed=unparsed, **halves, **given) if halves else with_rules(*rules, unparsed=unparsed, **given)
    assert not any(rule.raw for rule in state.v4 + state.v6), "ufw prints no such rule"
    return state


def policy_from(options: dict[str, t.Any], state: State) -> Policy:
    return policy_of(params(POLICY, **options), state, FAMILIES, PROFILES)


def test_cases_are_read() -> None:
    assert len(CASES) > 30, "too few cases were read"


def test_each_option_of_a_rule_is_in_a_case() -> None:
    used = {option for case in CASES.values() for rule in case["policy"].get("rules", []) for option in rule}
    missing = sorted(set(RULE) - used)
    assert not missing, f"{missing} of RULE_TABLE (plugins/module_utils/_ufw/_tables.py): no file of cases has it"


@pytest.mark.parametrize("name", CASES)
def test_plan_of_a_case_has_its_commands(name: str) -> None:
    case = CASES[name]
    assert set(case) - KEYS in ({"commands"}, {"error"}), f"a case has {sorted(KEYS)}, and commands or error"
    state = state_of(case["before"])
    policy = policy_from(case["policy"], state)
    if "error" in case:
        with pytest.raises(UfwError, match=case["error"]):
            _plan.plan(state, policy)
        return
    commands, after = _plan.plan(state, policy)
    assert [" ".join(words) for words in commands] == case["commands"], case["what"]
    assert _plan.plan(after, policy)[0] == [], "the second run changes nothing"
    double = UfwDouble.of(state)
    if state.unparsed:  # the double has no unparsed rules
        return
    for words in commands:
        double.write(words)
    assert {family: tuple(double.lists[family]) for family in FAMILIES} == {"v4": after.v4, "v6": after.v6}


@pytest.mark.parametrize("direction", ["in", "out", "routed"])
def test_comment_of_a_temporary_rule_is_valid(direction: str) -> None:
    assert list(_options.complaints({"action": "allow", "direction": direction, "comment": _plan.PLACEHOLDER})) == []
