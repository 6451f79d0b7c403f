# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports that are probed, and the open ports that belong to the host and are not declared."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import verify, verify_ports
from ansible_collections.homelab.tailsync.plugins.plugin_utils.views import View
from verify_views import ADDRESSES, KEYS, TAILNET, attempt, change

Views = dict[str, View]
PUBLIC = "8.8.4.4"


def with_variables(views: Views, name: str, **variables: t.Any) -> Views:
    return {**views, name: dataclasses.replace(views[name], variables={**views[name].variables, **variables})}


def opened(views: Views, *attempts: t.Any) -> Views:
    return change(views, "nas/probed/tcp", list(attempts))


def targets(views: Views, name: str) -> dict[str, t.Any]:
    """The endpoints that a host probes."""
    return verify.targets(verify.plan(views)["hosts"], name)


def ports_of(views: Views, name: str) -> list[dict[str, t.Any]]:
    """The probed endpoints without Syncthing's at tailnet addresses."""
    return [item for item in targets(views, name)["tcp"] if "host_keys" in item]


def findings(views: Views) -> list[str]:
    return verify_ports.report(views).findings


def test_undeclared_open_port_is_a_finding(views: Views) -> None:
    assert findings(opened(views, attempt("pi", 22))) == [
        "pi accepts TCP connections at 172.31.77.12 port 22, outside the tailnet (tried from nas)"
    ]


def test_port_probed_by_two_hosts_is_one_finding(views: Views) -> None:
    other = dataclasses.replace(views["nas"], name="vps")
    (finding,) = findings(
        opened({**views, "vps": change({"vps": other}, "vps/probed/tcp", [attempt("pi", 22)])["vps"]}, attempt("pi", 22))
    )
    assert finding.endswith("(tried from nas, vps)")


def test_open_port_is_accepted_only_if_its_host_declares_it(views: Views) -> None:
    broken = opened(views, attempt("pi", 443))
    assert findings(with_variables(broken, "pi", firewall_public_ports=["443/tcp"])) == []
    assert len(findings(with_variables(broken, "nas", firewall_public_ports=["443/tcp"]))) == 1


def test_port_declared_for_another_source_is_a_finding(views: Views) -> None:
    declared = with_variables(views, "pi", firewall_lan_ssh_from=["172.31.77.11/32"])
    assert findings(opened(declared, attempt("pi", 22))) == []
    assert len(findings(opened(declared, attempt("pi", 22, source="172.31.77.13")))) == 1


def test_application_profiles_of_the_host_are_used(views: Views) -> None:
    declared = with_variables(views, "pi", firewall_extra_rules=[{"app": "Samba"}])
    assert findings(opened(declared, attempt("pi", 445))) == []
    assert len(findings(opened(declared, attempt("pi", 446)))) == 1


@pytest.mark.parametrize(
    ("more", "its_own"),
    [
        ({}, True),
        ({"mac": None}, False),
        ({"mac": "52:54:00:ff:ff:ff"}, False),
        ({"mac": None, "host_keys": ["KEY-OF-ANOTHER"]}, False),
        ({"mac": None, "host_keys": ["KEY-OF-PI"]}, True),
        ({"mac": "52:54:00:ff:ff:ff", "host_keys": ["KEY-OF-PI"]}, True),
    ],
)
def test_answer_counts_only_if_it_is_proven_to_be_the_hosts(views: Views, more: dict[str, t.Any], its_own: bool) -> None:
    """Two sites may use the same network, or a subnet router may lead to another machine."""
    assert bool(findings(opened(views, attempt("pi", 22, **more)))) is its_own


def test_public_address_on_an_interface_belongs_to_the_host(views: Views) -> None:
    there = change(views, "pi/own/addresses", [{"interface": "eth0", "address": PUBLIC}])
    broken = opened(there, attempt("pi", 8384, address=PUBLIC, resolved=[PUBLIC], mac=None))
    assert len(findings(broken)) == 1
    assert findings(with_variables(broken, "pi", firewall_public_ports=["8384"])) == []


def behind_translation(views: Views) -> Views:
    return with_variables(views, "pi", ansible_host=PUBLIC)


def test_address_of_the_inventory_is_probed(views: Views) -> None:
    ports = ports_of(behind_translation(views), "nas")
    assert {"address": PUBLIC, "port": 22, "host_keys": True, "patient": True} in ports
    assert {"address": ADDRESSES["pi"], "port": 22, "host_keys": True} in ports
    ports = ports_of(with_variables(views, "pi", ansible_host=PUBLIC, ansible_port=2222), "nas")
    assert {"address": PUBLIC, "port": 2222, "host_keys": True, "patient": True} in ports
    (outside,) = [item for item in verify_ports.probes_of_controller(behind_translation(views)) if item["address"] == PUBLIC]
    assert outside["patient"], "a router may answer the ping"


@pytest.mark.parametrize("host", [TAILNET["pi"], "localhost", "127.0.0.1", ADDRESSES["nas"]])
def test_address_that_is_not_the_hosts_is_not_probed(views: Views, host: str) -> None:
    ports = ports_of(with_variables(views, "pi", ansible_host=host), "nas")
    assert {item["address"] for item in ports} == {ADDRESSES["pi"]}


