# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of an object: one row for each option has all that the collection knows about it.

A row has the module's argument specification, the place of the option in the service's own object, and the check of its value
beyond its type. To add an option, add a row, its documentation and a row of the test table.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common.checks import Check, shown

Spec = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)

DIRECT = "direct"  # the value is the same on the wire
INVERTED = "inverted"  # true is false on the wire
PART = "part"  # the object's own code translates it
NAME = "name"  # identifies the object
LOCAL = "local"  # not on the wire: only the module itself uses it


@dataclasses.dataclass(frozen=True)
class Key:
    """One option: its name, its place on the wire (a path, if it is nested), its argument specification, form and check."""

    option: str
    wire: str | tuple[str, ...] | None
    spec: Spec
    form: str = DIRECT
    check: Check | None = None

    @property
    def path(self) -> tuple[str, ...]:
        """The place on the wire as a path."""
        return (self.wire,) if isinstance(self.wire, str) else tuple(self.wire or ())


Table = t.Tuple[Key, ...]  # noqa: UP006


def spec_of(table: Table) -> Spec:
    """The argument specification of all rows."""
    return {key.option: key.spec for key in table}


def rows(table: Table, *forms: str) -> dict[str, Key]:
    """The rows of these forms, by option."""
    return {key.option: key for key in table if key.form in forms}


def wire_of(table: Table, *forms: str) -> dict[str, str]:
    """Map options to names on the wire, for the rows of these forms (or all) that have one and are not nested."""
    return {key.option: key.wire for key in table if isinstance(key.wire, str) and (not forms or key.form in forms)}


def problems(table: Table, declared: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, str]]:
    """Yield each option whose value has the right type but fails its check, with the reason. Undeclared options are skipped."""
    for key in table:
        value = declared.get(key.option)
        reason = key.check(value) if key.check and value is not None else None
        if reason:
            yield key.option, f"has {reason}" if isinstance(value, list) else f"is {shown(value)}: {reason}"
