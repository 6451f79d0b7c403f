# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every documented tag, and --limit: on a locked mesh nothing changes; on bare hosts it does its part or is refused."""

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
# What must have been there before a tag can do its part on a host.
FIRST = {"firewall": "tailscale", "syncthing": "tailscale", "syncthing_mesh": "syncthing"}


def ports(lab_hosts: dict[str, Host]) -> dict[str, str]:
    return {name: lab_hosts[name].check_output(LISTENING) for name in HOSTS}


@pytest.mark.parametrize(
    ("tag", "limit"),
    [*itertools.product(TAGS, LIMITS), *((",".join(pair), "all") for pair in itertools.combinations(TAGS, 2))],
)
def test_on_a_locked_mesh_nothing_changes(mesh: None, play: t.Any, lab_hosts: dict[str, Host], tag: str, limit: str) -> None:
    before = ports(lab_hosts)
    run = play("site.yml", "--tags", tag, "--limit", limit)
    assert run.code == 0, run.output
    assert sum(run.changed.values()) == 0, run.output
    assert ports(lab_hosts) == before


@pytest.mark.parametrize("tag", TAGS)
def test_nor_with_the_tag_skipped(mesh: None, play: t.Any, lab_hosts: dict[str, Host], tag: str) -> None:
    before = ports(lab_hosts)
    run = play("site.yml", "--skip-tags", tag, "--limit", "nas")
    assert run.code == 0, run.output
    assert sum(run.changed.values()) == 0, run.output
    assert ports(lab_hosts) == before


@pytest.mark.parametrize("tag", FIRST)
def test_on_bare_hosts_it_is_refused_with_the_tags_that_must_run_first(
    bare: None, play: t.Any, lab: t.Any, lab_hosts: dict[str, Host], tag: str
) -> None:
    lab("reset", timeout=300)
    before = ports(lab_hosts)
    run = play("site.yml", "--tags", tag)
    assert run.code != 0, run.output
    assert re.search(rf"\b{FIRST[tag]}\b", " ".join(run.output.split("TASK")[-1].split())), run.output
    assert sum(run.changed.values()) == 0, run.output
    assert ports(lab_hosts) == before


def test_and_tag_after_tag_gives_what_the_whole_run_gives(
    bare: None, play: t.Any, lab: t.Any, lab_hosts: dict[str, Host]
) -> None:
    lab("reset", timeout=300)
    for tag in TAGS:
        run = play("site.yml", "--tags", tag)
        assert run.code == 0, run.output
        if tag == "tailscale":
            lab("coordinator", "require-key", "")
        for name in HOSTS:
            listening = lab_hosts[name].check_output(LISTENING)
            assert not re.search(r"\*:22000|0\.0\.0\.0:22000|\[::\]:22000", listening), f"{tag}: {listening}"
    whole = play("site.yml")
    assert (whole.code, sum(whole.changed.values())) == (0, 0), whole.output
