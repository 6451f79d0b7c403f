# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state table of ufw_policy, against real ufw, active and inactive."""

from __future__ import annotations

import typing as t

import artefacts
import pytest
from module_call import call
from ufw_host import UfwHost

Json = t.Dict[str, t.Any]  # noqa: UP006
# The two versions differ in packaging, not in behaviour, so each table is run with one of them.
OLDER, NEWER = (pytest.mark.parametrize("_installed", [suite], indirect=True) for suite in artefacts.UFW_SUITES)
TAILNET = {"interface": "tailscale0"}
SSH = {"port": "22", "proto": "tcp"}
WEB = {"port": "443,80", "proto": "tcp"}


class Step(t.NamedTuple):
    """Options of the module, whether they change something, and what `ufw show added` must list afterwards."""

    what: str
    options: Json
    changed: bool
    rules: list[str] | None = None
    holds: t.Callable[[UfwHost], bool] = lambda host: True


def in_file(name: str, text: str) -> t.Callable[[UfwHost], bool]:
    return lambda host: text in host.files()[f"/etc/{name}"][1].decode()


def not_in_file(name: str, text: str) -> t.Callable[[UfwHost], bool]:
    return lambda host: text not in host.files()[f"/etc/{name}"][1].decode()


def has_no_multicast(host: UfwHost) -> bool:
    return not any("5353" in line or "1900" in line for lines in host.kernel().values() for line in lines)


def has_no_docker_rules(host: UfwHost) -> bool:
    return not any("-A DOCKER-USER" in line for lines in host.kernel().values() for line in lines)


def is_as_packaged(host: UfwHost) -> bool:
    return all(host.files()[path] == host.pristine[path] for path in ("/etc/ufw/before.rules", "/etc/ufw/before6.rules"))


TAIL = "allow in on tailscale0"
LAN: Json = {"action": "deny", "from": "10.0.0.0/8"}
OUT: list[Json] = [{"direction": "out", "action": "reject", "port": 25}, {"direction": "out", "interface": "eth0"}]
PORTLESS = ("ah", "esp", "gre", "igmp", "ipv6")
ROUTED: list[Json] = [
    {"interface": "tailscale0", "interface_out": "eth0"},
    {"interface_out": "eth1", "to": "10.1.0.0/16", "port": 80, "proto": "tcp"},
    {"interface": "eth1", "action": "deny", "comment": "no"},
]


def exactly(*rules: Json) -> Json:
    return {"rules": list(rules), "purge": True}


