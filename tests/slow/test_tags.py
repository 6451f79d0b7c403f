# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every documented tag, and --limit: a locked-down mesh is not changed; on bare hosts a tag runs or is refused."""

from __future__ import annotations

import itertools
import re
import typing as t

import pytest
from lab_fixtures import HOSTS
from testinfra.host import Host

TAGS = ("tailscale", "firewall", "syncthing", "syncthing_mesh", "verify")
LIMITS = ("nas", "pi,vps", "all")
LISTENING = "ss -H -ltnu | awk '{print $1, $5}' | sort"
# The tag that must have run on a host before another one can.
FIRST = {"firewall": "tailscale", "syncthing": "tailscale", "syncthing_mesh": "syncthing"}


def ports(lab_hosts: dict[str, Host]) -> dict[str, str]:
    return {name: lab_hosts[name].check_output(LISTENING) for name in HOSTS}


@pytest.mark.parametrize(
    ("tag", "limit"),
    [*itertools.product(TAGS, LIMITS), *((",".join(pair), "all") for pair in itertools.combinations(TAGS, 2))],
)
def test_tags_and_limits_change_nothing_on_a_locked_down_mesh(
    mesh: None, play: t.Any, lab_hosts: dict[str, Host], tag: str, limit: str
) -> None:
    before = ports(lab_hosts)
    run = play("site.yml", "--tags", tag, "--limit", limit)
    assert run.code == 0, run.output
    assert sum(run.changed.values()) == 0, run.output
    assert ports(lab_hosts) == before


@pytest.mark.parametrize("tag", TAGS)
def test_skipped_tag_changes_nothing_on_a_locked_down_mesh(mesh: None, play: t.Any, lab_hosts: dict[str, Host], tag: str) -> None:
    before = ports(lab_hosts)
    run = play("site.yml", "--skip-tags", tag, "--limit", "nas")
    assert run.code == 0, run.output
    assert sum(run.changed.values()) == 0, run.output
    assert ports(lab_hosts) == before


@pytest.mark.parametrize("tag", FIRST)
def test_tag_on_bare_hosts_is_refused_with_the_tags_that_must_run_first(
    bare: None, play: t.Any, lab: t.Any, lab_hosts: dict[str, Host], tag: str
) -> None:
    lab("reset", timeout=300)
    before = ports(lab_hosts)
    run = play("site.yml", "--tags", tag)
    assert run.code != 0, run.output
    assert re.search(rf"\b{FIRST[tag]}\b", " ".join(run.output.split("TASK")[-1].split())), run.output
    assert sum(run.changed.values()) == 0, run.output
    assert ports(lab_hosts) == before


def test_one_tag_after_the_other_gives_the_same_as_a_whole_run(
    bare: None, play: t.Any, lab: t.Any, lab_hosts: dict[str, Host]
) -> None:
    lab("reset", timeout=300)
    for tag in TAGS:
        run = play("site.yml", "--tags", tag)
        assert run.code == 0, run.output
        for name in HOSTS:
            listening = lab_hosts[name].check_output(LISTENING)
            assert not re.search(r"\*:22000|0\.0\.0\.0:22000|\[::\]:22000", listening), f"{tag}: {listening}"
    whole = play("site.yml")
    assert (whole.code, sum(whole.changed.values())) == (0, 0), whole.output
