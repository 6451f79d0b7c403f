# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a change from the present to the declared policy, including files and kernel: pure functions.

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
    """The present state: ufw's own, its rules files by path, and the kernel's rules in the form of `iptables -S`."""

    state: State = dataclasses.field(default_factory=State)
    texts: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    live: t.Mapping[str, str] = dataclasses.field(default_factory=lambda: dict.fromkeys(FAMILIES, ""))
    families: tuple[str, ...] = FAMILIES
    profiles: t.Mapping[str, int] | None = None


@dataclasses.dataclass(frozen=True)
class Change:
    """The commands and files of a change, and the state before and after it."""

    commands: list[Command]
    writes: t.Mapping[str, str]  # the files that are replaced, by path
    before: Json
    after: Json
    old: State
    new: State
    policy: Policy


def plan(seen: Seen, params: Params) -> Change:
    """Plan the change, the same for check mode and a real run. Raises UfwError for rules that ufw would refuse."""
    policy = policy_of(params, seen.state, seen.families, seen.profiles)
    texts = _texts(seen, policy, params)
    writes = {path: text for path, text in texts.items() if text != seen.texts.get(path, "")}
    loaded = seen.state.running and _kernel.is_loaded(
        seen.state, seen.texts, seen.live, seen.families, with_multicast=params["multicast"] is not None
    )
    commands, after = _plan.plan(seen.state, policy, reload=bool(writes) or not loaded)
    return Change(
        commands=[
            # First: where another tool's block fills the chain as well, loading it removes our rules.
            *_stale(seen, policy, texts),
            *(["write", path] for path in writes),
            *_kernel.with_open_policies(commands, seen.state, seen.families),
        ],
        writes=writes,
        before=_describe(seen.state, seen.texts, loaded, any(_docker.live(listing) for listing in seen.live.values())),
        after=_describe(after, texts, after.running, after.running and any(_docker.find(text) for text in texts.values())),
        old=seen.state,
        new=after,
        policy=policy,
    )


def _texts(seen: Seen, policy: Policy, params: Params) -> dict[str, str]:
    """The wanted texts of ufw's files."""
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
    """Commands that delete our rules from Docker's chain if there is no block any more, or ufw is off: ufw never empties it."""
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
    """Describe a change in the form that ufw_policy returns."""
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
