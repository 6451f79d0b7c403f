# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of the role syncthing that are refused before any host is touched, and those that are accepted."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import (
    gui_address,
    syncthing_addresses,
    text_lines,
    validate,
    validate_syncthing,
)

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
LOGIN = {"user": "me", "password": "long enough"}


def problems(variables: t.Mapping[str, t.Any]) -> list[str]:
    return validate.problems({"nas": variables}, ["syncthing"])


def inputs(**changes: t.Any) -> dict[str, t.Any]:
    defaults: dict[str, t.Any] = {
        "syncthing_user": "syncthing",
        "syncthing_home": "/var/lib/syncthing",
        "syncthing_listen_addresses": [],
        "syncthing_gui_address": "/run/syncthing/gui.sock",
        "syncthing_gui_group": "",
        "syncthing_mesh_gui": {},
        "syncthing_certificate": "",
        "syncthing_private_key": "",
        "syncthing_api_key": "",
        "syncthing_repository_url": "https://apt.syncthing.net",
        "syncthing_repository_key_url": "https://syncthing.net/release-key.gpg",
        "syncthing_repository_channel": "stable-v2",
        "tailsync_accept": [],
    }
    return {**defaults, **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"syncthing_user": "me"},
        {"syncthing_user": "First.Last"},
        {"syncthing_user": "me@home.example"},
        {"syncthing_user": "HOME\\me"},
        {"syncthing_user": "machine$"},
        {"syncthing_user": "me", "syncthing_home": "/home/me/.local/state/syncthing"},
        {"syncthing_home": "/home/syncthing"},  # may be the home of Syncthing's own account, which the host's facts show
        {"syncthing_home": "/mnt/ssd/sync thing"},
        {"syncthing_home": "/srv/100%/syncthing"},
        {"syncthing_home": "/srv/Bücher/syncthing/"},
        {"syncthing_home": "/opt/syncthing"},
        {"syncthing_listen_addresses": ["tcp://100.64.0.7:22000"]},
        {"syncthing_listen_addresses": ["tcp://192.168.1.5:22000", "tcp://[fd7a:115c:a1e0::7]:22000", "tcp://nas.home:22001"]},
        {"syncthing_listen_addresses": ["tcp4://100.64.0.7:22000", "tcp://100.64.0.7"]},
        {"syncthing_gui_address": "/run/syncthing-me/gui.sock"},
        {"syncthing_gui_address": "/var/run/syncthing/gui.sock"},
        {"syncthing_gui_address": "/var/lib/syncthing/gui.sock"},
        {"syncthing_gui_group": "sudo"},
        {"syncthing_gui_address": "127.0.0.1:8384", "syncthing_mesh_gui": LOGIN},
        {"syncthing_gui_address": "localhost:8384", "syncthing_mesh_gui": {**LOGIN, "tls": True}},
        {"syncthing_gui_address": "[::1]:8384", "tailsync_accept": ["gui_without_password"]},
        {"syncthing_gui_address": "127.0.0.1:8384", "syncthing_mesh_gui": {"settings": {"authMode": "ldap"}}},
        {"syncthing_mesh_gui": {"theme": "dark", "tls": False}},
        {"syncthing_certificate": CERTIFICATE, "syncthing_private_key": "key"},
        {"syncthing_api_key": "a key with blanks & markup"},
        {"syncthing_repository_url": "http://172.31.77.3/syncthing"},
        {"syncthing_repository_url": "http://[fd00::1]:8080/syncthing", "syncthing_repository_channel": "stable"},
        {"syncthing_repository_url": "file:/srv/mirror"},
    ],
)
def test_usual_values_of_the_role_syncthing_are_accepted(changes: dict[str, t.Any]) -> None:
    assert problems(inputs(**changes)) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"syncthing_user": "root"}, ["syncthing_user is root"]),
        ({"syncthing_user": "nobody"}, ["syncthing_user is nobody"]),
        ({"syncthing_user": "me "}, ["syncthing_user is 'me '", "blanks"]),
        ({"syncthing_user": "1000"}, ["syncthing_user is '1000'", "user ID"]),
        ({"syncthing_user": 1000}, ["syncthing_user is 1000", "quotation marks"]),
        ({"syncthing_user": ""}, ["syncthing_user is empty"]),
        ({"syncthing_user": "me\nUser=root"}, ["syncthing_user", "control characters"]),
        ({"syncthing_user": "../etc"}, ["syncthing_user"]),
        ({"syncthing_home": "var/lib/syncthing"}, ["syncthing_home", "absolute"]),
        ({"syncthing_home": "/var/lib/syncthing\nExecStartPre=/bin/true"}, ["syncthing_home", "control characters"]),
        ({"syncthing_home": "$HOME/syncthing"}, ["syncthing_home"]),
        ({"syncthing_home": "/srv/$USER/syncthing"}, ["syncthing_home", "$"]),
        ({"syncthing_home": "/root"}, ["syncthing_home", "/var/lib/syncthing"]),
        ({"syncthing_home": "/var/lib"}, ["syncthing_home"]),
        ({"syncthing_home": "/"}, ["syncthing_home"]),
        ({"syncthing_home": "/etc/syncthing"}, ["syncthing_home"]),
        ({"syncthing_listen_addresses": ["default"]}, ["syncthing_listen_addresses has 'default'"]),
        ({"syncthing_listen_addresses": "tcp://100.64.0.7:22000"}, ["syncthing_listen_addresses", "list"]),
        ({"syncthing_gui_address": "0.0.0.0:8384"}, ["syncthing_gui_address", "loopback"]),
        ({"syncthing_gui_address": "100.64.0.7:8384", "syncthing_mesh_gui": LOGIN}, ["syncthing_gui_address", "loopback"]),
        ({"syncthing_gui_address": ":8384"}, ["syncthing_gui_address"]),
        ({"syncthing_gui_address": "unix:///run/syncthing/gui.sock"}, ["syncthing_gui_address", "unix socket"]),
        (
            {"syncthing_gui_address": "127.0.0.1:8384"},
            ["syncthing_gui_address", "/run/syncthing/gui.sock", "gui_without_password"],
        ),
        (
            {"syncthing_gui_address": "127.0.0.1:8384", "syncthing_mesh_gui": {"user": "me"}},
            ["syncthing_gui_address", "password"],
        ),
        ({"syncthing_gui_address": "127.0.0.1:8384", "syncthing_mesh_gui": {"user": "me", "password": " "}}, ["password"]),
        ({"syncthing_mesh_gui": {"tls": True}}, ["syncthing_mesh_gui.tls", "unix socket"]),
        ({"syncthing_mesh_gui": {"tls": "yes"}}, ["syncthing_mesh_gui.tls"]),
        ({"syncthing_mesh_gui": {"settings": {"useTLS": True}}}, ["syncthing_mesh_gui.tls"]),
        (
            {"syncthing_mesh_gui": {"address": "0.0.0.0:8384"}},
            ["syncthing_mesh_gui has the key address", "syncthing_gui_address"],
        ),
        ({"syncthing_gui_address": "/tmp/gui.sock"}, ["syncthing_gui_address", "others cannot enter"]),
        ({"syncthing_gui_address": "/run/gui.sock"}, ["syncthing_gui_address"]),
        ({"syncthing_gui_address": "/run/systemd/gui.sock"}, ["syncthing_gui_address"]),
        ({"syncthing_gui_address": "/run/syncthing/../systemd/gui.sock"}, ["syncthing_gui_address"]),
        ({"syncthing_gui_address": "/run/syncthing/</address>.sock\n"}, ["syncthing_gui_address"]),
        ({"syncthing_gui_address": f"/run/syncthing/{'x' * 100}.sock"}, ["syncthing_gui_address", "107"]),
        ({"syncthing_gui_address": "/var/lib/syncthing/gui.sock", "syncthing_gui_group": "sudo"}, ["syncthing_gui_group"]),
        ({"syncthing_gui_group": "a group"}, ["syncthing_gui_group"]),
        ({"syncthing_gui_group": 27}, ["syncthing_gui_group", "quotation marks"]),
        ({"syncthing_certificate": CERTIFICATE}, ["syncthing_private_key"]),
        ({"syncthing_certificate": "/root/cert.pem", "syncthing_private_key": "key"}, ["syncthing_certificate", "paths"]),
        ({"syncthing_api_key": " "}, ["syncthing_api_key"]),
        ({"syncthing_api_key": 1234}, ["syncthing_api_key", "quotation marks"]),
        ({"syncthing_repository_url": "https://a\ndeb http://evil"}, ["syncthing_repository_url"]),
        ({"syncthing_repository_url": "https://a b"}, ["syncthing_repository_url", "blanks"]),
        ({"syncthing_repository_key_url": "https://a#b"}, ["syncthing_repository_key_url"]),
        ({"syncthing_repository_channel": "stable main\n"}, ["syncthing_repository_channel"]),
        ({"syncthing_repository_channel": "candidate"}, ["candidate", "report usage"]),
    ],
)
def test_mistake_in_the_role_syncthing_is_named_with_the_fix(changes: dict[str, t.Any], words: list[str]) -> None:
    messages = "\n".join(problems(inputs(**changes)))
    assert messages
    assert all(word in messages for word in words), messages


