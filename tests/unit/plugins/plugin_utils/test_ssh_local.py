# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import ssh_fragment, ssh_local
from ansible_collections.homelab.tailsync.plugins.plugin_utils.ssh_access import Answer, Node

NODES = (Node("nas", ("100.64.0.7",)),)
LAN = Answer("192.168.1.50", "192.168.1.10", port=22)
SAMBA = {"from": "192.168.1.0/24", "port": "445", "proto": "tcp"}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["ssh", "-C"], None),
        (["ssh", "-F", "/a"], "/a"),
        (["ssh", "-F/a", "-C"], "/a"),
        (["ssh", "-F", "/a", "-F", "none"], "none"),  # ssh uses the last
    ],
)
def test_configuration_that_a_command_names(command: list[str], expected: str | None) -> None:
    assert ssh_local.configuration_file(command) == expected


def rest(given: str | None, folder: pathlib.Path) -> str | None:
    found = ssh_local.without_fragment(given, folder)
    return found.read_bytes().decode() if found else None


def test_configuration_without_our_file_keeps_that_of_the_system(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_local, "home", lambda: str(tmp_path))
    config = tmp_path / ".ssh" / "config"
    assert rest(None, tmp_path) is None
    config.parent.mkdir()
    (config.parent / "tailsync.conf").write_text("Host nas\n  HostName 100.64.0.7\n", encoding="ascii")
    config.write_text("Host nas\n  User bob\n", encoding="ascii")
    assert rest(None, tmp_path) is None  # nothing to leave out
    config.write_text("Include ~/.ssh/tailsync.conf\nHost nas\r\n  User bob\r\n", encoding="ascii")
    assert rest(None, tmp_path) == "Host nas\r\n  User bob\r\n\nMatch all\nInclude /etc/ssh/ssh_config\n"
    assert rest(str(config), tmp_path) == "Host nas\r\n  User bob\r\n"


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("Include tailsync.conf", []),
        ("include=tailsync.conf # of the collection", []),
        ('Include "~/.ssh/tailsync.conf" other.conf', ["other.conf"]),
        ("Include *.conf", ["other.conf"]),
        ("  Include ~/.ssh/conf.d/*", ["<Host z>"]),  # whose own file includes ours
        ("Include round.conf tailsync.conf", ["<Include>"]),  # a file that includes itself
    ],
)
def test_our_file_is_left_out_however_it_is_included(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, line: str, left: list[str]
) -> None:
    monkeypatch.setattr(ssh_local, "home", lambda: str(tmp_path))
    ssh = tmp_path / ".ssh"
    (ssh / "conf.d").mkdir(parents=True)
    (ssh / "tailsync.conf").write_text("Host nas\n  HostName 100.64.0.7\n", encoding="ascii")
    (ssh / "other.conf").write_text("User bob\n", encoding="ascii")
    (ssh / "conf.d" / "z").write_text("Include ~/.ssh/tailsync.conf\nHost z\n", encoding="ascii")
    (ssh / "config").write_text(f"{line}\nHost nas\n", encoding="ascii")
    if "round" in line:
        (ssh / "round.conf").write_text("Include round.conf\nHost round\n", encoding="ascii")
        left = [f"{ssh}/round.conf"]
    (tmp_path / "copies").mkdir()
    text = rest(str(ssh / "config"), tmp_path / "copies")
    assert text is not None
    *includes, last = text.splitlines()
    assert last == "Host nas"
    assert len(includes) == len(left)
    for include, wanted in zip(includes, left, strict=True):
        path = pathlib.Path(ssh_fragment.included(include)[0])
        if wanted.startswith("<"):
            assert path.read_text(encoding="ascii") == "Host z\n"
        else:
            assert path == ssh / wanted
    settings = subprocess.run(
        ["ssh", "-F", str(tmp_path / "copies" / "config-1"), "-G", "nas"], capture_output=True, text=True, check=False
    )
    assert "100.64.0.7" not in settings.stdout


def process(proc: pathlib.Path, number: int, parent: int, **variables: str) -> None:
    (proc / str(number)).mkdir()
    text = "\0".join(f"{name}={value}" for name, value in variables.items())
    (proc / str(number) / "environ").write_bytes(text.encode())
    (proc / str(number) / "stat").write_text(f"{number} (a ) b) S {parent} 1 1", encoding="ascii")


@pytest.mark.parametrize(
    ("shell", "expected"),
    [
        ({"SSH_CONNECTION": "192.168.1.50 4000 192.168.1.10 2222"}, Answer("192.168.1.50", "192.168.1.10", port=2222)),
        ({"HOME": "/root"}, None),
        ({"SSH_CONNECTION": "nonsense"}, None),
    ],
)
def test_session_is_found_behind_sudo(tmp_path: pathlib.Path, shell: dict[str, str], expected: Answer | None) -> None:
    process(tmp_path, 1, 0)
    process(tmp_path, 10, 1, **shell)
    process(tmp_path, 11, 10, PATH="/bin")
    assert ssh_local.session(11, tmp_path) == expected


@pytest.mark.parametrize(
    ("login", "firewall", "refused"),
    [
        (LAN, {"firewall_public_ports": []}, True),
        (LAN, {"firewall_lan_ssh_from": ["10.0.0.0/8"]}, True),
        (LAN, {"firewall_extra_rules": [SAMBA]}, True),
        (LAN._replace(port=2222), {"firewall_public_ports": ["22/tcp"]}, True),
        # ordinary ways to work on such a machine
        (None, {"firewall_public_ports": []}, False),  # at its own keyboard
        (LAN, {"firewall_lan_ssh_from": ["192.168.1.0/24"]}, False),
        (LAN, {"firewall_public_ports": ["22/tcp"]}, False),
        (LAN, {"firewall_purge": False}, False),  # its other rules stay in force
        (LAN._replace(port=2222), {"firewall_ssh_port": 2222, "firewall_lan_ssh_from": ["192.168.1.0/24"]}, False),
        (Answer("100.64.0.1", "100.64.0.7", port=22), {"firewall_public_ports": []}, False),
        (Answer("127.0.0.1", "127.0.0.1", port=22), {"firewall_public_ports": []}, False),
        (Answer("::1", "::1", port=22), {"firewall_public_ports": []}, False),
        (LAN, {}, False),  # the firewall is not to change
    ],
)
def test_administrator_is_not_locked_out_of_the_controller(
    login: Answer | None, firewall: dict[str, t.Any], refused: bool
) -> None:
    found = ssh_local.lock_out(login, NODES, firewall)
    assert bool(found) is refused
    assert not found or ("192.168.1.50" in found and "firewall_lan_ssh_from" in found)


def test_only_one_host_can_be_the_controller() -> None:
    assert ssh_local.shared("nas", []) is None
    assert "so is pi" in (ssh_local.shared("nas", ["pi"]) or "")


def test_first_search_does_not_know_the_port_of_ssh_yet() -> None:
    login, covered = LAN._replace(port=2222), {"firewall_lan_ssh_from": ["192.168.1.0/24"]}
    assert ssh_local.lock_out(login, NODES, covered)
    assert ssh_local.lock_out(login, NODES, covered, any_port=True) is None
    assert ssh_local.lock_out(login, NODES, {"firewall_lan_ssh_from": ["10.0.0.0/8"]}, any_port=True)


def test_own_addresses_of_the_machine_are_recognised() -> None:
    assert ssh_local.is_own("127.0.0.1")
    assert not ssh_local.is_own("203.0.113.5")
    assert not ssh_local.is_own("nonsense")
