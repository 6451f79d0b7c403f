# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ufw_policy against a double of ufw that can also misbehave."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _rules, _runner
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._policy import UfwError
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._spec import POLICY

TAILNET = {"interface": "tailscale0"}
SSH = {"port": "22", "proto": "tcp"}


class Double:
    """ufw's commands on a list of rules."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.defaults = folder / "default"
        self.conf = folder / "ufw.conf"
        self.defaults.write_text(
            'IPV6=yes\nDEFAULT_INPUT_POLICY="DROP"\nDEFAULT_OUTPUT_POLICY="ACCEPT"\nDEFAULT_FORWARD_POLICY="DROP"\n',
            encoding="ascii",
        )
        self.conf.write_text("ENABLED=no\nLOGLEVEL=low\n", encoding="ascii")
        self.active = False
        self.rules: list[str] = []
        self.calls: list[list[str]] = []
        self.broken: str = ""

    def __call__(self, words: list[str]) -> tuple[int, str, str]:
        self.calls.append(words)
        if self.broken and self.broken in " ".join(words):
            return 1, "", "ERROR: could not do it"
        if words == ["status"]:
            return 0, f"Status: {'active' if self.active else 'inactive'}\n", ""
        if words == ["show", "added"]:
            return 0, "Added user rules:\n" + "".join(f"ufw {rule}\n" for rule in self.rules), ""
        if words == ["--force", "enable"]:
            self.active = True
        elif words == ["disable"]:
            self.active = False
        elif words[0] == "delete":
            self.rules = [rule for rule in self.rules if _rules.parse(rule) != _rules.parse(" ".join(words[1:]))]
        elif words[0] not in ("default", "logging"):
            self.rules.append(" ".join(words))
        return 0, "", ""

    @property
    def writes(self) -> list[list[str]]:
        return [words for words in self.calls if words not in (["status"], ["show", "added"])]


@pytest.fixture
def double(tmp_path: pathlib.Path) -> Double:
    return Double(tmp_path)


def bring(double: Double | None, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
    outcome = ArgumentSpecValidator(POLICY).validate(json.loads(json.dumps(options)))
    assert not outcome.error_messages
    ufw = _runner.Ufw(double, double.defaults, double.conf) if double else None
    return _runner.bring(ufw, outcome.validated_parameters, check_mode)


def test_once_and_again(double: Double) -> None:
    first = bring(double, rules=[TAILNET])
    assert (first["changed"], first["added"], double.active) == (True, ["allow in on tailscale0"], True)
    double.calls.clear()
    second = bring(double, rules=[TAILNET])
    assert (second["changed"], second["commands"], double.writes) == (False, [], [])


def test_check_mode_says_the_same_and_does_nothing(double: Double) -> None:
    check = bring(double, check_mode=True, rules=[TAILNET])
    assert double.writes == []
    real = bring(double, rules=[TAILNET])
    assert (check["after"], check["commands"]) == (real["after"], real["commands"])


def test_check_mode_without_ufw() -> None:
    assert bring(None, check_mode=True, rules=[TAILNET])["changed"]
    with pytest.raises(UfwError, match="not installed"):
        bring(None, rules=[TAILNET])


def test_a_failure_in_the_middle_closes_nothing_and_the_next_run_finishes(double: Double) -> None:
    double.rules = ["allow 22/tcp"]
    double.broken = "--force enable"
    with pytest.raises(UfwError, match="ufw --force enable failed: ERROR: could not do it"):
        bring(double, rules=[TAILNET], purge=True)
    assert "allow 22/tcp" in double.rules
    assert not double.active
    double.broken = ""
    assert bring(double, rules=[TAILNET], purge=True)["removed"] == ["allow in port 22 proto tcp"]
    assert double.active
    assert not bring(double, rules=[TAILNET], purge=True)["changed"]


def test_a_ufw_that_takes_but_does_not_keep_is_noticed(double: Double) -> None:
    double.rules = ["allow 22/tcp"]

    def forgetful(words: list[str]) -> tuple[int, str, str]:
        return (0, "", "") if words[0] == "delete" else double(words)

    ufw = _runner.Ufw(forgetful, double.defaults, double.conf)
    params = ArgumentSpecValidator(POLICY).validate({"rules": [dict(TAILNET)], "purge": True}).validated_parameters
    with pytest.raises(UfwError, match="still to do: delete allow"):
        _runner.bring(ufw, params, check_mode=False)


def test_a_rule_given_twice_counts_once(double: Double) -> None:
    bring(double, rules=[TAILNET, SSH, TAILNET])
    assert len(double.rules) == 2