def test_messages_contain_no_secret() -> None:
    found = problems(
        inputs(syncthing_api_key=987654, syncthing_gui_address="10.0.0.1:80", syncthing_mesh_gui={"password": "s3cret"})
    )
    assert "987654" not in str(found)
    assert "s3cret" not in str(found)


@pytest.mark.parametrize(
    "address",
    [
        "default",
        "dynamic",
        "tcp://:22000",
        "tcp://",
        "tcp://0.0.0.0:22000",
        "tcp://0:22000",
        "tcp://0.0:22000",
        "tcp://*:22000",
        "tcp://[::]:22000",
        "tcp://[::0]:22000",
        "tcp://[0:0:0:0:0:0:0:0]:22000",
        "tcp://[::ffff:0.0.0.0]:22000",
        "tcp://[::%25eth0]:22000",
        "tcp://user@:22000",
        "tcp://user@0.0.0.0:22000",
        "tcp4://0.0.0.0:22000",
        "TCP://:22000",
        "quic://",
        "quic://100.64.0.7:22000",
        "relay://relay.example:443",
        "dynamic+https://relays.syncthing.net/endpoint",
        "100.64.0.7:22000",
        "tcp://100.64.0.7:port",
        "tcp://100.64.0.7:22000\n",
        "tcp://a</listenAddress>:22000",
        "tcp:// :22000",
        "",
        None,
        22000,
    ],
)
def test_listen_address_for_all_interfaces_is_refused(address: t.Any) -> None:
    assert len(syncthing_addresses.listen_problems("x", [address])) == 1


