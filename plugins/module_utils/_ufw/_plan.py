# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what ufw has to what is declared, by commands between which no declared opening is ever closed.

In ufw the first rule that matches wins, so order means something, but only between rules of different action. That is
what is kept here: among allows the order is left as it is found. A rule that stands wrong is a deny or a reject, if moving
those is enough, and is moved by deleting it and inserting it at its place. Where an allow has to move, stand-ins (the same
rule for either half of the addresses) let its traffic in temporary, because ufw takes no rule twice.

A rule without addresses is two rules to ufw, one in the list of each family. Positions are planned in each list for itself;
what can be said for both at once is.

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

# The comment of a temporary rule. One that a run has left behind when it was cut off is removed by the next.
PLACEHOLDER = "homelab.tailsync: temporary, while a rule is moved"


def ranks(declared: t.Sequence[Rule]) -> dict[Rule, int]:
    """Which run of rules of one action each is in; what has the same rank may stand in any order."""
    found: dict[Rule, int] = {}
    rank, action = 0, ""
    for rule in declared:
        rank += rule.action != action
        action = rule.action
        found.setdefault(rule.key, rank)
    return found


def stable(present: t.Sequence[Rule], declared: t.Mapping[Rule, Rule], rank: t.Mapping[Rule, int]) -> set[Rule]:
    """The keys that stay where they are: the heaviest part of what is there that is in the declared order already."""
    best: list[tuple[int, list[Rule]]] = []
    for rule in present:
        # An opening that is open now outweighs everything that is not.
        opening = rule.opens and declared[rule.key].opens
        weight = (1_000_000 if rule.action == "allow" else 1_000) if opening else 1
        before = max((one for one in best if rank[one[1][-1]] <= rank[rule.key]), key=lambda one: one[0], default=(0, []))
        best.append((before[0] + weight, [*before[1], rule.key]))
    return set(max(best, key=lambda one: one[0])[1]) if best else set()


def placeholders(rule: Rule) -> list[Rule]:
    """Two rules that together match what the half of a rule matches; none if it is about single addresses only."""
    for end in ("source", "destination"):
        address = getattr(rule, end)
        network = ipaddress.ip_network(EVERYWHERE[rule.family] if address == ANY else address, strict=False)
        if network.prefixlen < network.max_prefixlen:
            return [dataclasses.replace(rule, comment=PLACEHOLDER, **{end: str(part)}) for part in network.subnets()]
    return []


class Plan:
    """Commands for ufw, and what its lists are after them."""

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
            self.declared[family] = {rule.key: rule for rule in reversed(halves)}  # the first of two that are one to ufw
            self.rank[family], self.in_place[family] = {}, set()
            for direction in _rules.DIRECTIONS:
                rank = ranks([rule for rule in halves if rule.direction == direction])
                present = [rule for rule in dict.fromkeys(self.lists[family]) if rule.key in rank]
                self.rank[family].update(rank)
                self.in_place[family] |= stable(present, self.declared[family], rank)

    # What there is to do

    def moved(self, family: str) -> list[Rule]:
        """What is there and declared, but not where it can stay."""
        declared, in_place = self.declared[family], self.in_place[family]
        return [rule for rule in dict.fromkeys(self.lists[family]) if rule.key in declared and rule.key not in in_place]

    def to_remove(self) -> list[Rule]:
        """What is to go, whole where both halves do."""
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

    # How it is done

    def open(self) -> None:
        """What opens comes before everything that closes."""
        for rule in self.policy.rules:
            if rule.opens:
                self.place(rule)

    def close(self) -> None:
        for rule in self.policy.rules:
            if not rule.opens:
                self.place(rule)

    def remove_obstacles(self) -> None:
        """Where an opening must move, nothing that is misplaced or unwanted may shadow its new place."""
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
        """Bring one declared rule to where it belongs, in each family in which it is not there already."""
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
        """The index to insert at: before the first rule that the declared order has behind it. None: at the end."""
        if half.key in self.in_place[family]:
            return None
        rank, in_place = self.rank[family], self.in_place[family]
        for index, other in enumerate(self.lists[family]):
            same = other.direction == half.direction and other.key in in_place
            if same and rank[other.key] > rank[half.key]:
                return index
        return None

    def add(self, rule: Rule, families: list[str]) -> None:
        """Add a rule, or one half of it, or change in its place what is there."""
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
        """ufw's files have a line for each port of an application profile."""
        return [half] * self.policy.profiles.get(half.app, 1)

    def insert(self, half: Rule, family: str, index: int) -> None:
        """ufw counts the rules of IPv6 on from those of IPv4, and a profile of several ports once."""
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
    """ufw's arguments, and the state after them; `reload` says that it must read its files again in any case."""
    todo = Plan(state, policy)
    todo.remove_obstacles()
    todo.open()
    todo.close()
    defaults = {name: policy.defaults.get(name) or value for name, value in state.defaults.items()}
    level = policy.logging or state.logging
    todo.commands += _settings(state, defaults, level)
    rules = todo.to_remove()
    # What only closes goes before anything begins to filter, and before what it may shadow.
    todo.remove(rule for rule in rules if not rule.opens)
    # A new default makes ufw read everything anyway.
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
    """What turns ufw off, on, or has it read its files again: before its rules change, and after."""
    if active and state.enabled and state.running:
        return [], [["reload"]] if reload else []
    # Half on: ufw would neither change the kernel's rules nor, told to start, load them again. So it is turned off first.
    half_on = state.enabled or state.running or state.broken
    return [["disable"]] if half_on else [], [["--force", "enable"]] if active else []
