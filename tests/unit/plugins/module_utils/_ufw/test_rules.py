# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsing of rules that ufw prints and stores, and arguments that it accepts."""

from __future__ import annotations

import shlex

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _rules
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import Rule
from hypothesis import given
from hypothesis import strategies as st

# Output of `ufw show added` of ufw 0.36.
PRINTED = [
    ("ufw allow in on tailscale0", Rule("allow", interface="tailscale0")),
    ("ufw allow 22/tcp", Rule("allow", port="22", protocol="tcp")),
    ("ufw allow 22", Rule("allow", port="22")),
    ("ufw allow 6000:6007/tcp", Rule("allow", port="6000:6007", protocol="tcp")),
    ("ufw allow 80,443/tcp comment 'the web'", Rule("allow", port="80,443", protocol="tcp")),
    ("ufw limit OpenSSH", Rule("limit", app="OpenSSH")),
    ("ufw allow 'Nginx Full'", Rule("allow", app="Nginx Full")),
    ("ufw allow from 192.168.1.0/24", Rule("allow", source="192.168.1.0/24")),
    (
        "ufw allow from 192.168.1.0/24 to any port 22 proto tcp",
        Rule("allow", source="192.168.1.0/24", port="22", protocol="tcp"),
    ),
    ("ufw deny out 25/tcp", Rule("deny", direction="out", port="25", protocol="tcp")),
    ("ufw reject out on eth0 to any port 22000", Rule("reject", direction="out", interface="eth0", port="22000")),
    ("ufw allow in on eth0 to any port 41641 proto udp", Rule("allow", interface="eth0", port="41641", protocol="udp")),
    (
        "ufw route allow in on tailscale0 out on eth0",
        Rule("allow", direction="routed", interface="tailscale0", interface_out="eth0"),
    ),
    ("ufw allow to any", Rule("allow")),
    ("ufw allow out to any", Rule("allow", direction="out")),
    ("ufw allow to any proto gre", Rule("allow", protocol="gre")),
    ("ufw allow from 10.0.0.0/8 to any app 'Nginx Full'", Rule("allow", source="10.0.0.0/8", app="Nginx Full")),
    ("ufw allow from any app DNS", Rule("allow", source_app="DNS")),
    ("ufw allow log 22/tcp", Rule("allow", log="log", port="22", protocol="tcp")),
]


@pytest.mark.parametrize(("line", "rule"), PRINTED, ids=[line for line, _rule in PRINTED])
def test_printed_rule_is_parsed(line: str, rule: Rule) -> None:
    assert _rules.parse(line) == rule


def test_comment_is_kept_but_not_compared() -> None:
    rule = _rules.parse("ufw allow 443/tcp comment 'the web server'")
    assert rule.comment == "the web server"
    assert rule == _rules.parse("ufw allow 443/tcp")


# Lines of user.rules of ufw 0.36.
TUPLES = [
    ("allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in", Rule("allow", port="22", protocol="tcp", family="v4")),
    ("allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in comment=61", Rule("allow", port="22", protocol="tcp", family="v4")),
    (
        "limit_log-all any any 0.0.0.0/0 any 10.0.0.0/8 in_eth_0",
        Rule("limit", interface="eth_0", source="10.0.0.0/8", log="log-all"),
    ),
    ("reject any 25 0.0.0.0/0 any 0.0.0.0/0 out", Rule("reject", direction="out", port="25", family="v4")),
    ("allow any any 0.0.0.0/0 any 0.0.0.0/0 out_eth0", Rule("allow", direction="out", interface="eth0", family="v4")),
    (
        "route:allow any any 0.0.0.0/0 any 0.0.0.0/0 in_a!out_b",
        Rule("allow", direction="routed", interface="a", interface_out="b", family="v4"),
    ),
    ("route:deny any any 0.0.0.0/0 any 0.0.0.0/0 out_b", Rule("deny", direction="routed", interface_out="b", family="v4")),
    ("allow udp 137,138 0.0.0.0/0 any 0.0.0.0/0 CIFS - in", Rule("allow", app="CIFS", family="v4")),
    ("allow tcp any 0.0.0.0/0 80 0.0.0.0/0 - WWW%20Full in_e", Rule("allow", interface="e", source_app="WWW Full", family="v4")),
]


@pytest.mark.parametrize(("line", "rule"), TUPLES, ids=[line for line, _rule in TUPLES])
def test_stored_rule_is_parsed(line: str, rule: Rule) -> None:
    assert _rules.parse_tuple(f"### tuple ### {line}\n", "v4") == rule


@pytest.mark.parametrize("line", ["allow tcp", "frob tcp 22 0.0.0.0/0 any 0.0.0.0/0 in", "allow tcp 22 a any b in comment=xy"])
def test_stored_rule_that_ufw_drops_is_an_error(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (of any kind: the line is skipped)
        _rules.parse_tuple(f"### tuple ### {line}", "v4")


@pytest.mark.parametrize("line", ["ufw frobnicate 22", "ufw allow to", "ufw allow 'unbalanced", "ufw "])
def test_unparsed_rule_is_kept_unchanged(line: str) -> None:
    rule = _rules.parse(line)
    assert rule.raw == line.strip().removeprefix("ufw ")


addresses = st.sampled_from(["any", "192.168.1.0/24", "10.0.0.1", "fd00::/8", "2001:db8::1"])
ports = st.sampled_from(["", "22", "80,443", "6000:6007"])
interfaces = st.sampled_from(["", "eth0", "tailscale0", "docker0", "wlan0.5"])


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    direction = draw(st.sampled_from(["in", "out", "routed"]))
    protocol = draw(st.sampled_from(["any", "tcp", "udp"]))
    if draw(st.booleans()):
        return Rule(
            draw(st.sampled_from(_rules.ACTIONS)), direction, app="WWW Full", family=draw(st.sampled_from(["", "v4", "v6"]))
        )
    return Rule(
        action=draw(st.sampled_from(_rules.ACTIONS)),
        direction=direction,
        interface=draw(interfaces),
        interface_out=draw(interfaces) if direction == "routed" else "",
        source=draw(addresses),
        source_port=draw(ports) if protocol != "any" else "",
        destination=draw(addresses),
        port=draw(ports),
        protocol=protocol,
        log=draw(st.sampled_from(["", "log", "log-all"])),
    )


@given(rules())
def test_arguments_of_a_rule_are_parsed_to_the_same_rule(rule: Rule) -> None:
    assert _rules.parse(shlex.join(_rules.arguments(rule))) == rule


@given(st.text(max_size=60))
def test_any_line_can_be_parsed(line: str) -> None:
    _rules.parse(line)
