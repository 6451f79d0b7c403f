# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role firewall's variables: the rules that they give, and the values that are refused before any host is touched."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import firewall

ALLOW_ALL_SOURCES: list[tuple[str, t.Any]] = [
    ("firewall_lan_ssh_from", ["0.0.0.0/0"]),
    ("firewall_lan_ssh_from", ["::/0"]),
    ("firewall_lan_ssh_from", ["2000::/3"]),
    ("firewall_lan_ssh_from", ["0.0.0.0/1", "128.0.0.0/1"]),
    ("firewall_lan_ssh_from", ["192.168.1.0/24", "128.0.0.0/2", "192.0.0.0/2"]),
    ("firewall_lan_ssh_from", [f"{number}.0.0.0/8" for number in range(16, 32)]),
    ("firewall_extra_rules", [{}]),
    ("firewall_extra_rules", [{"action": "allow"}]),
    ("firewall_extra_rules", [{"action": "limit"}]),
    ("firewall_extra_rules", [{"from": "any"}]),
    ("firewall_extra_rules", [{"from": "0.0.0.0/0"}]),
    ("firewall_extra_rules", [{"from": "::/0", "comment": "all"}]),
    ("firewall_extra_rules", [{"from": "2000::/3"}]),
    ("firewall_extra_rules", [{"from": "0.0.0.0/1"}, {"from": "128.0.0.0/1"}]),
    ("firewall_extra_rules", [{"from": "10.0.0.0/8"}, {"from": "11.0.0.0/8"}]),
    ("firewall_extra_rules", [{"proto": "tcp"}]),
    ("firewall_extra_rules", [{"port": "1:65535", "proto": "tcp"}]),
    ("firewall_extra_rules", [{"from": "any", "from_port": "53"}]),
    ("firewall_extra_rules", [{"to": "192.168.1.10"}]),
    ("firewall_extra_rules", [{"interface": "+"}]),
    ("firewall_extra_rules", [{"interface": "any"}]),
    ("firewall_extra_rules", [{"direction": "routed"}]),
    ("firewall_keep", [{"from": "any"}]),
]
WRONG: list[tuple[str, t.Any, str]] = [
    ("firewall_tailnet_interface", "", "must be the name of one interface"),
    ("firewall_tailnet_interface", "tail+", "must be the name of one interface"),
    ("firewall_tailnet_interface", "any", "must be the name of one interface"),
    ("firewall_tailnet_interface", "lo", "must be the name of one interface"),
    ("firewall_public_ports", ["web"], "'web': it must be a port"),
    ("firewall_public_ports", ["1:2"], "'1:2': it must be a port or a range"),
    ("firewall_public_ports", ["0/tcp"], "'0/tcp': it must be"),
    ("firewall_public_ports", ["65536/tcp"], "'65536/tcp': it must be"),
    ("firewall_public_ports", ["90:80/tcp"], "'90:80/tcp': it must be"),
    ("firewall_lan_ssh_from", ["lan"], "'lan': it must be a network"),
    ("firewall_lan_ssh_from", "10.0.0.7, 192.168.1.0", r"from\[1\] is '192.168.1.0', .* such as 192.168.1.0/24"),
    ("firewall_lan_ssh_from", ["fd00:1::"], "'fd00:1::', which is one address .* such as fd00:1::/64"),
    ("firewall_extra_rules", {"port": "22"}, "is no list"),
    ("firewall_extra_rules", ["22/tcp"], r"firewall_extra_rules\[0\] is no rule"),
    ("firewall_extra_rules", [{"port": "445", "protocol": "tcp"}], "unknown key protocol"),
    ("firewall_extra_rules", [{"port": "445", "proto": "TCP"}], "proto is 'TCP'"),
    ("firewall_extra_rules", [{"port": "smb"}], r"firewall_extra_rules\[0\]\.port: 'smb' is no port"),
    ("firewall_extra_rules", [{"action": "reject", "direction": "out"}], "would block all outgoing traffic"),
    ("firewall_extra_rules", [{"port": "22000", "proto": "tcp", "direction": "out"}], "differ in nothing but action"),
    ("firewall_rollback_timeout", 20, "firewall_rollback_timeout is 20 s"),
    ("firewall_proof_timeout", 0, "firewall_proof_timeout is 0 s"),
]
ONLY = [{"port": "22000", "proto": "tcp"}]
VALID: list[dict[str, t.Any]] = [
    {},
    {"firewall_public_ports": [443, "443/tcp", "60000:61000/udp", "53"]},
    {"firewall_public_ports": ["1:65535/tcp"]},  # explicit, so it is accepted
    {"firewall_lan_ssh_from": ["192.168.1.0/24", "10.0.0.0/8", "fd00::/8", "192.168.7.9", "203.0.113.0/24"]},
    {"firewall_extra_rules": [{"app": "OpenSSH"}]},
    {"firewall_extra_rules": [{"direction": "routed", "interface_out": "lxdbr0"}]},
    {"firewall_extra_rules": [{"direction": "routed", "interface": "lxdbr0"}]},
    {"firewall_extra_rules": [{"direction": "routed", "to": "10.1.0.0/16"}]},
    {"firewall_extra_rules": [{"interface": "eth1", "port": 445, "proto": "tcp"}]},
    {"firewall_extra_rules": [{"interface": "eth1"}]},
    {"firewall_extra_rules": [{"from": "192.168.1.0/24"}, {"from": "fd00::/8"}, {"from": "10.0.0.0/8"}]},
    {"firewall_extra_rules": [{"from": "192.168.1.0/24", "port": "139,445", "proto": "tcp", "comment": "Samba"}]},
    {"firewall_extra_rules": [{"port": "60000:61000", "proto": "udp"}]},
    {"firewall_extra_rules": [{"action": "deny"}, {"action": "deny", "from": "any"}]},
    {"firewall_extra_rules": [{"proto": "esp"}, {"proto": "igmp"}]},
    {"firewall_extra_rules": [{"to": "224.0.0.0/4"}]},
    {"firewall_extra_rules": [{"direction": "out", "action": "reject", "port": "25"}]},
    {"firewall_keep": [{"port": "51820", "proto": "udp"}]},
    {"firewall_tailnet_interface": "tailscale1"},
    {"firewall_proof_timeout": 5, "firewall_rollback_timeout": 30},
]


