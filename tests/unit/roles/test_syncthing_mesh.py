# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's tasks for several hosts, up to the arguments of syncthing_cluster, which is not called."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import sys
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import role
from device_ids import device_id
from playbook import ansible_playbook

pytestmark = pytest.mark.slow  # each test runs ansible-playbook

SUPPORT = pathlib.Path(__file__).resolve().parents[2] / "support"
NAMES = ("nas", "pi", "vps")
IDS = {name: device_id(number) for number, name in enumerate(NAMES)}
Variables = t.Mapping[str, t.Any]
NO_CHANGE: Variables = {"changed": False}


# Variables that earlier roles of the same run set.
FACTS = {
    "syncthing_device_id": "{{ ids[inventory_hostname] }}",
    "tailscale_dns_name": "{{ inventory_hostname }}.tail1234.ts.net",
    "tailscale_ipv4": "100.64.0.{{ 1 + groups['all'].index(inventory_hostname) }}",
}
# Skips the input checks, which have separate tests.
ROLE = {"name": "mesh", "ansible.builtin.include_role": {"name": "homelab.tailsync.syncthing_mesh", "tasks_from": "cluster"}}


@dataclasses.dataclass
class Run:
    code: int
    text: str
    calls: dict[str, Variables]

    def members(self, host: str, folder: str) -> list[str]:
        (found,) = [one for one in self.calls[host]["folders"] if one["id"] == folder]
        return sorted([*found["device_names"], *(member["name"] for member in found["devices"])])

    def devices(self, host: str) -> dict[str, Variables]:
        return {device["name"]: device for device in self.calls[host]["devices"]}


