# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml's tags: with each tag the host is connected and its facts are gathered first, and missing requirements are named."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.homelab.tailsync.plugins.plugin_utils import site_parts
from playbook import ansible_playbook

PLAYBOOKS = pathlib.Path(__file__).resolve().parents[3] / "playbooks"
ALL = ["tailscale", "firewall", "syncthing", "syncthing_mesh"]
BARE = {"tailscaled": {"node": None, "state_kept": False}, "syncthing": {"configured": False}}
JOINED = {"tailscaled": {"node": {"status": {"HaveNodeKey": True}}}, "syncthing": {"configured": False}}
DOWN = {"tailscaled": {"node": None, "state_kept": True}, "syncthing": {"configured": True}}
WHOLE = {"tailscaled": {"node": {"status": {"HaveNodeKey": True}}}, "syncthing": {"configured": True}}
LOGGED_OUT = {"tailscaled": {"node": {"status": {"HaveNodeKey": None}}}, "syncthing": {"configured": True}}


def plays() -> list[dict[str, t.Any]]:
    return list(yaml.safe_load((PLAYBOOKS / "site.yml").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("run", "skip", "expected"),
    [
        (["all"], [], ALL),
        (["tagged"], [], ALL),
        (["tailscale"], [], ["tailscale"]),
        (["syncthing"], [], ["syncthing", "syncthing_mesh"]),
        (["syncthing_mesh"], [], ["syncthing_mesh"]),
        (["verify"], [], []),
        (["untagged"], [], []),
        (["all"], ["firewall"], ["tailscale", "syncthing", "syncthing_mesh"]),
        (["all"], ["syncthing"], ["tailscale", "firewall"]),
        (["syncthing"], ["syncthing_mesh"], ["syncthing"]),
        (["tailscale", "firewall"], ["tailscale"], ["firewall"]),
        (["all"], ["all"], []),
    ],
)
def test_each_tag_selects_its_parts(run: list[str], skip: list[str], expected: list[str]) -> None:
    assert site_parts.parts(run, skip) == expected


def test_documented_tags_are_those_of_the_playbook() -> None:
    roles = {task["ansible.builtin.import_role"]["name"].rsplit(".", 1)[1]: set(task["tags"]) for task in plays()[1]["tasks"][1:]}
    assert roles == {name: set(tags) for name, tags in site_parts.TAGS.items()}


def test_any_tag_first_connects_to_the_host_and_gathers_its_facts() -> None:
    check, change, _verify, _report = plays()
    assert check["tags"] == ["always"]
    assert change["tasks"][0]["tags"] == ["always"]
    names = [task["name"] for task in change["tasks"][0]["block"]]
    assert names[0] == "Find the address that answers SSH"
    assert "Gather the host's state" in names


def test_report_is_the_last_play_with_any_tag_and_in_check_mode() -> None:
    """Its only task fails for all hosts together; a play after it would not run."""
    verify, report = plays()[-2:]
    assert verify["vars"] == {"__tailsync_reported": "{{ 'always' not in ansible_skip_tags }}"}
    assert report["tags"] == ["always"]
    assert "when" not in report
    (task,) = report["tasks"]
    assert task["run_once"] is True
    assert "homelab.tailsync.run_report" in task
    assert "when" not in task


@pytest.mark.parametrize("options", [("--tags", "verify"), ("--tags", "verify", "--skip-tags", "always")])
def test_finding_of_verify_is_red_with_and_without_the_report(tmp_path: pathlib.Path, options: tuple[str, ...]) -> None:
    # The machine that runs the tests, without Tailscale and Syncthing whatever it has.
    values = {
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "syncthing_home": "/var/lib/no-syncthing",
        "tailscale_package_source": "none",
        "tailscale_socket": str(tmp_path / "no.sock"),
        "tailsync_verify_timeout": 0,
    }
    inventory = {"tailsync": {"hosts": {"nas": values}}}
    (tmp_path / "hosts.yml").write_text(json.dumps(inventory), encoding="ascii")
    done = ansible_playbook("-i", str(tmp_path / "hosts.yml"), str(PLAYBOOKS / "site.yml"), *options, cwd=tmp_path)
    assert "nas: Tailscale is not running" in done.stdout + done.stderr
    assert done.returncode == 2, done.stdout + done.stderr


def test_input_checks_see_the_roles_variables() -> None:
    """Also with DEFAULT_PRIVATE_ROLE_VARS."""
    roles = [task["ansible.builtin.import_role"] for task in plays()[1]["tasks"][1:]]
    assert all(role["public"] is True for role in roles)


def test_configured_strategy_does_not_change_the_order() -> None:
    assert [play["strategy"] for play in plays()[:2]] == ["linear", "linear"]


@pytest.mark.parametrize(
    ("host", "tags", "missing"),
    [
        (BARE, ["all"], []),
        (BARE, ["tailscale"], []),
        (BARE, ["verify"], []),
        (BARE, ["firewall"], ["--tags tailscale"]),
        (BARE, ["tailscale", "firewall"], []),
        (BARE, ["syncthing"], ["--tags tailscale"]),
        (BARE, ["syncthing_mesh"], ["--tags tailscale", "--tags syncthing"]),
        (BARE, ["tailscale", "syncthing_mesh"], ["--tags syncthing"]),
        (JOINED, ["firewall"], []),
        (JOINED, ["syncthing"], []),
        (JOINED, ["syncthing_mesh"], ["--tags syncthing"]),
        (LOGGED_OUT, ["firewall"], ["--tags tailscale"]),
        (DOWN, ["firewall"], []),
        (WHOLE, ["syncthing_mesh"], []),
        (WHOLE, ["firewall", "syncthing"], []),
    ],
)
def test_missing_requirement_is_named_with_its_tag(host: dict[str, t.Any], tags: list[str], missing: list[str]) -> None:
    found = site_parts.refusals(host, site_parts.parts(tags))
    assert len(found) == len(missing)
    assert all(word in said for word, said in zip(missing, found, strict=True))
