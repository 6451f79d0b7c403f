# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real ufw behaves like the double of the unit tests: spellings, positions, and no interruption of allowed traffic."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile
import typing as t

import artefacts
import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _plan, _rules, _state
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._policy import Policy
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import FAMILIES, Rule
from docker_network import LISTEN, address, docker_network
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from module_call import ModuleFailed, call
from ufw_double import UfwDouble
from ufw_host import UfwHost

BUDGET: dict[str, t.Any] = {
    "deadline": None,
    "derandomize": True,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
ADDRESSES = {"v4": ["10.0.0.0/8", "192.168.1.1", "any"], "v6": ["fd00::/8", "2001:db8::1", "any"]}


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Draw any rule that the module accepts."""
    direction = draw(st.sampled_from(_rules.DIRECTIONS))
    family = draw(st.sampled_from(FAMILIES))
    interface = st.sampled_from(["", "eth0", "tailscale0", "br-+", "wlan0.5", "a_b"])
    protocol = draw(st.sampled_from(["any", "tcp", "udp", "esp"]))
    port = st.sampled_from({"any": ["", "22"], "esp": [""]}.get(protocol, ["", "22", "80,443", "6000:6007", "1,2:5,7"]))
    app = draw(st.sampled_from(["", "", "", "CIFS", "WWW Full"]))
    return Rule(
        action=draw(st.sampled_from(_rules.ACTIONS)),
        direction=direction,
        interface=draw(interface),
        interface_out=draw(interface) if direction == "routed" else "",
        source=draw(st.sampled_from(ADDRESSES[family])),
        source_port="" if app else draw(port),
        destination=draw(st.sampled_from(ADDRESSES[family])),
        port="" if app else draw(port),
        protocol="any" if app else protocol,
        app=app,
        log=draw(st.sampled_from(["", "", "log", "log-all"])),
        family=draw(st.sampled_from(["", family])),
        comment=draw(st.sampled_from(["", "a", 'w\u00f6rds "and" $HOME \\'])),
    )


def lists(host: UfwHost) -> dict[str, tuple[Rule, ...]]:
    files = host.files()
    return {family: _state.read_tuples(files[path][1].decode(), family) for family, path in _state.USER_FILES.items()}


@given(st.lists(rules(), min_size=12, max_size=12))
@settings(max_examples=3, **BUDGET)
def test_ufw_accepts_and_lists_every_rule_as_declared(host: UfwHost, wanted: list[Rule]) -> None:
    for number, rule in enumerate(wanted):
        if number % 6 == 0:
            host.reset()
        host.ufw(*_rules.command(rule))
        found = lists(host)
        for family in rule.families:
            there = next(other for other in found[family] if other.key == rule.half(family).key)
            assert (there, there.comment) == (rule.half(family), rule.comment)
        assert rule.half("") in {_rules.parse(line).half("") for line in host.rules()}
    for rule in dict.fromkeys(wanted[-6:]):
        host.ufw(*_rules.command(rule, "delete"))
    kept = {rule.half(family) for rule in wanted[-6:] for family in rule.families}
    assert not kept & {rule for family in FAMILIES for rule in lists(host)[family]}


POOL = [
    Rule("allow", interface="tailscale0"),
    Rule("allow", port="22", protocol="tcp"),
    Rule("deny", source="10.0.0.0/8"),
    Rule("reject", source="fd00::/8"),
    Rule("allow", source="10.0.0.0/8", port="22", protocol="tcp"),
    Rule("deny", interface="eth0"),
    Rule("limit", port="80", protocol="tcp", family="v4"),
    Rule("allow", app="DNS"),
    Rule("reject", direction="out", port="25"),
    Rule("allow", direction="out", interface="tailscale0"),
    Rule("deny", direction="routed", interface="eth0"),
    Rule("allow", direction="routed", interface="eth0", port="80", protocol="tcp"),
]
some = st.permutations(POOL).flatmap(lambda rules: st.integers(0, 7).map(lambda count: tuple(rules[:count])))


@given(some, some, some, st.booleans())
@settings(max_examples=8, **BUDGET)
def test_plan_leads_from_any_rules_to_any_other(
    host: UfwHost, four: tuple[Rule, ...], six: tuple[Rule, ...], declared: tuple[Rule, ...], purge: bool
) -> None:
    """After each command of the plan the real ufw has the same rules as the double, and in the end nothing is left to do."""
    host.reset()
    halves = {
        family: [rule.half(family) for rule in found if family in rule.families] for family, found in zip(FAMILIES, (four, six))
    }
    for family in FAMILIES:
        for rule in halves[family]:
            host.ufw(*_rules.command(rule))
    with tempfile.TemporaryDirectory() as folder:
        double = UfwDouble(pathlib.Path(folder))
        double.lists = halves
        state = _state.State(v4=tuple(halves["v4"]), v6=tuple(halves["v6"]))
        policy = Policy(active=False, rules=declared, defaults={}, purge=purge)
        commands, after = _plan.plan(state, policy)
        for command in commands:
            host.ufw(*command)
            double.write(command)
            assert lists(host) == {family: tuple(double.lists[family]) for family in FAMILIES}, command
    assert lists(host) == {"v4": after.v4, "v6": after.v6}
    assert _plan.plan(after, policy)[0] == []


def test_routed_rule_is_moved_like_any_other(host: UfwHost) -> None:
    """ufw searches comments, too, for its keywords, and a routed rule has more keywords."""
    ssh, web = ({"direction": "routed", "port": port, "proto": "tcp"} for port in ("22", "80"))
    lan = {"direction": "routed", "action": "deny", "from": "10.0.0.0/8"}
    assert call("ufw_policy", state="disabled", rules=[web, ssh, lan])["changed"]
    moved = call("ufw_policy", state="disabled", rules=[ssh, lan, web])
    assert any(_plan.PLACEHOLDER in command for command in moved["commands"])
    assert [rule.port for rule in lists(host)["v4"]] == ["22", "", "80"]
    assert not call("ufw_policy", state="disabled", rules=[ssh, lan, web])["changed"]


CONNECT_REPEATEDLY = """
import select, socket, sys
address = sys.argv[1]
failed = tried = 0
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.01)[0]:
    tried += 1
    try:
        socket.create_connection((address, 22), timeout=0.9).close()
    except OSError as error:
        failed += 1
