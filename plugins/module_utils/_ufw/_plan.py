# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan ufw commands from the present to the declared rules, without closing a declared opening at any time.

In ufw the first rule that matches wins, so order matters, but only between rules of different action. Only that order is
established: rules of the same action keep the order that they have on the host. If it is enough, only denies and rejects are
moved: a rule is deleted and inserted at its place. Where an allow has to move, placeholders (the same rule for each half of the
addresses) allow its traffic in the meantime, because ufw accepts no rule twice.

ufw stores a rule without addresses as two rules, one in the list of each family. Positions are planned separately for each list;
one command does both where possible.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _rules
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._errors import UfwError
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._policy import Policy
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import ANY, EVERYWHERE, FAMILIES, Rule
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._state import State

# The comment of a placeholder. If an interrupted run has left one behind, the next run removes it.
PLACEHOLDER = "homelab.tailsync: temporary, while a rule is moved"


def ranks(declared: t.Sequence[Rule]) -> dict[Rule, int]:
    """Number the groups of successive rules with the same action; rules with the same rank may have any order."""
    found: dict[Rule, int] = {}
    rank, action = 0, ""
    for rule in declared:
        rank += rule.action != action
        action = rule.action
        found.setdefault(rule.key, rank)
    return found


def stable(present: t.Sequence[Rule], declared: t.Mapping[Rule, Rule], rank: t.Mapping[Rule, int]) -> set[Rule]:
    """The keys of rules that stay in place: the heaviest subsequence of the present rules in the declared order."""
    best: list[tuple[int, list[Rule]]] = []
    for rule in present:
        # An opening that is active now outweighs all other rules.
        opening = rule.opens and declared[rule.key].opens
        weight = (1_000_000 if rule.action == "allow" else 1_000) if opening else 1
        before = max((one for one in best if rank[one[1][-1]] <= rank[rule.key]), key=lambda one: one[0], default=(0, []))
        best.append((before[0] + weight, [*before[1], rule.key]))
    return set(max(best, key=lambda one: one[0])[1]) if best else set()


def placeholders(rule: Rule) -> list[Rule]:
    """Two rules that together match the same as one family's half of a rule; none for a rule with single addresses."""
    for end in ("source", "destination"):
        address = getattr(rule, end)
        network = ipaddress.ip_network(EVERYWHERE[rule.family] if address == ANY else address, strict=False)
        if network.prefixlen < network.max_prefixlen:
            return [dataclasses.replace(rule, comment=PLACEHOLDER, **{end: str(part)}) for part in network.subnets()]
    return []