def rules() -> list[Step]:
    odd = 'the \u00e9 "LAN" $HOME'
    return [
        Step("nothing declared", {}, False),
        Step("create", {"rules": [TAILNET]}, True, [TAIL]),
        Step("same", {"rules": [TAILNET]}, False, [TAIL]),
        Step("one more", {"rules": [TAILNET, SSH]}, True, [TAIL, "allow 22/tcp"]),
        Step("declare less", {"rules": [TAILNET]}, False, [TAIL, "allow 22/tcp"]),
        Step("another port", exactly(TAILNET, {**SSH, "port": "2222"}), True, [TAIL, "allow 2222/tcp"]),
        Step("another protocol", exactly(TAILNET, {"port": 22, "proto": "udp"}), True, [TAIL, "allow 22/udp"]),
        Step("no protocol", exactly(TAILNET, {"port": "22"}), True, [TAIL, "allow 22"]),
        Step("a source", exactly({**SSH, "from": "10.0.0.7/24"}), True, ["allow from 10.0.0.0/24 to any port 22 proto tcp"]),
        Step("its other spelling", exactly({**SSH, "from": "10.0.0.0/255.255.255.0"}), False),
        Step("IPv6 only", exactly({**SSH, "from": "FD00::0/8"}), True, ["allow from fd00::/8 to any port 22 proto tcp"]),
        Step("an interface", exactly({**SSH, "interface": "eth0"}), True, ["allow in on eth0 to any port 22 proto tcp"]),
        Step("IPv4's", exactly({**SSH, "from": "0.0.0.0/0"}), True, ["allow 22/tcp"], not_in_file("ufw/user6.rules", "port 22")),
        Step("both families'", exactly(SSH), True, ["allow 22/tcp"], in_file("ufw/user6.rules", "port 22")),
        Step("IPv6's", exactly({**SSH, "from": "::/0"}), True, ["allow 22/tcp"], not_in_file("ufw/user.rules", "port 22")),
        Step("another action", exactly(TAILNET, {**SSH, "action": "limit"}), True, [TAIL, "limit 22/tcp"]),
        Step("to a deny", exactly(TAILNET, {**SSH, "action": "deny"}), True, [TAIL, "deny 22/tcp"]),
        Step("logged", exactly(TAILNET, {**SSH, "log": "log"}), True, [TAIL, "allow log 22/tcp"]),
        Step("all logged", exactly(TAILNET, {**SSH, "log": "log-all"}), True, [TAIL, "allow log-all 22/tcp"]),
        Step("a comment", exactly(TAILNET, {**SSH, "comment": odd}), True, [TAIL, f"allow 22/tcp comment '{odd}'"]),
        Step("nothing said about it", exactly(TAILNET, SSH), False),
        Step("another comment", exactly(TAILNET, {**SSH, "comment": "b"}), True, [TAIL, "allow 22/tcp comment 'b'"]),
        Step("no comment", exactly(TAILNET, {**SSH, "comment": ""}), True, [TAIL, "allow 22/tcp"]),
        Step("lists", exactly(WEB, {"port": "6000:6007", "proto": "udp"}), True, ["allow 80,443/tcp", "allow 6000:6007/udp"]),
        Step("a profile", exactly({"app": "CIFS"}, {"app": "WWW Full", "from": "10.0.0.0/8"}), True,
             ["allow CIFS", "allow from 10.0.0.0/8 to any app 'WWW Full'"]),
        Step("another action for it", exactly({"app": "CIFS", "action": "deny"}), True, ["deny CIFS"]),
        Step("protocols without ports", exactly(*({"proto": name} for name in PORTLESS)), True,
             [f"allow to any proto {name}" for name in PORTLESS]),
        Step("routed", exactly(*({"direction": "routed", **rule} for rule in ROUTED)), True,
             ["route allow in on tailscale0 out on eth0", "route allow out on eth1 to 10.1.0.0/16 port 80 proto tcp",
              "route deny in on eth1 comment 'no'"]),
        Step("out", exactly(*OUT), True, ["reject out 25", "allow out on eth0"]),
        Step("the other way round", {"rules": OUT[::-1]}, True, ["allow out on eth0", "reject out 25"]),
        Step("allows in one order", exactly(SSH, WEB, TAILNET), True, ["allow 22/tcp", "allow 80,443/tcp", TAIL]),
        Step("and in another", exactly(TAILNET, WEB, SSH), False),
        Step("a deny between", exactly(SSH, LAN, WEB, TAILNET), True,
             ["allow 22/tcp", "deny from 10.0.0.0/8", "allow 80,443/tcp", TAIL]),
        Step("a deny moved", exactly(SSH, WEB, LAN, TAILNET), True,
             ["allow 22/tcp", "allow 80,443/tcp", "deny from 10.0.0.0/8", TAIL]),
        Step("an allow moved", exactly(TAILNET, LAN, SSH, WEB), True,
             [TAIL, "deny from 10.0.0.0/8", "allow 22/tcp", "allow 80,443/tcp"]),
        Step("purge but keep", {**exactly(TAILNET), "keep": [WEB]}, True, [TAIL, "allow 80,443/tcp"]),
        Step("empty", {"purge": True}, True, []),
    ]  # fmt: skip


