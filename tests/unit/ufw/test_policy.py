# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a state and a policy to commands, in an order that never closes what the policy opens."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _plan, _policy, _rules
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._policy import Policy, State, UfwError, with_rules
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import FAMILIES, Rule
from hypothesis import given, settings
from hypothesis import strategies as st
from ufw_double import PACKETS, PROFILES, UfwDouble

TAILNET = Rule("allow", interface="tailscale0")
SSH = Rule("allow", port="22", protocol="tcp")
WEB = Rule("allow", port="80,443", protocol="tcp")
LAN = Rule("deny", source="10.0.0.0/8")
OUT = Rule("reject", direction="out", port="22000")
OUT_TAILNET = Rule("allow", direction="out", interface="tailscale0")
DEFAULTS = {"incoming": "deny", "outgoing": "allow", "routed": "deny"}
ON: dict[str, t.Any] = {"enabled": True, "running": True}


def policy(*rules: Rule, **more: t.Any) -> Policy:
    return Policy(**{"active": True, "rules": rules, "defaults": DEFAULTS, "profiles": PROFILES, **more})


def commands(state: State, wanted: Policy) -> list[str]:
    return [" ".join(words) for words in _plan.plan(state, wanted)[0]]


def double_of(state: State) -> UfwDouble:
    double = UfwDouble()
    double.active, double.enabled, double.half_loaded = state.running, state.enabled, state.broken
    double.policies, double.logging = dict(state.defaults), state.logging
    double.lists = {"v4": list(state.v4), "v6": list(state.v6)}
    return double


def test_it_allows_before_it_enables_and_removes_last() -> None:
    assert commands(with_rules(SSH), policy(TAILNET, purge=True)) == [
        "allow in on tailscale0 from any to any",
        "--force enable",
        "delete allow in from any to any port 22 proto tcp",
    ]


def test_nothing_is_run_when_nothing_differs() -> None:
    assert commands(with_rules(TAILNET, **ON), policy(TAILNET, purge=True)) == []


def test_rules_of_others_stay_without_purge() -> None:
    assert commands(with_rules(SSH, TAILNET, **ON), policy(TAILNET)) == []


def test_purge_spares_what_is_to_be_kept() -> None:
    wanted = policy(TAILNET, purge=True, keep=(WEB,))
    assert commands(with_rules(SSH, WEB, TAILNET, **ON), wanted) == ["delete allow in from any to any port 22 proto tcp"]


def test_disabling_runs_once() -> None:
    assert commands(State(**ON), policy(active=False)) == ["disable"]
    assert commands(State(), policy(active=False)) == []


@pytest.mark.parametrize(
    "state", [{"enabled": True}, {"running": True}, {"broken": True}, {"enabled": True, "broken": True}], ids=str
)
def test_what_is_only_half_on_is_turned_off_first(state: dict[str, t.Any]) -> None:
    """ufw answers 'already started' or 'problem running' then, and neither loads a rule."""
    assert commands(State(**state), policy(TAILNET)) == ["disable", "allow in on tailscale0 from any to any", "--force enable"]
    assert commands(State(**state), policy(active=False)) == ["disable"]


def test_a_half_that_is_missing_is_added() -> None:
    """`ufw delete 2` removes one family's half, and `ufw show added` looks as before."""
    state = State(v4=(SSH.half("v4"),), **ON)
    assert commands(state, policy(SSH)) == ["allow in from ::/0 to any port 22 proto tcp"]
    assert commands(with_rules(SSH, **ON), policy(SSH.half("v4"), purge=True)) == [
        "delete allow in from ::/0 to any port 22 proto tcp"
    ]


def test_the_order_of_allows_means_nothing() -> None:
    assert commands(with_rules(SSH, WEB, TAILNET, **ON), policy(TAILNET, WEB, SSH)) == []


def test_a_missing_allow_is_inserted_before_the_deny_that_it_goes_before() -> None:
    assert commands(with_rules(SSH, LAN, **ON), policy(SSH, TAILNET, LAN)) == [
        "insert 2 allow in on tailscale0 from 0.0.0.0/0 to any",
        "allow in on tailscale0 from ::/0 to any",
    ]


def test_a_deny_moves_and_not_the_allow() -> None:
    assert commands(with_rules(LAN, SSH, WEB, **ON), policy(SSH, LAN, WEB)) == [
        "delete deny in from 10.0.0.0/8 to any",
        "insert 2 deny in from 10.0.0.0/8 to any",
    ]


def test_an_allow_that_must_move_is_stood_in_for() -> None:
    state = State(v4=(WEB.half("v4"), SSH.half("v4"), LAN), v6=(SSH.half("v6"), WEB.half("v6")), **ON)
    done = commands(state, policy(SSH, LAN, WEB))
    assert done == [
        f"insert 1 allow in from 0.0.0.0/1 to any port 80,443 proto tcp comment {_plan.STAND_IN}",
        f"insert 1 allow in from 128.0.0.0/1 to any port 80,443 proto tcp comment {_plan.STAND_IN}",
        "delete allow in from 0.0.0.0/0 to any port 80,443 proto tcp",
        "allow in from 0.0.0.0/0 to any port 80,443 proto tcp",
        "delete allow in from 0.0.0.0/1 to any port 80,443 proto tcp",
        "delete allow in from 128.0.0.0/1 to any port 80,443 proto tcp",
    ]


