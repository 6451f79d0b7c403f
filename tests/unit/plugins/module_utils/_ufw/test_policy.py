# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From any state to any policy: the policy is reached without an interruption. Single cases are in cases/."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _plan, _rules, _state
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._errors import UfwError
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._policy import Policy
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import FAMILIES, Rule
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._state import State, with_rules
from hypothesis import given, settings
from hypothesis import strategies as st
from ufw_double import PACKETS, PROFILES, UfwDouble

TAILNET = Rule("allow", interface="tailscale0")
SSH = Rule("allow", port="22", protocol="tcp")
LAN = Rule("deny", source="10.0.0.0/8")
OUT = Rule("reject", direction="out", port="22000")
OUT_TAILNET = Rule("allow", direction="out", interface="tailscale0")
DEFAULTS = {"incoming": "deny", "outgoing": "allow", "routed": "deny"}
ON: dict[str, t.Any] = {"enabled": True, "running": True}


def commands(state: State, wanted: Policy) -> list[str]:
    return [" ".join(words) for words in _plan.plan(state, wanted)[0]]


pool = [
    *(TAILNET, SSH, OUT, OUT_TAILNET, Rule("limit", app="DNS"), Rule("allow", app="DNS", source="10.0.0.0/8")),
    *(Rule(action, port="22", protocol="tcp") for action in ("deny", "limit", "reject")),
    *(Rule(action, source="10.0.0.0/8") for action in ("allow", "deny")),
    *(Rule(action, source="fd00::/8", port="80", protocol="tcp") for action in ("allow", "reject")),
    *(Rule(action, family=family) for action in ("allow", "deny") for family in ("", "v4")),
    *(Rule(action, direction="out", port="80", protocol="tcp") for action in ("allow", "reject")),
    Rule("deny", interface="eth0"),
    Rule("allow", interface="eth0", port="80", protocol="tcp"),
]


def one_of_a_key(rules: list[Rule]) -> tuple[Rule, ...]:
    """ufw keeps only one of two equal rules, and declaring both is refused."""
    found: list[Rule] = []
    for rule in rules:
        keys = {rule.half(family).key for family in rule.families}
        if not keys & {other.half(family).key for other in found for family in other.families}:
            found.append(rule)
    return tuple(found)


lists = st.lists(st.sampled_from(pool), unique=True, max_size=7).map(one_of_a_key)
# Rules about the same packets, so that nearly every order of them has another meaning.
crossing = st.permutations(
    [
        TAILNET,
        SSH,
        LAN,
        Rule("reject"),
        Rule("allow", source="10.0.0.0/8", port="22"),
        Rule("deny", interface="eth0"),
        Rule("limit", port="22"),
    ]
).flatmap(lambda rules: st.integers(2, len(rules)).map(lambda count: tuple(rules[:count])))


@st.composite
def states(draw: st.DrawFn, lists: st.SearchStrategy[tuple[Rule, ...]] = lists) -> State:
    on = draw(st.sampled_from([ON, ON, {}, {"enabled": True}, {"enabled": True, "broken": True}]))
    halves: dict[str, t.Any] = {family: tuple(r.half(family) for r in draw(lists) if family in r.families) for family in FAMILIES}
    defaults = draw(st.fixed_dictionaries({name: st.sampled_from(["allow", "deny", "reject"]) for name in DEFAULTS}))
    return State(**on, defaults=defaults, **halves)


def policies(lists: st.SearchStrategy[tuple[Rule, ...]] = lists) -> st.SearchStrategy[Policy]:
    return st.builds(
        Policy,
        active=st.just(True),
        rules=lists,
        defaults=st.fixed_dictionaries({name: st.sampled_from([None, "allow", "deny"]) for name in DEFAULTS}),
        logging=st.sampled_from([None, "off", "low"]),
        purge=st.booleans(),
        keep=st.one_of(st.just(()), lists),
        profiles=st.just(PROFILES),
    )


def steps(state: State, wanted: Policy) -> t.Iterator[UfwDouble]:
    """Yield the double before and after each command."""
    double = UfwDouble.of(state)
    yield double
    for words in _plan.plan(state, wanted)[0]:
        double.write(words)
        yield double


@given(states(), policies())
@settings(max_examples=400, deadline=None, derandomize=True)
def test_applied_plan_gives_the_predicted_state(state: State, wanted: Policy) -> None:
    *_before, double = steps(state, wanted)
    said = _plan.plan(state, wanted)[1]
    assert (double.enabled, double.active, double.policies, double.logging) == (True, True, said.defaults, said.logging)
    assert (tuple(double.lists["v4"]), tuple(double.lists["v6"])) == (said.v4, said.v6)
    assert _plan.plan(said, wanted) == ([], said)


@given(states(), policies())
@settings(max_examples=400, deadline=None, derandomize=True)
def test_order_of_rules_is_as_declared_if_it_matters(state: State, wanted: Policy) -> None:
    after = _plan.plan(state, wanted)[1]
    for family in FAMILIES:
        place = {rule: index for index, rule in enumerate(getattr(after, family))}
        halves = [rule.half(family) for rule in wanted.rules if family in rule.families]
        for index, first in enumerate(halves):
            for second in halves[index + 1 :]:
                if first.direction == second.direction and first.action != second.action:
                    assert place[first] < place[second]


@given(states(crossing), policies(crossing))
@settings(max_examples=600, deadline=None, derandomize=True)
def test_traffic_allowed_before_and_after_is_allowed_after_each_command(state: State, wanted: Policy) -> None:
    every = [{packet for packet in PACKETS if double.allows(packet)} for double in steps(state, wanted)]
    stays = every[0] & every[-1]
    for number, allowed in enumerate(every):
        assert stays <= allowed, (commands(state, wanted)[:number], stays - allowed)


@pytest.mark.parametrize(("values", "word"), [({"IPV6": "no"}, "IPV6=yes"), ({"MANAGE_BUILTINS": "yes"}, "MANAGE_BUILTINS=no")])
def test_ufw_settings_that_remove_tailscaleds_chains_are_refused(values: dict[str, str], word: str) -> None:
    with pytest.raises(UfwError, match=word):
        _state.refuse_unsafe(values)


def test_state_is_read_from_the_files_of_ufw() -> None:
    values = _state.parse_settings('# a comment\nIPV6=yes\nDEFAULT_INPUT_POLICY="DROP"\nDEFAULT_OUTPUT_POLICY="ACCEPT"\n')
    files = {
        "v4": "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n",
        "v6": "### tuple ### allow tcp 22 ::/0 any ::/0 in\n",
    }
    conf = {"LOGLEVEL": "medium", "ENABLED": "yes"}
    state = _state.read_state(values, conf, "Status: active\n", "Added user rules:\nufw allow 22/tcp\nufw frobnicate\n", files)
    assert state == with_rules(SSH, defaults=DEFAULTS, logging="medium", unparsed=(_rules.parse("frobnicate"),), **ON)
    assert state.rules[0] == SSH