@pytest.mark.parametrize(
    ("addresses", "node", "words"),
    [
        (["tcp://100.64.0.7:22000"], "", None),
        (["tcp://100.64.0.7:22000"], "100.64.0.7", None),
        ([], "", "no tailnet address"),
        ([], "100.64.0.7", "syncthing_listen_addresses is empty"),
        (["tcp://:22000"], "100.64.0.7", "no host"),
    ],
)
def test_host_without_a_listen_address_is_refused(addresses: list[str], node: str, words: str | None) -> None:
    found = validate_syncthing.address_problems(addresses, node)
    assert found == [] if words is None else words in str(found)


@pytest.mark.parametrize(
    ("addresses", "problems"),
    [
        (["tcp://nas.tailnet.test:22000", "tcp://100.64.0.7:22000", "dynamic", "quic://[fd00::1]:22000"], 0),
        (None, 0),
        (["tcp://:22000"], 1),
        (["tcp://"], 1),
        (["tcp://nas:22000\n"], 1),
        (["tcp://\\1:22000"], 1),
        (["nas:22000"], 1),
        (["relay://relay.example:443/?id=X", "tcp://nas"], 0),
        ("tcp://nas:22000", 1),
    ],
)
def test_address_to_dial_needs_a_host(addresses: t.Any, problems: int) -> None:
    assert len(syncthing_addresses.dial_problems("x", addresses)) == problems


