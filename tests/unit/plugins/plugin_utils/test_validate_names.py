# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which name was meant."""

from __future__ import annotations

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import validate_types


@pytest.mark.parametrize(
    ("one", "other", "far"),
    [
        ("abc", "abc", 0),
        ("abc", "abd", 1),
        ("abc", "acb", 1),
        ("abc", "ab", 1),
        ("abcde", "ab", 3),
        ("ab", "ba", 1),
    ],
)
def test_distance_between_two_names(one: str, other: str, far: int) -> None:
    assert validate_types.distance(one, other, 2) == far
    assert validate_types.distance(other, one, 2) == far


@pytest.mark.parametrize(("name", "meant"), [("x1", None), ("ip", "pi"), ("pii", "pi"), ("p", "pi"), ("nsa", "nas"), ("", None)])
def test_name_of_other_letters_is_not_suggested(name: str, meant: str | None) -> None:
    assert validate_types.nearest(name, ["nas", "pi"]) == meant
