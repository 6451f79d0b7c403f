# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy applies to ports that Docker publishes, also after a restart; tested with packets."""

from __future__ import annotations

import pathlib
import typing as t

import artefacts
import pytest
from docker_network import DockerNetwork, address, docker_network
from module_call import call
from ufw_host import UfwHost, sh

# The result depends on Docker's rules and the kernel, so one version of ufw is enough.
pytestmark = pytest.mark.parametrize("_installed", artefacts.UFW_SUITES[-1:], indirect=True)
FAMILIES = ("v4", "v6")
POLICY: dict[str, t.Any] = {
    "rules": [{"interface": "tailscale0"}, {"port": "9443", "proto": "tcp"}],
    "default_incoming": "deny",
    "default_routed": "deny",
    "docker": True,
}


@pytest.fixture
def network(host: UfwHost) -> t.Iterator[DockerNetwork]:
    with docker_network() as found:
        yield found


def assert_policy_applies(network: DockerNetwork, family: str) -> None:
    """Assert that the policy applies to containers."""
    lan, tailnet = (address(side, family, 1) for side in ("lan", "tailnet"))
    assert network.cannot("lan", lan, 8080), "a published port is open to the LAN"
    assert network.cannot("lan", address("one", family), 80), "a container is open to routed traffic"
    assert network.can("lan", lan, 9443), "a declared port of a container is closed"
    assert network.can("tailnet", tailnet, 8080), "the tailnet is not allowed"
    assert network.can("one", address("lan", family), 7), "a container cannot open connections"
    assert network.can("two", address("one", family), 80), "containers cannot reach each other"


def test_policy_applies_to_published_ports(host: UfwHost, network: DockerNetwork) -> None:
    network.start_docker()
    call("ufw_policy", **{**POLICY, "docker": None})
    for family in FAMILIES:
        assert network.can("lan", address("lan", family, 1), 8080), "without the block Docker allows all sources"
    assert call("ufw_policy", **POLICY)["changed"]
    for family in FAMILIES:
        assert_policy_applies(network, family)

    network.stop_docker()
    network.start_docker()
    for family in FAMILIES:
        assert_policy_applies(network, family)
    host.ufw("reload")
    for family in FAMILIES:
        assert_policy_applies(network, family)
    assert not call("ufw_policy", **POLICY)["changed"]

    sh("ip6tables", "-w", "-F", "DOCKER-USER")
    repaired = call("ufw_policy", **POLICY)
    assert repaired["commands"][-1] == ["ufw", "reload"]
    assert_policy_applies(network, "v6")

    off = call("ufw_policy", state="disabled", docker=True)
    assert off["before"]["docker_running"]
    assert not off["after"]["docker_running"]
    for family in FAMILIES:
        assert network.can("lan", address("lan", family, 1), 8080), "a DROP rule is left"


def test_policy_applies_if_docker_starts_later(host: UfwHost, network: DockerNetwork) -> None:
    call("ufw_policy", **POLICY)
    network.start_docker()
    for family in FAMILIES:
        assert_policy_applies(network, family)
    assert not call("ufw_policy", **POLICY)["changed"]
    assert call("ufw_policy", **{**POLICY, "docker": False})["changed"]
    for family in FAMILIES:
        assert network.can("lan", address("lan", family, 1), 8080), "a DROP rule is left"


def test_sources_order_and_families_of_rules_apply_to_containers(host: UfwHost, network: DockerNetwork) -> None:
    network.start_docker()
    lan: list[dict[str, t.Any]] = [
        {"action": "deny", "from": address("lan", "v6")},
        {"port": "8000:8100,9999", "proto": "tcp", "to": address("lan", "v4", 1)},
        {"port": "8080", "from": "fd50::/64"},
    ]
    call("ufw_policy", **{**POLICY, "rules": [*lan, {"direction": "in", "interface": "tailscale0", "port": "8080"}]})
    assert network.can("lan", address("lan", "v4", 1), 8080), "this address must be allowed the range of ports"
    assert network.cannot("lan", address("lan", "v4", 1), 9443)
    assert network.cannot("lan", address("lan", "v6", 1), 8080), "the deny rule must come first"
    assert network.can("tailnet", address("tailnet", "v6", 1), 8080)
    assert network.cannot("tailnet", address("tailnet", "v6", 1), 9443)
    call("ufw_policy", **{**POLICY, "rules": lan[1:]})
    assert network.can("lan", address("lan", "v6", 1), 8080)


def test_published_port_is_closed_on_an_undeclared_bridge(host: UfwHost, network: DockerNetwork) -> None:
    network.start_docker()
    call("ufw_policy", **{**POLICY, "docker_interfaces": ["br-+"]})
    for family in FAMILIES:
        assert network.cannot("lan", address("lan", family, 1), 8080)
        assert network.can("lan", address("lan", family, 1), 9443)
        assert network.can("one", address("lan", family), 7)


def test_policy_applies_beside_a_block_of_another_tool(host: UfwHost, network: DockerNetwork) -> None:
    """ufw-docker's block in after.rules, behind this collection's: each load empties the chain and fills it with theirs."""
    network.start_docker()
    call("ufw_policy", **POLICY)
    theirs = "*filter\n:DOCKER-USER - [0:0]\n-A DOCKER-USER -j RETURN -s 10.0.0.0/8\n-A DOCKER-USER -j RETURN\nCOMMIT\n"
    path = pathlib.Path("/etc/ufw/after.rules")
    path.write_text(f"{path.read_text(encoding='ascii')}# BEGIN UFW AND DOCKER\n{theirs}", encoding="ascii")
    host.ufw("reload")
    assert network.can("lan", address("lan", "v4", 1), 8080), "their block voids ours"
    assert call("ufw_policy", **POLICY)["changed"]
    assert_policy_applies(network, "v4")
    assert theirs in path.read_text(encoding="ascii")
    assert not call("ufw_policy", **POLICY)["changed"]
    host.ufw("reload")
    assert_policy_applies(network, "v4")
    assert call("ufw_policy", **{**POLICY, "docker": False})["changed"]
    assert not call("ufw_policy", **{**POLICY, "docker": False})["changed"]