def test_open_ssh_behind_address_translation_is_a_finding(views: Views) -> None:
    nat = attempt("pi", 22, address=PUBLIC, resolved=[PUBLIC], mac=None, host_keys=[KEYS["pi"]], source="192.168.9.9")
    broken = opened(behind_translation(views), nat)
    assert len(findings(broken)) == 1
    assert findings(with_variables(broken, "pi", firewall_public_ports=["22/tcp"])) == []
    assert len(findings(with_variables(broken, "pi", firewall_lan_ssh_from=["10.0.0.0/24"]))) == 1
    assert findings(with_variables(broken, "pi", firewall_lan_ssh_from=["8.8.8.0/24"])) == [], (
        "the host may see nas with this address"
    )
    assert findings(opened(behind_translation(views), {**nat, "host_keys": []})) == [], "the answer may come from a router"


def test_name_that_resolves_to_the_tailnet_is_no_finding(views: Views) -> None:
    through = attempt("pi", 22, address="pi", resolved=[TAILNET["pi"]], mac=None, host_keys=[KEYS["pi"]])
    assert findings(opened(views, through)) == []


def test_connection_through_a_subnet_router_is_no_finding(views: Views) -> None:
    """vps reaches nas's LAN through a subnet router, whose source address is one of the LAN."""
    broken = opened(views, attempt("pi", 22, mac=None, host_keys=[KEYS["pi"]], source=TAILNET["nas"]))
    assert findings(broken) == []


def test_connection_through_another_vpn_may_count_as_from_the_lan(views: Views) -> None:
    broken = opened(views, attempt("pi", 22, mac=None, host_keys=[KEYS["pi"]], source="10.8.0.2"))
    assert len(findings(broken)) == 1
    assert findings(with_variables(broken, "pi", firewall_lan_ssh_from=["172.31.77.0/24"])) == []


def test_open_port_found_by_the_controller_is_a_finding(views: Views) -> None:
    tried = attempt("pi", 22, source="172.31.77.5")
    (finding,) = verify_ports.report(views, [tried]).findings
    assert finding.endswith("(tried from the controller)")
    declared = with_variables(views, "pi", firewall_lan_ssh_from=["172.31.77.0/24"])
    assert verify_ports.report(declared, [tried]).findings == []


@pytest.mark.parametrize("source", ["172.31.77.12", "127.0.0.1"])
def test_controller_that_is_the_host_finds_no_open_port_of_its_own(views: Views, source: str) -> None:
    tried = attempt("pi", 22, source=source, resolved=[ADDRESSES["pi"]], host_keys=views["pi"].own["host_keys"])
    assert verify_ports.report(views, [tried]).findings == []


def test_controller_behind_a_jump_host_probes_nothing(views: Views) -> None:
    probes = verify_ports.probes_of_controller(views)
    assert {item["address"] for item in probes} == set(ADDRESSES.values())
    assert not any(item["patient"] for item in probes), "the addresses are the hosts' own"
    jump = {name: with_variables(views, name, ansible_ssh_common_args="-o ProxyJump=bastion")[name] for name in views}
    assert verify_ports.probes_of_controller(jump) == []


def test_absent_firewall_means_no_probes_and_no_findings(views: Views) -> None:
    absent = with_variables(views, "pi", firewall_state="absent")
    assert ports_of(absent, "nas") == []
    report = verify_ports.report(opened(absent, attempt("pi", 22)))
    assert report.findings == []
    assert "pi: its ports were not probed, because firewall_state is absent" in report.notes


@pytest.mark.parametrize(
    ("variables", "port", "judged"),
    [
        ({"firewall_purge": False}, 22, False),
        ({"firewall_docker": False}, 8080, False),
        ({"firewall_docker": False}, 22, True),
        ({"firewall_docker": True}, 8080, True),
    ],
)
def test_open_port_outside_the_roles_control_is_a_note(
    views: Views, variables: dict[str, t.Any], port: int, judged: bool
) -> None:
    report = verify_ports.report(opened(with_variables(views, "pi", **variables), attempt("pi", port)))
    assert (len(report.findings), len(report.notes)) == ((1, 0) if judged else (0, 1))


def test_addresses_of_docker_bridges_are_not_probed(views: Views) -> None:
    ports = ports_of(views, "nas")
    assert {item["address"] for item in ports} == {ADDRESSES["pi"]}
    assert {item["port"] for item in ports} == {22, 8384, 22000}


def test_probed_endpoints_of_a_host(views: Views) -> None:
    wanted = targets(views, "nas")
    assert {"address": TAILNET["pi"], "port": 22000} in wanted["tcp"]
    assert wanted["ping"] == [TAILNET["pi"]]
    stopped = targets(change(views, "pi/syncthing", {"msg": "stopped"}), "nas")
    assert stopped["ping"] == []
    assert {item["address"] for item in stopped["tcp"]} == {ADDRESSES["pi"]}, "its ports are still probed"