def test_tcp_addresses_are_computed_for_known_hosts() -> None:
    assert syncthing_addresses.tcp_addresses(["nas.tailnet.test", "", None, "100.64.0.7", "fd7a:115c:a1e0::7"], 22001) == [
        "tcp://nas.tailnet.test:22001",
        "tcp://100.64.0.7:22001",
        "tcp://[fd7a:115c:a1e0::7]:22001",
    ]
    assert syncthing_addresses.tcp_addresses([""]) == []


def test_only_ip_addresses_are_waited_for() -> None:
    addresses = ["tcp://100.64.0.7:22000", "tcp://[fd7a:115c:a1e0::7]:22000", "tcp://nas:22000", "tcp://[fe80::1%25eth0]:22000"]
    assert syncthing_addresses.interface_addresses(addresses) == ["100.64.0.7", "fd7a:115c:a1e0::7", "fe80::1"]


@pytest.mark.parametrize(
    ("gui", "address", "group", "expected"),
    [
        ({}, "", "", {}),
        ({"theme": "dark"}, "", "", {"theme": "dark"}),
        (
            {},
            "/run/syncthing/gui.sock",
            "",
            {"address": "/run/syncthing/gui.sock", "unix_socket_permissions": "0600", "tls": False},
        ),
        (
            {"theme": "dark"},
            "/run/syncthing/gui.sock",
            "sudo",
            {"address": "/run/syncthing/gui.sock", "unix_socket_permissions": "0660", "tls": False, "theme": "dark"},
        ),
        (LOGIN, "127.0.0.1:8384", "", {"address": "127.0.0.1:8384", **LOGIN}),
    ],
)
def test_mesh_sets_address_and_permissions_of_the_socket_together(
    gui: dict[str, t.Any], address: str, group: str, expected: dict[str, t.Any]
) -> None:
    assert gui_address.wanted(gui, address, group) == expected


def test_socket_without_its_directory_is_not_declared() -> None:
    assert gui_address.wanted({"theme": "dark"}, "/run/syncthing/gui.sock", ready=False) == {"theme": "dark"}
    assert gui_address.wanted({}, "/var/lib/syncthing/gui.sock", ready=False)["address"] == "/var/lib/syncthing/gui.sock"
    assert gui_address.wanted(LOGIN, "127.0.0.1:8384", ready=False)["address"] == "127.0.0.1:8384"


@pytest.mark.parametrize(
    ("address", "accept", "expected", "directory"),
    [
        ("/run/syncthing/gui.sock", [], "/run/syncthing/gui.sock", "/run/syncthing"),
        ("/var/lib/syncthing/gui.sock", [], "/var/lib/syncthing/gui.sock", ""),
        ("127.0.0.1:8384", [], "/run/syncthing/gui.sock", "/run/syncthing"),
        ("127.0.0.1:8384", ["gui_without_password"], "127.0.0.1:8384", ""),
    ],
)
def test_first_start_opens_no_port_without_a_password(address: str, accept: list[str], expected: str, directory: str) -> None:
    assert gui_address.initial_address(address, accept) == expected
    assert gui_address.directory_of(expected) == directory


@pytest.mark.parametrize(
    "home", ["/var/lib/syncthing", "/mnt/sync thing", "/srv/100%/x", '/srv/"quoted"', "/srv/back\\slash", "/srv/a'b"]
)
def test_path_is_one_argument_in_a_systemd_unit(home: str) -> None:
    """Compared with systemd's own parser."""
    line = f"ExecStart=/bin/true {text_lines.systemd_argument('--home=' + home)}\n"
    unit = f"[Service]\nType=oneshot\n{line}"
    assert systemd_words(unit) == ["/bin/true", f"--home={home}"]


def systemd_words(unit: str) -> list[str]:
    """A separate parser, after systemd.service(5), "Command lines"."""
    text = unit.split("ExecStart=", 1)[1].strip()
    words: list[str] = []
    current, quoted, index = "", False, 0
    while index < len(text):
        one, pair = text[index], text[index : index + 2]
        if one == "\\":
            current, index = current + text[index + 1], index + 1
        elif pair in ("%%", "$$"):
            current, index = current + one, index + 1
        elif one == '"':
            quoted = not quoted
        elif one == " " and not quoted:
            words, current = [*words, current], ""
        else:
            current += one
        index += 1
    return [*words, current]
