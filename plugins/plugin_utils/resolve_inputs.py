# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolve Ansible's variables to plain values, one by one and with the place of each problem.

A value that cannot be resolved (another vault password, an undefined variable) is reported with its place, and no other value is
shown. Equal values of several hosts become one object, so that each value is checked once.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import datetime
import typing as t
from collections.abc import Mapping, Sequence, Set

from ansible.errors import AnsibleValueOmittedError
from ansible_collections.homelab.tailsync.plugins.plugin_utils.secret_transfer import reason_of
from ansible_collections.homelab.tailsync.plugins.plugin_utils.validate_types import key_text

Template = t.Callable[[t.Any], t.Any]
TEMPLATE_MARKS = ("{{", "{%", "{#")
MAX_DEPTH = 40
OMITTED = object()


class Resolver:
    """The resolver for all hosts of a run."""

    def __init__(self, omit: t.Any = None) -> None:
        self._omit = omit
        self._fixed: dict[int, tuple[t.Any, t.Any]] = {}  # by the raw value's id; keeping the raw value reserves the id
        self._equal: dict[tuple[str, str], t.Any] = {}

    def value(self, name: str, raw: t.Any, template: Template) -> tuple[t.Any, list[str]]:
        """The plain value, or OMITTED if there is none, and the problems of it or its parts."""
        if id(raw) in self._fixed:
            return self._fixed[id(raw)][1], []
        walk = Walk(template, self._omit)
        plain = walk.plain(raw, name, True, 0)
        if walk.problems and not isinstance(plain, dict):
            plain = OMITTED
        if plain is OMITTED:
            return OMITTED, walk.problems
        plain = self._shared(plain)
        if not walk.templated and not walk.problems:
            self._fixed[id(raw)] = raw, plain
        return plain, walk.problems

    def _shared(self, plain: t.Any) -> t.Any:
        try:
            return self._equal.setdefault((type(plain).__name__, repr(plain)), plain)
        except ValueError:  # a number of more digits than Python writes
            return plain


class Walk:
    """The resolution of one variable of one host."""

    def __init__(self, template: Template, omit: t.Any) -> None:
        self.template = template
        self.omit = omit
        self.templated = False
        self.problems: list[str] = []

    def plain(self, value: t.Any, where: str, raw: bool, depth: int) -> t.Any:
        if depth > MAX_DEPTH:
            name = where.partition(".")[0]
            self.problems.append(f"{name} cannot be resolved: it is nested too deeply, or contains itself")
            return OMITTED
        if isinstance(value, str) and (not raw or not any(mark in value for mark in TEMPLATE_MARKS)):
            return str(value)
        if isinstance(value, Mapping):
            return self._mapping(value, where, raw, depth)
        if isinstance(value, (Sequence, Set)) and not isinstance(value, (str, bytes, bytearray)):
            return self._list(value, where, raw, depth)
        return self._single(value, where, raw, depth)

    def _single(self, value: t.Any, where: str, raw: bool, depth: int) -> t.Any:
        for kind in (bool, int, float):
            if isinstance(value, kind):
                return kind(value)
        if isinstance(value, datetime.date):
            return value.isoformat()
        if value is None or value is self.omit:
            return None if value is None else OMITTED
        return self._resolved(value, where, depth) if raw else str(value)

    def _resolved(self, value: t.Any, where: str, depth: int) -> t.Any:
        self.templated = True
        try:
            return self.plain(self.template(value), where, False, depth + 1)
        except AnsibleValueOmittedError:
            return OMITTED
        except Exception as error:  # templates and vaults can raise anything; the user has to repair it
            self.problems.append(f"{where} cannot be resolved: {reason_of(error)}")
            return OMITTED

    def _mapping(self, value: Mapping[t.Any, t.Any], where: str, raw: bool, depth: int) -> dict[t.Any, t.Any]:
        found = {}
        for key in value:
            own = f"{where}.{key_text(key)}"
            before = len(self.problems)
            inner = self._item(value, key, own, raw, depth)
            # An incomplete part would cause misleading problems.
            if inner is not OMITTED and (depth > 0 or len(self.problems) == before):
                found[str(key) if isinstance(key, str) else key] = inner
        return found

    def _list(self, value: t.Any, where: str, raw: bool, depth: int) -> list[t.Any]:
        if isinstance(value, Set):
            value = sorted(value, key=str)
        items = [self._item(value, index, f"{where}[{index}]", raw, depth) for index in range(len(value))]
        return [item for item in items if item is not OMITTED]

    def _item(self, container: t.Any, key: t.Any, where: str, raw: bool, depth: int) -> t.Any:
        """Resolve one item; the result of a template is resolved on access."""
        try:
            return self.plain(container[key], where, raw, depth + 1)
        except AnsibleValueOmittedError:
            return OMITTED
        except Exception as error:
            self.problems.append(f"{where} cannot be resolved: {reason_of(error)}")
            return OMITTED
