# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a state and a policy to commands, in an order that never closes what the policy opens."""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _policy, _rules
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._policy import Policy, State, UfwError
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import Rule
from hypothesis import assume, given
from hypothesis import strategies as st

TAILNET = Rule("allow", interface="tailscale0")
SSH = Rule("allow", port="22", protocol="tcp")
WEB = Rule("allow", port="80,443", protocol="tcp")
OUT = Rule("reject", direction="out", port="22000")
OUT_TAILNET = Rule("allow", direction="out", interface="tailscale0")
DEFAULTS = {"incoming": "deny", "outgoing": "allow", "routed": "deny"}


def policy(*rules: Rule, **more: t.Any) -> Policy:
    return Policy(**{"active": True, "rules": rules, "defaults": DEFAULTS, **more})


def play(state: State, commands: t.Iterable[list[str]]) -> t.Iterator[State]:
    """The states that ufw goes through: a double of ufw, as far as a policy uses it."""
    for words in commands:
        defaults, rules = dict(state.defaults), list(state.rules)
        if words == ["--force", "enable"]:
            state = dataclasses.replace(state, active=True)
        elif words == ["disable"]:
            state = dataclasses.replace(state, active=False)
        elif words[0] == "default":
            defaults[words[2]] = words[1]
            state = dataclasses.replace(state, defaults=defaults)
        elif words[0] == "logging":
            state = dataclasses.replace(state, logging=words[1])
        elif words[0] == "delete":
            rules.remove(_rules.parse(" ".join(words[1:])))
            state = dataclasses.replace(state, rules=tuple(rules))
        else:
            rule = _rules.parse(" ".join(words))
            if rule not in rules:
                rules.append(rule)
            state = dataclasses.replace(state, rules=tuple(rules))
        yield state


def final(state: State, commands: t.Iterable[list[str]]) -> State:
    return list(itertools.chain([state], play(state, commands)))[-1]


def test_it_allows_before_it_enables_and_removes_last() -> None:
    commands = _policy.commands(State(rules=(SSH,)), policy(TAILNET, purge=True))
    assert commands == [
        ["allow", "in", "on", "tailscale0", "from", "any", "to", "any"],
        ["--force", "enable"],
        ["delete", "allow", "in", "from", "any", "to", "any", "port", "22", "proto", "tcp"],
    ]


def test_nothing_is_run_when_nothing_differs() -> None:
    assert _policy.commands(State(active=True, rules=(TAILNET,)), policy(TAILNET, purge=True)) == []


def test_rules_of_others_stay_without_purge() -> None:
    assert _policy.commands(State(active=True, rules=(SSH, TAILNET)), policy(TAILNET)) == []


def test_purge_spares_what_is_to_be_kept() -> None:
    state = State(active=True, rules=(SSH, WEB, TAILNET))
    assert _policy.removed(state, policy(TAILNET, purge=True, keep=(WEB,))) == [SSH]


def test_disabling_runs_once() -> None:
    assert _policy.commands(State(active=True), policy(active=False)) == [["disable"]]
    assert _policy.commands(State(active=False), policy(active=False)) == []


def test_rules_that_go_out_keep_their_order() -> None:
    """The first that matches wins: a reject in front of its exception would cut the tailnet off."""
    state = State(active=True, rules=(OUT, TAILNET))
    after = final(state, _policy.commands(state, policy(TAILNET, OUT_TAILNET, OUT)))
    assert after.rules.index(OUT_TAILNET) < after.rules.index(OUT)


pool = st.lists(
    st.sampled_from([TAILNET, SSH, WEB, OUT, OUT_TAILNET, Rule("deny", source="10.0.0.1"), Rule("limit", app="OpenSSH")]),
    unique=True,
    max_size=6,
)
states = st.builds(
    State,
    active=st.booleans(),
    defaults=st.fixed_dictionaries({name: st.sampled_from(["allow", "deny", "reject"]) for name in DEFAULTS}),
    rules=pool.map(tuple),
)
policies = st.builds(
    Policy,
    active=st.just(True),
    rules=pool.map(tuple),
    defaults=st.just(DEFAULTS),
    logging=st.sampled_from([None, "off", "low"]),
    purge=st.booleans(),
    keep=pool.map(tuple),
)


@given(states, policies)
def test_applying_it_gives_what_was_said_and_leaves_nothing_to_do(state: State, wanted: Policy) -> None:
    after = final(state, _policy.commands(state, wanted))
    said = _policy.wanted(state, wanted)
    assert (after.active, dict(after.defaults), after.logging) == (said.active, dict(said.defaults), said.logging)
    assert set(after.rules) == set(said.rules)
    assert _policy.commands(after, wanted) == []


@given(states, policies)
def test_where_the_order_matters_it_is_the_declared_one(state: State, wanted: Policy) -> None:
    after = final(state, _policy.commands(state, wanted))
    for direction in _rules.DIRECTIONS:
        declared = [rule for rule in wanted.rules if rule.direction == direction]
        if any(rule.action != "allow" for rule in declared):
            assert [rule for rule in after.rules if rule in declared] == declared


@given(states, policies)
def test_at_no_moment_is_a_declared_opening_closed(state: State, wanted: Policy) -> None:
    """What the policy allows in, and what was open, is open at each step once ufw is on."""
    coming_in = [rule for rule in wanted.rules if rule.direction == "in"]
    assume(all(rule.action == "allow" for rule in coming_in))
    opens = set(coming_in)
    for step in play(state, _policy.commands(state, wanted)):
        if step.active and not state.active:
            assert opens <= set(step.rules)
        if state.active:
            assert opens & set(state.rules) <= set(step.rules)


@pytest.mark.parametrize(("settings", "word"), [({"IPV6": "no"}, "IPV6=yes"), ({"MANAGE_BUILTINS": "yes"}, "MANAGE_BUILTINS=no")])
def test_settings_that_would_tear_down_tailscaleds_chains_are_refused(settings: dict[str, str], word: str) -> None:
    with pytest.raises(UfwError, match=word):
        _policy.refuse_unsafe(settings)


def test_it_reads_ufws_files() -> None:
    settings = _policy.parse_settings('# a comment\nIPV6=yes\nDEFAULT_INPUT_POLICY="DROP"\nDEFAULT_OUTPUT_POLICY="ACCEPT"\n')
    state = _policy.read_state(settings, {"LOGLEVEL": "medium"}, "Status: active\n", "Added user rules:\nufw allow 22/tcp\n")
    assert state == State(True, DEFAULTS, "medium", (SSH,))
