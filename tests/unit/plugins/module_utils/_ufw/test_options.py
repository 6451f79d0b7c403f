# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that ufw would refuse or misinterpret are refused with a message before any command."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _options
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._errors import UfwError
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import Rule

PLAIN = {"action": "allow", "direction": "in"}
WRONG: list[tuple[dict[str, t.Any], str]] = [
    ({"interface": "tailscale0:1"}, r"rules\[1\].interface: 'tailscale0:1' is no name"),
    ({"interface": ""}, r"rules\[1\].interface: '' is no name"),
    ({"interface": "a-name-too-long-for-it"}, r"rules\[1\].interface: "),
    ({"interface": "log"}, r"rules\[1\].interface: "),
    ({"interface_out": "eth0"}, r"rules\[1\].interface_out: only a routed rule"),
    ({"from": "nas"}, r"rules\[1\].from: 'nas' is neither an address nor a network"),
    ({"to": "10.0.0.0/33"}, r"rules\[1\].to: '10.0.0.0/33' is neither"),
    ({"from": "10.0.0.0/8", "to": "fd00::1"}, r"rules\[1\].to: it has another IP version"),
    ({"proto": "igmp", "from": "fd00::/8"}, r"rules\[1\].proto: ufw supports igmp for IPv4 only"),
    ({"port": "ssh"}, r"rules\[1\].port: 'ssh' is no port"),
    ({"port": "80, 443", "proto": "tcp"}, r"rules\[1\].port: '80, 443' is no port"),
    ({"port": ""}, r"rules\[1\].port: '' is no port"),
    ({"port": "0"}, r"rules\[1\].port: '0' is no port"),
    ({"port": "65536"}, r"rules\[1\].port: '65536' is no port"),
    ({"port": "20:10", "proto": "tcp"}, r"rules\[1\].port: '20:10' is no port"),
    ({"port": "80,443"}, r"rules\[1\].port: .*set proto tcp or udp"),
    ({"from_port": "1:2"}, r"rules\[1\].from_port: .*set proto tcp or udp"),
    ({"port": ",".join(str(port) for port in range(1, 17)), "proto": "tcp"}, r"rules\[1\].port: ufw takes at most 15"),
    ({"port": "22", "proto": "esp"}, r"rules\[1\].port: esp has no ports"),
    ({"app": "OpenSSH", "port": "22"}, r"rules\[1\].port: the application profile 'OpenSSH' has it already"),
    ({"app": "OpenSSH", "proto": "tcp"}, r"rules\[1\].proto: the application profile 'OpenSSH' has it already"),
    ({"app": "22"}, r"rules\[1\].app: '22' is no name"),
    ({"comment": "it's"}, r"rules\[1\].comment: .*apostrophe"),
    ({"comment": "two\nlines"}, r"rules\[1\].comment: "),
    ({"comment": "log"}, r"rules\[1\].comment: ufw would read a word"),
    ({"comment": "what comes in on eth0", "direction": "routed"}, r"rules\[1\].comment: ufw would read a word"),
    ({"action": "deny", "port": "22"}, r"rules\[1\] and rules\[0\] differ in nothing but action or log"),
    ({"action": "deny", "port": "22", "from": "0.0.0.0/0"}, r"rules\[1\] and rules\[0\] differ in nothing but"),
]


@pytest.mark.parametrize(("option", "message"), WRONG, ids=lambda value: str(value)[:60])
def test_rule_that_ufw_misinterprets_is_refused(option: dict[str, t.Any], message: str) -> None:
    with pytest.raises(UfwError, match=f"^{message}"):
        _options.rules_of([{**PLAIN, "port": "22"}, {**PLAIN, **option}], "rules")


RIGHT: list[tuple[dict[str, t.Any], Rule]] = [
    ({"interface": "br-+"}, Rule("allow", interface="br-+")),
    ({"from": "192.168.1.7/24"}, Rule("allow", source="192.168.1.0/24")),
    ({"from": "192.168.1.7/32"}, Rule("allow", source="192.168.1.7")),
    ({"from": "FD00:0::1/64"}, Rule("allow", source="fd00::/64")),
    ({"from": "any"}, Rule("allow")),
    ({"from": "::/0"}, Rule("allow", family="v6")),
    ({"port": "443,80,06:10", "proto": "tcp"}, Rule("allow", port="6:10,80,443", protocol="tcp")),
    ({"proto": "gre"}, Rule("allow", protocol="gre")),
    ({"proto": "igmp"}, Rule("allow", protocol="igmp", family="v4")),
    ({"comment": "to log in", "log": "log-all"}, Rule("allow", log="log-all")),
]


@pytest.mark.parametrize(("option", "rule"), RIGHT, ids=lambda value: str(value)[:60])
def test_rule_is_normalised_to_ufws_spelling(option: dict[str, t.Any], rule: Rule) -> None:
    assert _options.rules_of([{**PLAIN, **option}], "rules") == (rule,)


def test_repeated_rule_counts_once() -> None:
    assert _options.rules_of([{**PLAIN, "port": "22"}, {**PLAIN, "port": "22", "comment": "again"}], "rules") == (
        Rule("allow", port="22"),
    )


def test_invalid_interface_name_is_refused() -> None:
    _options.refuse_odd_interfaces(["docker0", "br-+"], "docker_interfaces")
    with pytest.raises(UfwError, match=r"^docker_interfaces\[1\]: 'eth0 -j ACCEPT' is no name"):
        _options.refuse_odd_interfaces(["docker0", "eth0 -j ACCEPT"], "docker_interfaces")


def test_rules_with_both_actions_may_be_kept() -> None:
    assert len(_options.rules_of([{**PLAIN, "port": "22"}, {**PLAIN, "port": "22", "action": "deny"}], "keep")) == 2


def test_number_of_ports_of_a_profile_is_counted() -> None:
    text = "[CIFS]\ntitle=SMB\nports=137,138/udp|139,445/tcp\n\n[WWW Full]\nports=80,443/tcp\n"
    assert _options.profiles_of([text]) == {"CIFS": 2, "WWW Full": 1}