@pytest.mark.parametrize(("name", "value"), ALLOW_ALL_SOURCES)
def test_rule_for_all_sources_is_refused_in_any_spelling(name: str, value: t.Any) -> None:
    found = firewall.problems({"firewall_tailnet_only_ports": ONLY, name: value})
    assert found, value
    assert all(line.startswith(name) for line in found)


@pytest.mark.parametrize(("name", "value", "words"), WRONG)
def test_impossible_rules_are_refused(name: str, value: t.Any, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        raise AssertionError("\n".join(firewall.problems({"firewall_tailnet_only_ports": ONLY, name: value})))


@pytest.mark.parametrize("variables", VALID)
def test_usual_spellings_of_rules_are_accepted(variables: dict[str, t.Any]) -> None:
    assert firewall.problems({"firewall_tailnet_only_ports": ONLY, **variables}) == []


def test_rules_are_computed_from_the_variables() -> None:
    assert firewall.public_rule("443/tcp") == {"port": "443", "proto": "tcp", "comment": "public"}
    assert firewall.public_rule(53) == {"port": "53", "comment": "public"}
    made = firewall.rules(
        {
            "firewall_tailnet_interface": "tailscale1",
            "firewall_public_ports": ["443/tcp"],
            "firewall_lan_ssh_from": ["192.168.1.7/24"],
            "firewall_ssh_port": 2222,
            "firewall_direct_connection_port": 41641,
            "firewall_extra_rules": [{"from": "10.0.0.0/8", "port": "445", "proto": "tcp"}],
            "firewall_tailnet_only_ports": ONLY,
        }
    )
    assert made == [
        {"interface": "tailscale1", "comment": "the tailnet"},
        {"port": "443", "proto": "tcp", "comment": "public"},
        {"from": "192.168.1.0/24", "port": "2222", "proto": "tcp", "comment": "SSH if Tailscale is down"},
        {"port": "41641", "proto": "udp", "comment": "direct connections of Tailscale"},
        {"from": "10.0.0.0/8", "port": "445", "proto": "tcp"},
        {**ONLY[0], "direction": "out", "interface": "tailscale1", "comment": "through the tailnet"},
        {**ONLY[0], "direction": "out", "action": "reject", "comment": "and by no other way"},
    ]


def test_null_values_of_rules_are_omitted() -> None:
    nothing = {"port": "445", "proto": None, "log": None}
    policy = firewall.policy({"firewall_extra_rules": [nothing], "firewall_keep": [nothing]})
    assert policy["rules"][-1] == {"port": "445"}
    assert policy["keep"] == [{"port": "445"}]


def test_openings_beyond_the_tailnet_are_listed() -> None:
    found = firewall.openings(
        {
            "firewall_public_ports": ["443/tcp"],
            "firewall_lan_ssh_from": ["192.168.1.0/24"],
            "firewall_extra_rules": [
                {"app": "OpenSSH"},
                {"interface": "eth1", "port": 445},
                {"action": "deny", "port": "25"},
                {"interface": "tailscale0", "port": "80"},
                {"direction": "routed", "interface": "eth0"},
            ],
        }
    )
    any_source = {"from": None, "interface": None, "port": None, "proto": None, "app": None, "to": None}
    assert found == [
        {**any_source, "port": "443", "proto": "tcp"},
        {**any_source, "from": "192.168.1.0/24", "port": "22", "proto": "tcp"},
        {**any_source, "app": "OpenSSH"},
        {**any_source, "interface": "eth1", "port": "445"},
    ]


@pytest.mark.parametrize(
    ("given", "rules"),
    [("443", ["443"]), (443, ["443"]), ("80/tcp, 443/tcp", ["80", "443"]), (None, []), (["80/tcp"], ["80"])],
)
def test_list_may_be_a_string_as_for_ansible(given: t.Any, rules: list[str]) -> None:
    variables = {"firewall_public_ports": given}
    assert firewall.problems(variables) == []
    assert [rule["port"] for rule in firewall.rules(variables) if rule.get("comment") == "public"] == rules


def test_network_as_a_string_is_one_network() -> None:
    variables = {"firewall_lan_ssh_from": "192.168.1.0/24"}
    assert firewall.problems(variables) == []
    assert "192.168.1.0/24" in str(firewall.rules(variables))


def test_port_that_is_a_list_is_refused_with_its_path() -> None:
    (found,) = firewall.problems({"firewall_extra_rules": [{"port": [80, 443], "proto": "tcp", "from": "192.168.1.0/24"}]})
    assert "firewall_extra_rules[0].port" in found