print(tried, failed, flush=True)
"""


@pytest.mark.parametrize("_installed", artefacts.UFW_SUITES[-1:], indirect=True)
def test_traffic_allowed_before_and_after_is_never_interrupted(host: UfwHost) -> None:
    """A client connects repeatedly while the policy is replaced. A lost packet, which is sent again after 1 s, is a failure."""
    ssh, deny, web = (
        {"port": "22", "proto": "tcp"},
        {"action": "deny", "from": "192.168.50.128/25"},
        {"port": "80", "proto": "tcp"},
    )
    changes: list[dict[str, t.Any]] = [
        {"rules": [ssh], "default_incoming": "deny"},
        {"rules": [web, deny, ssh], "purge": True},
        {"rules": [ssh, deny, web], "purge": True},
        {"rules": [{**ssh, "interface": "eth0"}, {"action": "deny", "port": "22"}], "purge": True, "docker": True},
        {"rules": [], "purge": True, "default_incoming": "allow"},
        {"rules": [{"interface": "eth0"}], "purge": True, "default_incoming": "deny", "multicast": False, "logging": "off"},
        {"state": "disabled", "rules": [], "purge": True},
    ]
    with docker_network():
        listener = [sys.executable, "-c", LISTEN, "22"]
        knocker = ["ip", "netns", "exec", "lan", sys.executable, "-c", CONNECT_REPEATEDLY, address("lan", "v4", 1)]
        with (
            subprocess.Popen(listener, stdout=subprocess.PIPE, text=True) as server,
            subprocess.Popen(knocker, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client,
        ):
            assert server.stdout
            assert client.stdout
            assert server.stdout.readline() == client.stdout.readline() == "ready\n"
            moved = [call("ufw_policy", **change)["changed"] for change in changes]
            tried, failed = client.communicate("enough\n")[0].split()
            server.kill()
    assert all(moved)
    assert int(tried) > 50
    assert int(failed) == 0


def test_file_that_ufw_cannot_load_is_an_error_before_any_write(host: UfwHost) -> None:
    call("ufw_policy")
    path = pathlib.Path("/etc/ufw/before6.rules")
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, text, why in (
        (13, [*lines[:12], "garbage", *lines[12:]], "Bad argument"),
        (len(lines), lines[:-1], "COMMIT expected"),
    ):
        path.write_text("\n".join([*text, ""]), encoding="utf-8")
        before = host.everything()
        with pytest.raises(ModuleFailed, match=rf"^/etc/ufw/before6\.rules, line {number}: .*{why}.*\. Nothing was changed"):
            call("ufw_policy", rules=[{"interface": "tailscale0"}])
        assert host.everything() == before
        assert not call("ufw_policy")["changed"], "a steady ufw must not be refused"


def test_failed_start_of_ufw_is_an_error_and_the_next_run_finishes(host: UfwHost) -> None:
    """`ufw enable` stops halfway and resets ENABLED; the next run, with the file repaired, finishes."""
    path = pathlib.Path("/etc/ufw/before6.rules")
    good = path.read_text(encoding="utf-8")
    call("ufw_policy", rules=[{"port": "22", "proto": "tcp"}])
    path.write_text(good.replace("COMMIT", "garbage\nCOMMIT"), encoding="utf-8")
    with pytest.raises(AssertionError):
        host.ufw("reload")
    path.write_text(good, encoding="utf-8")
    repaired = call("ufw_policy", rules=[{"port": "22", "proto": "tcp"}])
    assert repaired["changed"]
    assert (repaired["before"]["enabled"], repaired["before"]["running"]) == (False, False)
    assert (repaired["after"]["enabled"], repaired["after"]["running"]) == (True, True)
    assert not call("ufw_policy", rules=[{"port": "22", "proto": "tcp"}])["changed"]
    assert host.active()
