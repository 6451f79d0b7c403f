# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declared policy as data: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _options
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import FAMILIES, Rule
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._state import DIRECTIONS, State


@dataclasses.dataclass(frozen=True)
class Policy:
    """The declared policy; None for a value that is not declared."""

    active: bool
    rules: tuple[Rule, ...]
    defaults: t.Mapping[str, str | None]
    logging: str | None = None
    purge: bool = False
    keep: tuple[Rule, ...] = ()
    profiles: t.Mapping[str, int] = dataclasses.field(default_factory=dict)  # number of lines in ufw's files for each


def policy_of(
    params: t.Mapping[str, t.Any], state: State, families: t.Sequence[str], profiles: t.Mapping[str, int] | None
) -> Policy:
    """The policy from the options, for a kernel with these families. Raises UfwError for rules that ufw would refuse.

    `profiles` are the application profiles of the host; None if they are not known.
    """
    rules = _options.rules_of(params["rules"], "rules")
    keep = _options.rules_of(params["keep"], "keep")
    _options.refuse_odd_interfaces(params["docker_interfaces"], "docker_interfaces")
    if profiles is not None:
        _options.refuse_unknown_profiles(rules, state.rules, profiles)
    if tuple(families) != FAMILIES:  # a kernel without IPv6
        rules = tuple(rule.half("v4") for rule in rules if "v4" in rule.families)
        keep = tuple(rule.half("v4") for rule in keep if "v4" in rule.families)
    return Policy(
        active=params["state"] == "enabled",
        rules=rules,
        defaults={name: params[f"default_{name}"] for name in DIRECTIONS},
        logging=params["logging"],
        purge=params["purge"],
        keep=keep,
        profiles=profiles or {},
    )