def test_of_what_is_purged_the_denies_go_first() -> None:
    """Else what an allow let in, and the new default lets in, would be closed while the deny behind it is still there."""
    state = with_rules(Rule("allow", source="10.0.0.0/8"), Rule("reject", source="10.0.0.1"), **ON)
    wanted = policy(defaults={"incoming": "allow"}, purge=True)
    assert commands(state, wanted) == [
        "default allow incoming",
        "delete reject in from 10.0.0.1 to any",
        "delete allow in from 10.0.0.0/8 to any",
    ]


def test_a_stand_in_of_a_run_that_was_cut_off_goes_even_without_purge() -> None:
    left = dataclasses.replace(SSH, source="0.0.0.0/1", comment=_plan.STAND_IN)
    assert commands(with_rules(SSH, left, **ON), policy(SSH)) == ["delete allow in from 0.0.0.0/1 to any port 22 proto tcp"]


def test_a_place_that_ufw_cannot_reach_is_said_and_not_missed() -> None:
    state = with_rules(Rule("allow", app="CIFS"), Rule("allow", app="CIFS"), SSH, **ON)
    with pytest.raises(UfwError, match="application profiles of several ports"):
        _plan.plan(state, policy(Rule("allow", app="CIFS"), LAN, SSH))


def test_the_comment_is_compared_where_one_is_declared() -> None:
    state = with_rules(dataclasses.replace(SSH, comment="old"), **ON)
    assert commands(state, policy(SSH)) == []
    new = dataclasses.replace(SSH, comment="new")
    assert commands(state, policy(new)) == ["allow in from any to any port 22 proto tcp comment new"]
    none = dataclasses.replace(SSH, comment="")
    assert commands(state, policy(none)) == ["allow in from any to any port 22 proto tcp"]
    # Another action replaces the rule with all that it has; what is not declared is to stay.
    limit = dataclasses.replace(SSH, action="limit")
    assert commands(state, policy(limit)) == ["limit in from any to any port 22 proto tcp comment old"]


def test_what_is_not_understood_is_purged_as_it_is_shown() -> None:
    state = State(unclear=(_rules.parse("ufw route frobnicate 'a b'"),), **ON)
    assert commands(state, policy()) == []
    assert _plan.plan(state, policy(purge=True))[0] == [["route", "delete", "frobnicate", "a b"]]


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
    """Two rules that are one to ufw cannot both be there, and are refused where they are declared."""
    found: list[Rule] = []
    for rule in rules:
        keys = {rule.half(family).key for family in rule.families}
        if not keys & {other.half(family).key for other in found for family in other.families}:
            found.append(rule)
    return tuple(found)


lists = st.lists(st.sampled_from(pool), unique=True, max_size=7).map(one_of_a_key)
# Rules that are about the same packets, so that nearly every order of them means something.
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
    """The double before and after each command."""
    double = double_of(state)
    yield double
    for words in _plan.plan(state, wanted)[0]:
        double.write(words)
        yield double


@given(states(), policies())
@settings(max_examples=400, deadline=None, derandomize=True)
def test_applying_it_gives_what_was_said_and_leaves_nothing_to_do(state: State, wanted: Policy) -> None:
    *_before, double = steps(state, wanted)
    said = _plan.plan(state, wanted)[1]
    assert (double.enabled, double.active, double.policies, double.logging) == (True, True, said.defaults, said.logging)
    assert (tuple(double.lists["v4"]), tuple(double.lists["v6"])) == (said.v4, said.v6)
    assert _plan.plan(said, wanted) == ([], said)


@given(states(), policies())
@settings(max_examples=400, deadline=None, derandomize=True)
def test_where_the_order_matters_it_is_the_declared_one(state: State, wanted: Policy) -> None:
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
def test_at_no_moment_is_closed_what_was_open_and_will_be(state: State, wanted: Policy) -> None:
    every = [{packet for packet in PACKETS if double.lets(packet)} for double in steps(state, wanted)]
    stays = every[0] & every[-1]
    for number, lets in enumerate(every):
        assert stays <= lets, (commands(state, wanted)[:number], stays - lets)


@pytest.mark.parametrize(("values", "word"), [({"IPV6": "no"}, "IPV6=yes"), ({"MANAGE_BUILTINS": "yes"}, "MANAGE_BUILTINS=no")])
def test_settings_that_would_tear_down_tailscaleds_chains_are_refused(values: dict[str, str], word: str) -> None:
    with pytest.raises(UfwError, match=word):
        _policy.refuse_unsafe(values)


def test_it_reads_ufws_files() -> None:
    values = _policy.parse_settings('# a comment\nIPV6=yes\nDEFAULT_INPUT_POLICY="DROP"\nDEFAULT_OUTPUT_POLICY="ACCEPT"\n')
    files = {
        "v4": "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n",
        "v6": "### tuple ### allow tcp 22 ::/0 any ::/0 in\n",
    }
    conf = {"LOGLEVEL": "medium", "ENABLED": "yes"}
    state = _policy.read_state(values, conf, "Status: active\n", "Added user rules:\nufw allow 22/tcp\nufw frobnicate\n", files)
    assert state == with_rules(SSH, defaults=DEFAULTS, logging="medium", unclear=(_rules.parse("frobnicate"),), **ON)
    assert state.rules[0] == SSH
