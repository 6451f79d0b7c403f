# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a host has to what is declared, files and kernel included: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses
import shlex
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _before_rules, _docker, _kernel, _plan, _rules, _state
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._kernel import PROGRAMS, Command
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._policy import Policy, policy_of
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import FAMILIES
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._state import State

Params = t.Mapping[str, t.Any]
Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)


@dataclasses.dataclass(frozen=True)
class Seen:
    """What is there: ufw's state, its rules files by path, and the kernel's rules as `iptables -S` lists them."""

    state: State = dataclasses.field(default_factory=State)
    texts: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    live: t.Mapping[str, str] = dataclasses.field(default_factory=lambda: dict.fromkeys(FAMILIES, ""))
    families: tuple[str, ...] = FAMILIES
    profiles: t.Mapping[str, int] | None = None


@dataclasses.dataclass(frozen=True)
class Change:
    """What is to be done, and what there is before and after it."""

    commands: list[Command]
    writes: t.Mapping[str, str]  # the files that are replaced, by path
    before: Json
    after: Json
    old: State
    new: State
    policy: Policy


def plan(seen: Seen, params: Params) -> Change:
    """The same for check mode and a real run. Raises UfwError for what ufw would not take."""
    policy = policy_of(params, seen.state, seen.families, seen.profiles)
    texts = _texts(seen, policy, params)
    writes = {path: text for path, text in texts.items() if text != seen.texts.get(path, "")}
    loaded = seen.state.running and _kernel.is_loaded(
        seen.state, seen.texts, seen.live, seen.families, with_multicast=params["multicast"] is not None
    )
    commands, after = _plan.plan(seen.state, policy, reload=bool(writes) or not loaded)
    return Change(
        commands=[
            *(["write", path] for path in writes),
            *_kernel.with_open_policies(commands, seen.state, seen.families),
            *_stale(seen, policy, texts),
        ],
        writes=writes,
        before=_describe(seen.state, seen.texts, loaded, any(_docker.live(listing) for listing in seen.live.values())),
        after=_describe(after, texts, after.running, after.running and any(_docker.find(text) for text in texts.values())),
        old=seen.state,
        new=after,
        policy=policy,
    )


def _texts(seen: Seen, policy: Policy, params: Params) -> dict[str, str]:
    """ufw's files as they are to be."""
    texts = dict(seen.texts)
    for family in FAMILIES:
        before, after = _before_rules.BEFORE[family], _docker.FILES[family]
        if params["multicast"] is not None:
            texts[before] = _before_rules.set_multicast(texts.get(before, ""), params["multicast"])
        if params["docker"] is not None:
            lines = _docker.rules(policy.rules, params["docker_interfaces"], family)
            texts[after] = _docker.replace(texts.get(after, ""), _docker.block(lines) if params["docker"] else "")
    return texts


def _stale(seen: Seen, policy: Policy, texts: t.Mapping[str, str]) -> t.Iterator[Command]:
    """ufw never empties a chain of Docker's: what is ours in it is deleted where it has no block any more, or is off."""
    for family in FAMILIES:
        if not policy.active or not _docker.find(texts.get(_docker.FILES[family], "")):
            for line in reversed(_docker.live(seen.live[family])):
                yield [PROGRAMS[family], "-w", "-D", *shlex.split(line)[1:]]


def _describe(state: State, texts: t.Mapping[str, str], running: bool, docker_running: bool) -> Json:
    return {
        **_state.describe(state),
        "running": running,
        "docker_running": docker_running,
        "multicast": any(_before_rules.multicast(texts.get(path, "")) for path in _before_rules.BEFORE.values()),
        "docker": {family: _docker.describe(texts.get(path, "")) for family, path in _docker.FILES.items()},
    }


def describe(change: Change) -> Json:
    """As ufw_policy returns it."""
    declared = set(change.policy.rules)
    before, after = change.old.rules, change.new.rules
    return {
        "changed": bool(change.commands),
        "before": change.before,
        "after": change.after,
        "added": [_rules.describe(rule) for rule in after if rule not in before],
        "removed": [_rules.describe(rule) for rule in before if rule not in after],
        "unmanaged": [_rules.describe(rule) for rule in after if rule not in declared],
        "commands": change.commands,
    }
