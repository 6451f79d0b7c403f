# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shlex

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils import _tailnet, _way_in


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100.64.0.1", True),
        ("100.127.255.254", True),
        ("fd7a:115c:a1e0::5", True),
        ("100.128.0.1", False),
        ("192.168.1.10", False),
        ("fd00::1", False),
        ("fe80::1%eth0", False),
        ("nas", False),
        ("", False),
    ],
)
def test_tailnet_addresses(text: str, expected: bool) -> None:
    assert _tailnet.is_tailnet_address(text) is expected


def test_destination_is_what_ssh_says_it_is() -> None:
    text = "host nas\nhostname 192.168.1.10\nport 22\nuser root\n"
    assert _way_in.parse_ssh_settings(text, "nas") == ("nas", "192.168.1.10", "192.168.1.10")


def test_a_host_on_another_port_is_known_by_name_and_port() -> None:
    text = "hostname 192.168.1.10\nport 2222\n"
    assert _way_in.parse_ssh_settings(text, "nas").host_key_name == "[192.168.1.10]:2222"


def test_an_alias_of_the_users_own_stays() -> None:
    text = "hostname 192.168.1.10\nport 2222\nhostkeyalias nas.home\n"
    assert _way_in.parse_ssh_settings(text, "nas").host_key_name == "nas.home"


def test_another_address_is_held_to_the_known_host_key() -> None:
    destination = _way_in.Destination("nas", "192.168.1.10", "192.168.1.10")
    assert _way_in.alias_arguments("100.64.0.1", destination) == [
        "-o",
        "HostName=100.64.0.1",
        "-o",
        "HostKeyAlias=192.168.1.10",
        "-o",
        "HostName=100.64.0.1",
    ]


@pytest.mark.parametrize("control_path", ["", "/root/.ansible/cp/%C"])
@pytest.mark.parametrize("own", ["", "-o ProxyCommand='nc %h %p' -o HostName=nas.home -o HostKeyAlias=nas.home"])
def test_a_second_search_begins_with_the_users_own_arguments(own: str, control_path: str) -> None:
    """To ssh the first of two values counts."""
    destination = _way_in.Destination("nas", "192.168.1.10", "192.168.1.10")
    found = f"{own} {shlex.join(_way_in.alias_arguments('100.64.0.1', destination, control_path))}".strip()
    assert shlex.split(_way_in.without_alias(found)) == shlex.split(own)
    assert _way_in.without_alias(own) == own


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" 10.0.0.2 50000 10.0.0.1 22\n", ("10.0.0.2", "10.0.0.1")),
        ("\n", None),
    ],
)
def test_ends_of_a_connection(text: str, expected: tuple[str, str] | None) -> None:
    assert _way_in.parse_ssh_connection(text) == expected


def test_the_telling_line_of_an_ssh_failure() -> None:
    text = (
        "Failed to connect to the host via ssh: debug1: something\nssh: connect to host 10.0.0.1 port 22: Connection timed out\n"
    )
    assert _way_in.shorten_ssh_error(text) == "ssh: connect to host 10.0.0.1 port 22: Connection timed out"
    assert _way_in.shorten_ssh_error("") == "no answer"
