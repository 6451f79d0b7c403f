# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How all topics of host_info run commands."""

from __future__ import annotations

import typing as t

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.testing import patch_module_args
from ansible_collections.homelab.tailsync.plugins.module_utils._host import _spec, apt, packages, system, topics
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import LocalAPI
from tailscale_double import Daemon


def test_output_that_is_not_utf_8_can_be_returned() -> None:
    """For example an iptables comment in Latin-1: Ansible refuses a result with surrogate escapes."""
    with patch_module_args({}):
        module = AnsibleModule({})
    code, output, _error = topics.runner(module)(["printf", r"--comment caf\351"])
    assert (code, output.encode()) == (0, b"--comment caf\xef\xbf\xbd")


def test_missing_program_is_no_failure() -> None:
    """Otherwise no facts could be gathered of a host without systemctl, such as one with OpenRC."""
    with patch_module_args({}):
        module = AnsibleModule({})
    code, output, error = topics.runner(module)(["no-such-program", "show"])
    assert (code, output) == (127, "")
    assert "No such file" in error


class Module:
    """What the topics need of an AnsibleModule; it records the commands."""

    check_mode = False

    def __init__(self, params: dict[str, t.Any]) -> None:
        self.params = ArgumentSpecValidator(_spec.HOST).validate(params).validated_parameters
        self.ran: list[str] = []

    def run_command(self, command: list[str], **_options: t.Any) -> tuple[int, str, str]:
        self.ran.append(" ".join(command))
        return 0, "", ""


def commands(monkeypatch: pytest.MonkeyPatch, params: dict[str, t.Any], installed: t.Collection[str]) -> list[str]:
    monkeypatch.setattr(system, "gather", lambda _module: {"pkg_mgr": "apt"})
    monkeypatch.setattr(packages, "gather", lambda *_arguments: {name: {} for name in installed})
    monkeypatch.setattr(apt, "_may_contradict", lambda _found: False)
    module = Module(params)
    topics.gather(module)
    return module.ran


def test_node_that_is_as_declared_costs_two_reads_of_tailscaled_and_no_write(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon, asked = Daemon(), []

    def answer(_api: LocalAPI, method: str, path: str, *_given: t.Any, **_options: t.Any) -> t.Any:
        asked.append(f"{method} {path}")
        return daemon.prefs() if path == "prefs" else daemon.status()

    monkeypatch.setattr(LocalAPI, "_request", answer)
    monkeypatch.setattr(system, "gather", lambda _module: {"pkg_mgr": "none"})
    found = topics.gather(Module({"tailscale_node": {"hostname": "nas", "tags": ["tag:server"]}}))
    assert found["as_declared"]["tailscale_node"]["backend_state"] == "Running"
    assert found["tailscaled"]["node"]["status"]["BackendState"] == "Running"
    assert asked == ["GET status?peers=false", "GET prefs"]


@pytest.mark.parametrize(
    ("params", "installed", "asked"),
    [
        ({}, ["tailscale"], ["env LC_ALL=C apt-cache policy syncthing", "apt-get indextargets"]),
        ({}, ["tailscale", "ufw", "syncthing", "python3-requests"], []),
        ({"packages": ["tailscale", "ufw"]}, ["tailscale", "ufw"], []),  # a host without Syncthing
        ({"packages": ["ufw", "syncthing"]}, ["syncthing"], ["apt-get indextargets"]),
        ({"packages": []}, [], []),
    ],
)
def test_apt_is_asked_only_if_a_package_is_to_be_installed(
    monkeypatch: pytest.MonkeyPatch, params: dict[str, t.Any], installed: list[str], asked: list[str]
) -> None:
    assert [command for command in commands(monkeypatch, params, installed) if "apt" in command.replace("iptables", "")] == asked


def test_no_command_runs_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a small board each start of iptables takes a while."""
    ran = commands(monkeypatch, {}, [])
    assert sorted(set(ran)) == sorted(ran)
    assert sum("iptables -w" in command and "-S" in command for command in ran) <= 6  # two tables, legacy and nft