class Plan:
    """Commands for ufw, and its lists after them."""

    def __init__(self, state: State, policy: Policy) -> None:
        self.policy = policy
        self.lists = {"v4": list(state.v4), "v6": list(state.v6)}
        self.unparsed = list(state.unparsed)
        self.commands: list[list[str]] = []
        self.declared: dict[str, dict[Rule, Rule]] = {}
        self.rank: dict[str, dict[Rule, int]] = {}
        self.in_place: dict[str, set[Rule]] = {}
        for family in FAMILIES:
            halves = [rule.half(family) for rule in policy.rules if family in rule.families]
            self.declared[family] = {rule.key: rule for rule in reversed(halves)}  # the first of two that ufw cannot tell apart
            self.rank[family], self.in_place[family] = {}, set()
            for direction in _rules.DIRECTIONS:
                rank = ranks([rule for rule in halves if rule.direction == direction])
                present = [rule for rule in dict.fromkeys(self.lists[family]) if rule.key in rank]
                self.rank[family].update(rank)
                self.in_place[family] |= stable(present, self.declared[family], rank)

    # Differences

    def moved(self, family: str) -> list[Rule]:
        """The present rules that are declared but have to move."""
        declared, in_place = self.declared[family], self.in_place[family]
        return [rule for rule in dict.fromkeys(self.lists[family]) if rule.key in declared and rule.key not in in_place]

    def to_remove(self) -> list[Rule]:
        """The rules to remove; as one rule if both of its halves are removed."""
        keep = {rule.half(family) for family in FAMILIES for rule in self.policy.keep if family in rule.families}
        halves = {
            family: [
                rule
                for rule in dict.fromkeys(self.lists[family])
                if rule.key not in self.declared[family]
                and (rule.comment == PLACEHOLDER or (self.policy.purge and rule not in keep))
            ]
            for family in FAMILIES
        }
        unparsed = [rule for rule in self.unparsed if self.policy.purge and rule not in self.policy.keep]
        return [*State(v4=tuple(halves["v4"]), v6=tuple(halves["v6"])).rules, *unparsed]

    # Commands

    def open(self) -> None:
        """Add the rules that open access, which come before those that close it."""
        for rule in self.policy.rules:
            if rule.opens:
                self.place(rule)

    def close(self) -> None:
        for rule in self.policy.rules:
            if not rule.opens:
                self.place(rule)

    def remove_obstacles(self) -> None:
        """If an opening must move, first remove closing rules that are misplaced or unwanted: they could shadow its new place."""
        if any(rule.opens and self.declared[family][rule.key].opens for family in FAMILIES for rule in self.moved(family)):
            self.remove(rule for rule in self.to_remove() if not rule.opens)
            for family in FAMILIES:
                self.remove([rule for rule in self.moved(family) if not rule.opens])

    def remove(self, rules: t.Iterable[Rule]) -> None:
        for rule in rules:
            self.commands.append(_rules.command(rule, "delete"))
            self.unparsed = [other for other in self.unparsed if other != rule]
            for family in rule.families:
                self.lists[family] = [other for other in self.lists[family] if other != rule.half(family)]

    def place(self, rule: Rule) -> None:
        """Put one declared rule in its place, in each family in which it is not there already."""
        due = [family for family in rule.families if not self.is_in_order(rule.half(family), family)]
        moving = [family for family in due if any(other.key == rule.half(family).key for other in self.moved(family))]
        temporary: list[Rule] = []
        for family in moving:
            temporary += self.replace_by_placeholders(rule.half(family), family)
        if due == list(rule.families) and all(self.position(rule.half(family), family) is None for family in due):
            self.add(rule, due)
        else:
            for family in due:
                self.add(rule.half(family), [family])
        self.remove(temporary)

    def is_in_order(self, half: Rule, family: str) -> bool:
        there = next((other for other in self.lists[family] if other.key == half.key), None)
        wanted = self.declared[family][half.key]
        if there is None or half.key not in self.in_place[family]:
            return False
        return there == wanted and (wanted.comment is None or wanted.comment == (there.comment or ""))

    def replace_by_placeholders(self, half: Rule, family: str) -> list[Rule]:
        there = next(other for other in self.lists[family] if other.key == half.key)
        temporary: list[Rule] = []
        if there.opens and half.opens:
            index = self.lists[family].index(there)
            temporary = [rule for rule in placeholders(there) if rule.key not in {other.key for other in self.lists[family]}]
            for rule in temporary:
                self.insert(rule, family, index)
        self.remove([there])
        return temporary

    def position(self, half: Rule, family: str) -> int | None:
        """The index to insert at, before the first rule that comes later in the declared order. None for the end."""
        if half.key in self.in_place[family]:
            return None
        rank, in_place = self.rank[family], self.in_place[family]
        for index, other in enumerate(self.lists[family]):
            same = other.direction == half.direction and other.key in in_place
            if same and rank[other.key] > rank[half.key]:
                return index
        return None

    def add(self, rule: Rule, families: list[str]) -> None:
        """Add a rule, or one half of it, or change an existing rule in place."""
        for family in families:
            half = self.declared[family][rule.half(family).key]
            index = self.position(half, family)
            there = next((other for other in self.lists[family] if other.key == half.key), None)
            comment = half.comment if half.comment is not None else (there.comment if there else "") or ""
            half, rule = dataclasses.replace(half, comment=comment), dataclasses.replace(rule, comment=comment)
            self.in_place[family].add(half.key)
            if index is not None:
                self.insert(half, family, index)
                return
            if there:
                self.lists[family] = [half if other.key == half.key else other for other in self.lists[family]]
            else:
                self.lists[family] += self.as_listed(half)
        self.commands.append(_rules.command(rule))

    def as_listed(self, half: Rule) -> list[Rule]:
        """A half as ufw's files list it: with a line for each port of an application profile."""
        return [half] * self.policy.profiles.get(half.app, 1)

    def insert(self, half: Rule, family: str, index: int) -> None:
        """Insert a half. ufw numbers the rules of IPv6 after those of IPv4, and counts a profile of several ports once."""
        counts = {name: len(dict.fromkeys(self.lists[name])) for name in FAMILIES}
        if index >= counts[family]:
            raise UfwError(
                f"ufw cannot insert '{_rules.describe(half)}' where it belongs, because application profiles of several ports "
                "stand before it: declare their ports in place of the profiles"
            )
        number = index + 1 + (counts["v4"] if family == "v6" else 0)
        self.commands.append(_rules.command(half, "insert", str(number)))
        self.lists[family][index:index] = self.as_listed(half)


def plan(state: State, policy: Policy, reload: bool = False) -> tuple[list[list[str]], State]:
    """ufw's arguments, and the state after them; with `reload` ufw must load its files again in any case."""
    todo = Plan(state, policy)
    todo.remove_obstacles()
    todo.open()
    todo.close()
    defaults = {name: policy.defaults.get(name) or value for name, value in state.defaults.items()}
    level = policy.logging or state.logging
    todo.commands += _settings(state, defaults, level)
    rules = todo.to_remove()
    # Closing rules are removed before ufw starts to filter, and before rules that they may shadow are added.
    todo.remove(rule for rule in rules if not rule.opens)
    # A new default makes ufw load all files anyway.
    first, last = _switch(state, policy.active, reload and defaults == dict(state.defaults))
    todo.commands = [*first, *todo.commands, *last]
    todo.remove(rule for rule in rules if rule.opens)
    lists = {family: tuple(todo.lists[family]) for family in FAMILIES}
    after = State(policy.active, policy.active, False, defaults, level, unparsed=tuple(todo.unparsed), **lists)
    return todo.commands, after


def _settings(state: State, defaults: t.Mapping[str, str], level: str) -> list[list[str]]:
    """Default policies and logging."""
    changed = [["default", value, name] for name, value in defaults.items() if state.defaults[name] != value]
    return changed if level == state.logging else [*changed, ["logging", level]]


def _switch(state: State, active: bool, reload: bool) -> tuple[list[list[str]], list[list[str]]]:
    """The commands that turn ufw off or on, or make it load its files again: before its rules change, and after."""
    if active and state.enabled and state.running:
        return [], [["reload"]] if reload else []
    # Half on: ufw would neither change the kernel's rules nor load them again on `ufw enable`. So it is turned off first.
    half_on = state.enabled or state.running or state.broken
    return [["disable"]] if half_on else [], [["--force", "enable"]] if active else []
