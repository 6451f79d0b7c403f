# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each preference is changed by hand, with `tailscale set`, and restored by the module."""

from __future__ import annotations

import json
import typing as t

import pytest
from tailscale_preferences import EVERY

HOSTS = ("nas", "pi", "vps")
SHARE = {name: [option for number, option in enumerate(EVERY) if number % 3 == place] for place, name in enumerate(HOSTS)}


class Results(t.NamedTuple):
    check: dict[str, t.Any]
    real: dict[str, t.Any]
    prefs: dict[str, t.Any]


@pytest.fixture(scope="module")
def results(run_steps: t.Any, set_coordinator: t.Any, lab_hosts: t.Any) -> dict[str, Results]:
    """All preferences, a third of them on each host."""
    set_coordinator("ssh", "true")
    steps: dict[str, list[dict[str, t.Any]]] = {}
    for host, options in SHARE.items():
        wishes = [{option: host if option == "hostname" else EVERY[option].declared} for option in options]
        steps[host] = [
            {"run": ["tailscale", "set", *(flag for option in options for flag in EVERY[option].by_hand)]},
            *({"node": wish, "check": True} for wish in wishes),
            *({"node": wish} for wish in wishes),
            {"node": {option: value for wish in wishes for option, value in wish.items()}},
        ]
    outcome = run_steps(steps, "--diff")
    found = {}
    for host, options in SHARE.items():
        answers = outcome.of(host)
        assert (answers[-1]["changed"], answers[-1]["requests"]["writes"]) == (False, 0), "a node that matches was changed"
        prefs = json.loads(lab_hosts[host].check_output("tailscale debug prefs"))
        for number, option in enumerate(options):
            found[option] = Results(answers[number], answers[len(options) + number], prefs)
    return found


@pytest.mark.parametrize("option", EVERY)
def test_preference_changed_by_hand_is_restored_as_check_mode_predicts(option: str, results: dict[str, Results]) -> None:
    check, real, prefs = results[option]
    assert (check["changed"], real["changed"]) == (True, True), (check, real)
    assert check["diff"] == real["diff"]
    assert check["requests"]["writes"] == 0
    assert real["requests"]["writes"] == 1, "one preference, one edit"
    row = EVERY[option]
    assert real["diff"]["after"][option] == row.declared
    assert real["diff"]["before"][option] != row.declared
    for key, value in row.shown.items():
        assert (prefs.get(key) or None) == (value or None), "tailscaled shows another value"