@dataclasses.dataclass
class Mesh:
    work: pathlib.Path

    def __call__(
        self,
        *options: str,
        hosts: t.Mapping[str, Variables] | None = None,
        role: Variables | None = None,
        result: Variables | None = None,
        made: bool = False,  # run the module itself
        play: Variables | None = None,  # more of the play
        **variables: t.Any,
    ) -> Run:
        own = hosts or {}
        inventory = {
            "tailsync": {
                "hosts": {name: own.get(name, {}) for name in NAMES},
                "vars": {
                    "ansible_connection": "local",
                    "ansible_python_interpreter": sys.executable,
                    "ids": IDS,
                    "syncthing_mesh_folders": {"documents": {"path": "/srv/sync/documents", "devices": list(NAMES)}},
                    **variables,
                },
            }
        }
        facts = {"name": "facts", "ansible.builtin.set_fact": FACTS}
        checked = {"__tailsync_checked": NAMES}  # skips the role's input check
        own_play = {"name": "play", "hosts": "tailsync", "gather_facts": False, "vars": checked, "tasks": [facts, role or ROLE]}
        own_play |= play or {}
        for name, content in (("hosts", inventory), ("play", [own_play]), ("result", result or NO_CHANGE)):
            (self.work / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        environment = {
            "ANSIBLE_CALLBACK_PLUGINS": str(SUPPORT / "callback"),
            **({} if made else {"ANSIBLE_CALLBACKS_ENABLED": "module_calls"}),
            "TAILSYNC_CALLS": str(self.work),
        }
        done = ansible_playbook("-i", "hosts.json", "play.json", *options, cwd=self.work, **environment)
        calls = {name: self.work / f"{name}.json" for name in NAMES}
        read = {name: json.loads(path.read_text(encoding="utf-8"))["arguments"] for name, path in calls.items() if path.exists()}
        return Run(done.returncode, done.stdout + done.stderr, read)


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Mesh:
    return Mesh(tmp_path)


def test_each_host_gets_the_addresses_of_its_peers(run: Mesh) -> None:
    own = {"vps": {"syncthing_mesh_addresses": ["tcp://{{ inventory_hostname }}.lan:22000"]}}
    done = run(
        hosts=own,
        result={"warnings": ["folder x at /x is left out: set allow_moves: true " + role("syncthing_mesh_allow_moves")]},
    )
    assert done.code == 0, done.text
    assert sorted(done.calls) == sorted(NAMES)
    assert done.devices("nas")["pi"] == {
        "name": "pi",
        "device_id": IDS["pi"],
        "addresses": ["tcp://pi.tail1234.ts.net:22000", "tcp://100.64.0.2:22000"],
        "allowed_networks": ["100.64.0.0/10", "fd7a:115c:a1e0::/48"],
    }
    assert done.devices("nas")["vps"]["addresses"] == ["tcp://vps.lan:22000"]
    assert done.members("vps", "documents") == ["nas", "pi"]
    assert done.calls["vps"]["options"]["listen_addresses"] == ["tcp://100.64.0.3:22000"]
    assert done.text.count("Collect device IDs") == 1
    text = " ".join(done.text.split())
    assert all(f"{name}: folder x at /x is left out: set syncthing_mesh_allow_moves: true" in text for name in NAMES), text


def test_later_batches_complete_the_hosts_of_earlier_ones(run: Mesh) -> None:
    """With the variables of those hosts: the path is nas's own, also where a template of the inventory says so."""
    folders = {"documents": {"path": "{{ base }}/documents", "devices": list(NAMES)}}
    own: dict[str, Variables] = {name: {"base": f"/srv/{name}"} for name in NAMES}
    done = run(hosts=own, play={"serial": 1}, syncthing_mesh_folders=folders)
    assert done.code == 0, done.text
    for name in NAMES:
        others = sorted(set(NAMES) - {name})
        assert done.members(name, "documents") == others
        assert {other: done.devices(name)[other]["device_id"] for other in others} == {other: IDS[other] for other in others}
        assert done.calls[name]["folders"][0]["path"] == f"/srv/{name}/documents"
        address = f"tcp://100.64.0.{1 + NAMES.index(name)}:22000"
        assert done.calls[name]["options"]["listen_addresses"] == [address]


def test_without_serial_no_host_is_configured_twice(run: Mesh) -> None:
    done = run()
    assert done.code == 0, done.text
    assert not any("->" in line for line in done.text.splitlines()), done.text


def test_limit_removes_no_member(run: Mesh) -> None:
    failed = {
        "failed": True,
        "msg": "gui.address is taken: set replace_devices: true for one run " + role("syncthing_mesh_replace_devices"),
    }
    done = run("--limit", "nas", result=failed)
    assert list(done.calls) == ["nas"], done.text
    assert done.members("nas", "documents") == ["pi", "vps"]
    assert done.devices("nas")["pi"] == {"name": "pi", "allowed_networks": ["100.64.0.0/10", "fd7a:115c:a1e0::/48"]}
    assert done.code == 2
    assert "syncthing_mesh_gui.address is taken: set syncthing_mesh_replace_devices: true for one run" in done.text


def test_two_meshes_in_one_run_with_given_addresses(run: Mesh) -> None:
    mine = {"syncthing_mesh_folders": {"a": {"path": "/a", "devices": ["nas", "pi"]}}}
    other = {"syncthing_mesh_folders": {"b": {"path": "/b", "devices": ["vps", "phone"]}}, "syncthing_mesh_hosts": ["vps"]}
    called = {**ROLE, "vars": {"syncthing_mesh_addresses": ["tcp://{{ inventory_hostname }}.role:22000"]}}
    phone = {"phone": {"device_id": device_id(9)}}
    done = run(hosts={"nas": mine, "pi": mine, "vps": other}, role=called, syncthing_mesh_external_devices=phone)
    assert done.code == 0, done.text
    assert {name: list(done.devices(name)) for name in NAMES} == {"nas": ["pi"], "pi": ["nas"], "vps": ["phone"]}
    assert done.devices("nas")["pi"]["addresses"] == ["tcp://pi.role:22000"], done.text
    assert done.devices("pi")["nas"]["addresses"] == ["tcp://nas.role:22000"]


def test_missing_listen_address_fails_a_run_but_not_check_mode(run: Mesh) -> None:
    no_address = ("-e", json.dumps({"tailscale_ipv4": ""}))
    done = run(*no_address)
    assert (done.code, done.calls) == (2, {}), done.text
    assert "no tailnet address" in done.text
    done = run("--check", *no_address)
    assert done.code == 0, done.text
    assert "A real run joins the tailnet first" in " ".join(done.text.split())
    assert "listen_addresses" not in done.calls["nas"]["options"]


REFUSED = {"changed": True, "refused": [{"id": "photos", "path": "/x", "reason": "its path is /y, and is to be /x"}]}
AWAY = {"changed": True, "left_out": [{"id": "photos", "path": "/x", "kind": "away", "reason": "the disk is not mounted"}]}
IN_SITE = ("-e", json.dumps({"__tailsync_parts": ["syncthing_mesh"]}))


@pytest.mark.parametrize(
    "arguments",
    [(), ("--check",), (*IN_SITE, "--skip-tags", "always")],
    ids=["role alone", "check mode of the role alone", "site.yml without its report"],
)
def test_refused_folder_is_an_error_with_the_reason(run: Mesh, arguments: tuple[str, ...]) -> None:
    done = run(*arguments, result=REFUSED)
    assert done.code == 2, done.text
    assert sorted(done.calls) == sorted(NAMES), "all else is set up on each host"
    text = " ".join(done.text.split())
    assert "all else is configured, but not what was refused: folder photos: its path is /y, and is to be /x" in text


@pytest.mark.parametrize("arguments", [(), ("--check",), ("--skip-tags", "verify")])
def test_refused_folder_is_left_to_the_report_of_site_yml(run: Mesh, arguments: tuple[str, ...]) -> None:
    assert run(*IN_SITE, *arguments, result=REFUSED).code == 0


@pytest.mark.parametrize("arguments", [(), ("--check",), IN_SITE])
def test_folder_that_waits_for_its_disk_is_no_error(run: Mesh, arguments: tuple[str, ...]) -> None:
    assert run(*arguments, result=AWAY).code == 0


def test_invalid_address_is_refused_with_the_name_of_its_host(run: Mesh) -> None:
    done = run(hosts={"pi": {"syncthing_mesh_addresses": ["tcp://{{ nothing | default('') }}:1"]}})
    assert (done.code, done.calls) == (2, {})
    assert "the address of pi has 'tcp://:1'" in " ".join(done.text.split()), done.text


def test_warnings_and_errors_of_the_module_are_shown(run: Mesh, tmp_path: pathlib.Path) -> None:
    """On a machine without Syncthing check mode predicts the changes."""
    real = {"ansible_become": False, "syncthing_mesh_home": str(tmp_path / "home"), "syncthing_mesh_user": None}
    folder = {"path": "/mnt/none/photos", "devices": list(NAMES), "requires_mount": "/mnt/none"}
    done = run("--check", "--limit", "nas", "-e", json.dumps(real), made=True, syncthing_mesh_folders={"photos": folder})
    text = " ".join(done.text.split())
    assert done.code == 0, text
    assert "[WARNING]: nas: folder photos at /mnt/none/photos is left out: nothing is mounted at /mnt/none" in text
    done = run("--check", "--limit", "nas", "-e", json.dumps({**real, "syncthing_mesh_gui": {"password": ""}}), made=True)
    assert done.code == 2
    assert "syncthing_mesh_gui: password is empty" in done.text
    assert " gui: " not in done.text, done.text


def test_role_works_if_a_condition_excludes_the_first_host(run: Mesh) -> None:
    """For a task with run_once, Ansible evaluates the condition for the first host only, and may skip it for all hosts."""
    called = {
        "name": "mesh",
        "ansible.builtin.import_role": {"name": "homelab.tailsync.syncthing_mesh"},
        "when": "inventory_hostname != 'nas'",
    }
    done = run(role=called, syncthing_mesh_folders={"documents": {"path": "/srv/sync/documents", "devices": ["pi", "vps"]}})
    assert done.code == 0, done.text
    assert sorted(done.calls) == ["pi", "vps"]
    assert done.devices("pi")["vps"]["device_id"] == IDS["vps"]
    assert done.devices("pi")["vps"]["addresses"] == ["tcp://vps.tail1234.ts.net:22000", "tcp://100.64.0.3:22000"]