def other_steps() -> list[Step]:
    return [
        Step("default and log", {"default_incoming": "reject", "logging": "medium"}, True, None,
             lambda host: in_file("default/ufw", 'INPUT_POLICY="REJECT"')(host) and in_file("ufw/ufw.conf", "=medium")(host)),
        Step("others", {"default_outgoing": "deny", "default_routed": "allow", "logging": "off"}, True, None,
             lambda host: in_file("default/ufw", 'FORWARD_POLICY="ACCEPT"')(host) and in_file("ufw/ufw.conf", "LEVEL=off")(host)),
        Step("multicast closed", {"multicast": False}, True, None, has_no_multicast),
        Step("multicast open", {"multicast": True}, True, None, is_as_packaged),
        Step("docker", {"rules": [TAILNET], "docker": True}, True, None, in_file("ufw/after.rules", "-i tailscale0 -j RETURN")),
        Step("a rule more", {"rules": [TAILNET, SSH], "docker": True}, True, None, in_file("ufw/after6.rules", "origdstport 22")),
        Step("other bridges", {"rules": [TAILNET, SSH], "docker": True, "docker_interfaces": ["br0"]}, True),
        Step("no docker", {"docker": False}, True, None, has_no_docker_rules),
    ]  # fmt: skip


def run_steps(host: UfwHost, steps: list[Step], **common: t.Any) -> None:
    for step in steps:
        options = {**common, **step.options}
        before = host.everything()
        check = call("ufw_policy", check_mode=True, **options)
        differ = call("ufw_policy", check_mode=True, diff=True, **options)
        assert host.everything() == before, f"{step.what}: check mode wrote"
        real = call("ufw_policy", diff=True, **options)
        assert_prediction(step, check, differ, real)
        if step.rules is not None:
            assert host.rules() == step.rules, step.what
        assert step.holds(host), step.what
        done = host.everything()
        again = call("ufw_policy", **options)
        assert not again["changed"], f"{step.what}: again {again['commands']}"
        assert again["commands"] == [], step.what
        assert again["before"] == again["after"] == real["after"], step.what
        assert host.everything() == done, f"{step.what}: the second run wrote"
        assert real.keys() - {"diff"} == again.keys() == check.keys()


def assert_prediction(step: Step, check: Json, differ: Json, real: Json) -> None:
    """Assert that check mode predicts the real run, and that both match the step."""
    assert check["changed"] is differ["changed"] is real["changed"] is step.changed, (step.what, real["commands"])
    assert check["commands"] == real["commands"], step.what
    assert check["after"] == differ["diff"]["after"] == real["diff"]["after"] == real["after"], step.what
    assert check["before"] == real["before"] == real["diff"]["before"], step.what
    assert (real["before"] != real["after"]) is step.changed, f"{step.what}: the diff does not show it"
    for key in ("added", "removed", "unmanaged"):
        assert check[key] == real[key], step.what


ENABLE = Step("enable", {}, True, None, UfwHost.active)
DISABLE = Step("disable", {"state": "disabled"}, True, None, lambda host: not host.active())


# Enough to show that the kernel has the rules; ufw accepts and lists the same rules whether it filters or not.
WHILE_ACTIVE = (
    *("create", "same", "one more", "another comment", "a profile", "routed"),
    *("a deny between", "a deny moved", "an allow moved", "purge but keep", "empty"),
)


@NEWER
def test_rule_steps_with_active_ufw(host: UfwHost) -> None:
    steps = [step for step in rules() if step.what in WHILE_ACTIVE]
    assert len(steps) == len(WHILE_ACTIVE)
    run_steps(host, [ENABLE, *steps])


@OLDER
def test_rule_steps_with_inactive_ufw(host: UfwHost) -> None:
    run_steps(host, rules(), state="disabled")
    run_steps(host, [ENABLE])


@NEWER
def test_other_steps_with_active_ufw(host: UfwHost) -> None:
    run_steps(host, [ENABLE, *other_steps(), DISABLE])


@OLDER
def test_other_steps_with_inactive_ufw(host: UfwHost) -> None:
    run_steps(host, other_steps(), state="disabled")
