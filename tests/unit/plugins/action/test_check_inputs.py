# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action check_inputs: the variables and hosts that it checks, and the output of a run. No host is connected."""

from __future__ import annotations

import json
import pathlib
import subprocess
import typing as t

import pytest
import yaml
from playbook import ansible_playbook

pytestmark = pytest.mark.slow  # each test runs ansible-playbook
CHECKOUT = pathlib.Path(__file__).resolve().parents[4]
HOSTS = ("nas", "pi", "vps")
FOLDERS = {"docs": {"path": "/srv/sync/docs", "devices": list(HOSTS)}}
CHECK = {"homelab.tailsync.check_inputs": {"roles": ["firewall", "syncthing_mesh"], "hosts": "tailsync"}, "run_once": True}


class Place:
    """A directory with an inventory and a playbook."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.group = "tailsync"
        self.variables: dict[str, t.Any] = {"ansible_timeout": 1}
        self.of_all: dict[str, t.Any] = {}
        self.of_hosts: dict[str, dict[str, t.Any]] = {host: {"ansible_host": "127.0.0.9"} for host in HOSTS}

    def site(self, *arguments: str, playbook: str = "site.yml") -> subprocess.CompletedProcess[str]:
        return self._run(str(CHECKOUT / "playbooks" / playbook), *arguments)

    def play(self, *plays: dict[str, t.Any], arguments: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        whole = [{"hosts": self.group, "gather_facts": False, **play} for play in plays]
        (self.path / "play.yml").write_text(yaml.safe_dump(whole), encoding="utf-8")
        return self._run("play.yml", *arguments)

    def _run(self, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        group = {"hosts": self.of_hosts, "vars": self.variables}
        other = {"other": {"ansible_connection": "local"}}
        whole = {"all": {"hosts": other, "vars": self.of_all, "children": {self.group: group}}}
        (self.path / "hosts.yml").write_text(yaml.safe_dump(whole), encoding="utf-8")
        return ansible_playbook("-i", "hosts.yml", *arguments, playbook, cwd=self.path, ANSIBLE_SSH_RETRIES="0")


@pytest.fixture
def place(tmp_path: pathlib.Path) -> Place:
    return Place(tmp_path)


def test_run_reports_each_problem_once_before_a_host_is_connected(place: Place) -> None:
    place.variables |= {"tailscale_state": "absnt", "firewall_public_ports": ["99999/tcp"], "syncthing_mesh_folder": {}}
    place.of_hosts["pi"]["tailscale_port"] = "x"
    done = place.site()
    said = done.stdout.partition("fatal:")[0] + done.stderr
    assert done.returncode == 2
    assert "TASK [Find" not in done.stdout
    assert said.count("tailscale_state is 'absnt': it must be one of present, absent") == 1, done.stdout
    assert said.count("firewall_public_ports[0] is '99999/tcp'") == 1
    assert said.count("syncthing_mesh_folder is no variable of this collection, and syncthing_mesh_folders is not set") == 1
    assert "tailscale_port is 'x': it must be a whole number (on pi)" in said
    assert len(done.stdout + done.stderr) < 4000, "no specification is printed"


@pytest.mark.parametrize(("group", "limit"), [("tailsnyc", ()), ("tailsnyc", ("--limit", "nas")), ("homelab", ())])
def test_missing_group_is_an_error(place: Place, group: str, limit: tuple[str, ...]) -> None:
    place.group = group
    done = place.site(*limit)
    assert done.returncode == 2
    assert "the inventory has no host in the group tailsync" in done.stdout + done.stderr
    assert ("is tailsnyc meant?" in done.stdout + done.stderr) == (group == "tailsnyc")


@pytest.mark.parametrize(
    ("hosts", "hint"), [("tailsyn", " (is tailsync meant?)"), ("nass", " (is nas meant?)"), ("tailsync:&offsite", "")]
)
def test_pattern_without_hosts_is_an_error(place: Place, hosts: str, hint: str) -> None:
    done = place.site("-e", f"tailsync_hosts={hosts}")
    assert done.returncode == 2
    assert f"tailsync_hosts is '{hosts}', which no host of the inventory matches{hint}" in done.stdout + done.stderr


@pytest.mark.parametrize("playbook", ["verify.yml", "leave.yml"])
def test_missing_group_is_an_error_in_the_other_playbooks(place: Place, playbook: str) -> None:
    """Their variables may be wrong: a host can leave in any case."""
    place.variables |= {"firewall_ssh_port": 0, "tailscale_auth_key": "{{ nobody }}"}
    assert "ok: [nas]" in place.site("--check", playbook=playbook).stdout
    place.group = "tailsnyc"
    for arguments in ((), ("--limit", "nas"), ("--tags", "x")):
        done = place.site(*arguments, playbook=playbook)
        assert done.returncode == 2, done.stdout
        assert "the inventory has no host in the group tailsync (is tailsnyc meant?)" in done.stdout + done.stderr


def test_empty_group_is_not_suggested(place: Place) -> None:
    place.of_hosts = {}
    done = place.site()
    assert "the inventory has no host in the group tailsync: put" in done.stdout + done.stderr


@pytest.mark.parametrize("group", ["homelab", "tailsync"])
def test_tailsync_hosts_in_the_inventory_is_an_error(place: Place, group: str) -> None:
    """The plays after the check would select no hosts, or other ones."""
    place.group = group
    place.of_all = {"tailsync_hosts": "nas,pi"}
    done = place.site()
    assert done.returncode == 2, done.stdout
    assert "tailsync_hosts is set in the inventory" in done.stdout + done.stderr
    assert "-e tailsync_hosts=nas,pi" in done.stdout + done.stderr


def test_tailsync_hosts_on_the_command_line_overrules_the_inventory(place: Place) -> None:
    place.of_all = {"tailsync_hosts": "nas"}
    done = place.site("-e", "tailsync_hosts=pi", "--skip-tags", "verify")
    assert "tailsync_hosts" not in done.stdout + done.stderr
    assert "ok: [pi]" in done.stdout


def test_limit_that_leaves_no_host_is_accepted(place: Place) -> None:
    done = place.site("--limit", "other", "--skip-tags", "verify")
    assert (done.returncode, "ok: [other]" in done.stdout) == (0, True), done.stdout + done.stderr


@pytest.mark.parametrize("hosts", ["homelab", ["homelab"], ["nas", "homelab:!nas"]])
def test_limited_run_over_another_group_knows_all_members(place: Place, hosts: t.Any) -> None:
    place.group = "homelab"
    place.variables["syncthing_mesh_folders"] = FOLDERS
    check = {**CHECK, "homelab.tailsync.check_inputs": {"roles": ["syncthing_mesh", "verify"], "hosts": hosts}}
    done = place.play({"tasks": [check]}, arguments=("-e", json.dumps({"tailsync_hosts": hosts}), "--limit", "nas"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("hosts", ["nas:pi:vps", ["nas", "pi:vps"], "all:!other", ["all", "!other"]])
def test_tailsync_hosts_accepts_any_pattern_of_ansible(place: Place, hosts: t.Any) -> None:
    place.variables["syncthing_mesh_folders"] = FOLDERS
    check = {**CHECK, "homelab.tailsync.check_inputs": {"roles": ["syncthing_mesh"], "hosts": hosts}}
    done = place.play({"tasks": [check]}, arguments=("-e", json.dumps({"tailsync_hosts": hosts})))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("hosts", ["homelab", ["nas", "pi:vps"]])
def test_verify_has_the_same_members_as_syncthing_mesh(place: Place, hosts: t.Any) -> None:
    """Each role has only its own defaults, and --limit leaves one host."""
    place.group = "homelab"
    files = {name: str(CHECKOUT / "roles" / name / "defaults" / "main.yml") for name in ("syncthing_mesh", "verify")}
    tasks = [
        {"include_vars": {"file": files["syncthing_mesh"], "name": "mesh"}},
        {"set_fact": {"members": "{{ mesh.syncthing_mesh_hosts }}"}},
        {"include_vars": files["verify"]},
        {"assert": {"that": "verify_mesh_hosts == members and members == ['nas', 'pi', 'vps']"}},
    ]
    done = place.play({"tasks": tasks}, arguments=("-e", json.dumps({"tailsync_hosts": hosts}), "--limit", "nas"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_localhost_is_checked_without_an_inventory(place: Place) -> None:
    place.group = "homelab"
    done = place.play({"hosts": "localhost", "roles": [{"role": "homelab.tailsync.inputs", "inputs_roles": ["syncthing_mesh"]}]})
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_batch_of_a_serial_play_is_checked(place: Place) -> None:
    role = {"role": "homelab.tailsync.inputs", "inputs_roles": ["firewall", "syncthing_mesh"]}
    place.variables |= {"firewall_lan_ssh_from": ["{{ lan }}"], "syncthing_mesh_folders": FOLDERS}
    place.of_hosts["vps"]["firewall_ssh_port"] = 0
    done = place.play({"serial": 1, "pre_tasks": [{"set_fact": {"lan": "192.168.1.0/24"}}], "roles": [role]})
    assert (done.stdout.count("ok: [nas]"), done.stdout.count("ok: [pi]")) == (2, 2), done.stdout + done.stderr
    assert "fatal: [vps]" in done.stdout


@pytest.mark.parametrize("how", ["roles", "import_role", "include_role", "loop"])
def test_role_with_a_condition_checks_only_its_hosts(place: Place, how: str) -> None:
    place.of_hosts["pi"]["firewall_ssh_port"] = 0
    only: dict[str, t.Any] = {"when": "inventory_hostname in ['nas', 'vps']"}
    role = {"name": "homelab.tailsync.inputs"}
    plays: dict[str, dict[str, t.Any]] = {
        "roles": {"roles": [{"role": role["name"], "inputs_roles": ["firewall"], **only}]},
        "import_role": {"tasks": [{"import_role": role, "vars": {"inputs_roles": ["firewall"]}, **only}]},
        "include_role": {"tasks": [{"include_role": role, "vars": {"inputs_roles": ["firewall"]}, **only}]},
        "loop": {"tasks": [{"include_role": role, "vars": {"inputs_roles": ["{{ item }}"]}, "loop": ["firewall"], **only}]},
    }
    done = place.play(plays[how])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok: [nas]" in done.stdout
    place.of_hosts["vps"]["firewall_ssh_port"] = 0
    assert "firewall_ssh_port is 0: it must be from 1 to 65535 (on vps)" in place.play(plays[how]).stdout
    only["when"] = "inventory_hostname == 'vps'"
    for tasks in plays.values():
        next(iter(tasks.values()))[0].update(only)
    assert "firewall_ssh_port is 0: it must be from 1 to 65535" in place.play(plays[how]).stdout, "not only the play's first host"


@pytest.mark.parametrize(
    ("role", "where"),
    [
        ({"role": "homelab.tailsync.firewall", "firewall_ssh_port": 0}, {}),
        ({"role": "homelab.tailsync.firewall", "vars": {"firewall_ssh_port": 0}}, {}),
        ({"role": "homelab.tailsync.firewall"}, {"vars": {"firewall_ssh_port": 0}}),
    ],
    ids=["parameter", "role", "play"],
)
def test_role_used_alone_is_checked_with_its_own_variables(place: Place, role: dict[str, t.Any], where: dict[str, t.Any]) -> None:
    done = place.play({"roles": [role], **where})
    said = done.stdout + done.stderr
    assert done.returncode == 2
    assert "firewall_ssh_port is 0: it must be from 1 to 65535" in said
    assert "Validating arguments" not in said
    assert done.stdout.count("fatal:") == 1, "the problem is reported once for all hosts"


def test_one_tailscale_hostname_for_all_hosts_is_refused(place: Place) -> None:
    place.variables["tailscale_hostname"] = "nas"
    assert "tailscale_hostname is 'nas' for 3 hosts: each needs a name of its own" in place.site().stdout


def test_unresolvable_variable_is_reported_once(place: Place) -> None:
    place.variables |= {"tailscale_hostname": "{{ nobody }}", "syncthing_user": "{{ nobody }}", "syncthing_home": "{{ nobody"}
    said = place.site().stdout.partition("Origin:")[0]
    assert "3 problems with the variables" in said
    for name in ("tailscale_hostname", "syncthing_user", "syncthing_home"):
        assert f"\n{name} cannot be resolved: " in said


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        (
            {"syncthing_mesh_folders": {**FOLDERS, "photos": {"path": "{{ disk }}/photos", "devices": ["nas", "pi"]}}},
            "syncthing_mesh_folders.photos.path cannot be resolved: 'disk' is undefined (on pi)",
        ),
        (
            {
                "syncthing_mesh_folders": {"docs": {"path": "/srv/sync/docs", "devices": ["nas", "phone"]}},
                "syncthing_mesh_external_devices": {"phone": {"device_id": "{{ nobody }}"}},
            },
            "syncthing_mesh_external_devices.phone.device_id cannot be resolved: 'nobody' is undefined",
        ),
    ],
)
def test_part_that_cannot_be_resolved_is_not_said_to_be_missing(place: Place, variables: dict[str, t.Any], problem: str) -> None:
    place.variables |= variables
    place.of_hosts["nas"]["disk"] = place.of_hosts["vps"]["disk"] = "/srv/disk"
    assert f"Action failed: {problem}\n" in place.site().stdout


def test_misspelt_variable_with_a_default_is_refused(place: Place) -> None:
    place.variables["firewall_public_port"] = ["443/tcp"]
    done = place.play({"roles": ["homelab.tailsync.firewall"]})
    assert "firewall_public_port is no variable of this collection, and firewall_public_ports is not set" in done.stdout


def test_inputs_are_checked_once_in_each_run(place: Place) -> None:
    seen = {"tasks": [{**CHECK, "register": "__tailsync_inputs"}]}
    again = {"roles": [{"role": "homelab.tailsync.inputs", "inputs_roles": ["firewall"]}]}
    checked = {"vars": {"__tailsync_checked": "{{ __tailsync_inputs.checked | default([]) }}"}, **again}
    done = place.play(seen, checked, again)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok: [nas]") == 2, "once in the first play, and once in the last, which is another role's"
    assert "ok: [pi]" not in done.stdout, "one check for all hosts"
    seen["tasks"][0]["homelab.tailsync.check_inputs"] = {"roles": ["firewall"], "hosts": "nas,vps"}
    assert place.play(seen, checked).stdout.count("ok: [nas]") == 2, "pi was not checked"


def test_strategy_free_checks_each_host_by_itself(place: Place) -> None:
    place.of_hosts["pi"]["firewall_ssh_port"] = 0
    done = place.play({"tasks": [{"homelab.tailsync.check_inputs": {"roles": ["firewall"]}}], "strategy": "free"})
    assert done.returncode == 2
    assert "ok: [nas]" in done.stdout
    assert "fatal: [pi]" in done.stdout


@pytest.mark.parametrize(
    ("play", "roles", "fix"),
    [
        ({"strategy": "free"}, ["syncthing_mesh"], "strategy: linear"),
        ({"serial": 1}, ["syncthing_mesh", "firewall", "verify"], "without serial"),
    ],
)
def test_play_that_hides_hosts_from_each_other_is_refused(
    place: Place, play: dict[str, t.Any], roles: list[str], fix: str
) -> None:
    done = place.play({"roles": [{"role": "homelab.tailsync.inputs", "inputs_roles": roles}], **play})
    assert done.returncode == 2
    assert fix in done.stdout + done.stderr


@pytest.mark.parametrize(
    "value", ["!unsafe '{{ x }}'", "&a [*a]", "!!set {x, y}", "2024-01-01", "!!binary aGVsbG8=", "{? [a, b] : c}"]
)
def test_no_yaml_value_ends_in_a_traceback(place: Place, value: str) -> None:
    place.play({"tasks": []})
    (place.path / "group_vars").mkdir()
    text = "".join(f"{name}: {value}\n" for name in ("firewall_public_ports", "firewall_logging", "syncthing_mesh_folders"))
    (place.path / "group_vars" / "tailsync.yml").write_text(text, encoding="utf-8")
    done = place.play({"tasks": [CHECK]})
    assert done.returncode in (2, 4), done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "Unexpected" not in done.stdout + done.stderr
