# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports are probed, and which of those that are open are this host's and should not be."""

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
    """What a host is to try."""
    return verify.targets(verify.plan(views)["hosts"], name)


def ports_of(views: Views, name: str) -> list[dict[str, t.Any]]:
    """Those of it that are not Syncthing's at a tailnet address."""
    return [item for item in targets(views, name)["tcp"] if "host_keys" in item]


def findings(views: Views) -> list[str]:
    return verify_ports.report(views).findings


def test_a_port_that_is_not_declared(views: Views) -> None:
    assert findings(opened(views, attempt("pi", 22))) == [
        "pi accepts TCP connections at 172.31.77.12 port 22, outside the tailnet (tried from nas)"
    ]


def test_a_port_that_two_hosts_probed_is_one_finding(views: Views) -> None:
    other = dataclasses.replace(views["nas"], name="vps")
    (finding,) = findings(
        opened({**views, "vps": change({"vps": other}, "vps/probed/tcp", [attempt("pi", 22)])["vps"]}, attempt("pi", 22))
    )
    assert finding.endswith("(tried from nas, vps)")


def test_a_declared_port_is_no_finding_unless_another_host_declares_it(views: Views) -> None:
    broken = opened(views, attempt("pi", 443))
    assert findings(with_variables(broken, "pi", firewall_public_ports=["443/tcp"])) == []
    assert len(findings(with_variables(broken, "nas", firewall_public_ports=["443/tcp"]))) == 1


def test_a_port_that_is_declared_for_one_source_and_open_to_another(views: Views) -> None:
    declared = with_variables(views, "pi", firewall_lan_ssh_from=["172.31.77.11/32"])
    assert findings(opened(declared, attempt("pi", 22))) == []
    assert len(findings(opened(declared, attempt("pi", 22, source="172.31.77.13")))) == 1


def test_profiles_are_those_of_the_host(views: Views) -> None:
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
def test_an_answer_counts_if_it_is_this_hosts(views: Views, more: dict[str, t.Any], its_own: bool) -> None:
    """Two homes have the same network, or a subnet router leads to another machine."""
    assert bool(findings(opened(views, attempt("pi", 22, **more)))) is its_own


def test_a_public_address_on_an_interface_is_nobody_elses(views: Views) -> None:
    there = change(views, "pi/own/addresses", [{"interface": "eth0", "address": PUBLIC}])
    broken = opened(there, attempt("pi", 8384, address=PUBLIC, resolved=[PUBLIC], mac=None))
    assert len(findings(broken)) == 1
    assert findings(with_variables(broken, "pi", firewall_public_ports=["8384"])) == []


def behind_translation(views: Views) -> Views:
    return with_variables(views, "pi", ansible_host=PUBLIC)


def test_the_address_of_the_inventory_is_probed_as_well(views: Views) -> None:
    ports = ports_of(behind_translation(views), "nas")
    assert {"address": PUBLIC, "port": 22, "host_keys": True, "patient": True} in ports
    assert {"address": ADDRESSES["pi"], "port": 22, "host_keys": True} in ports
    ports = ports_of(with_variables(views, "pi", ansible_host=PUBLIC, ansible_port=2222), "nas")
    assert {"address": PUBLIC, "port": 2222, "host_keys": True, "patient": True} in ports
    (outside,) = [item for item in verify_ports.probes_of_controller(behind_translation(views)) if item["address"] == PUBLIC]
    assert outside["patient"], "a router may answer the ping"


@pytest.mark.parametrize("host", [TAILNET["pi"], "localhost", "127.0.0.1", ADDRESSES["nas"]])
def test_an_address_that_does_not_lead_there_from_here_is_not_probed(views: Views, host: str) -> None:
    ports = ports_of(with_variables(views, "pi", ansible_host=host), "nas")
    assert {item["address"] for item in ports} == {ADDRESSES["pi"]}


def test_ssh_that_is_open_behind_a_translation(views: Views) -> None:
    nat = attempt("pi", 22, address=PUBLIC, resolved=[PUBLIC], mac=None, host_keys=[KEYS["pi"]], source="192.168.9.9")
    broken = opened(behind_translation(views), nat)
    assert len(findings(broken)) == 1
    assert findings(with_variables(broken, "pi", firewall_public_ports=["22/tcp"])) == []
    assert len(findings(with_variables(broken, "pi", firewall_lan_ssh_from=["10.0.0.0/24"]))) == 1
    assert findings(with_variables(broken, "pi", firewall_lan_ssh_from=["8.8.8.0/24"])) == [], "as it may see nas"
    assert findings(opened(behind_translation(views), {**nat, "host_keys": []})) == [], "a router's own page, say"


def test_a_name_that_leads_through_the_tailnet_is_no_finding(views: Views) -> None:
    through = attempt("pi", 22, address="pi", resolved=[TAILNET["pi"]], mac=None, host_keys=[KEYS["pi"]])
    assert findings(opened(views, through)) == []


def test_what_comes_by_a_subnet_router_is_in_the_tailnet(views: Views) -> None:
    """vps reaches nas's LAN through a router of the tailnet, which nas sees as a machine of the LAN."""
    broken = opened(views, attempt("pi", 22, mac=None, host_keys=[KEYS["pi"]], source=TAILNET["nas"]))
    assert findings(broken) == []


def test_what_comes_by_another_vpn_may_be_seen_as_of_the_lan(views: Views) -> None:
    broken = opened(views, attempt("pi", 22, mac=None, host_keys=[KEYS["pi"]], source="10.8.0.2"))
    assert len(findings(broken)) == 1
    assert findings(with_variables(broken, "pi", firewall_lan_ssh_from=["172.31.77.0/24"])) == []


def test_the_controllers_own_attempt(views: Views) -> None:
    tried = attempt("pi", 22, source="172.31.77.5")
    (finding,) = verify_ports.report(views, [tried]).findings
    assert finding.endswith("(tried from the controller)")
    declared = with_variables(views, "pi", firewall_lan_ssh_from=["172.31.77.0/24"])
    assert verify_ports.report(declared, [tried]).findings == []


def test_the_controller_probes_nothing_where_it_goes_by_another_machine(views: Views) -> None:
    probes = verify_ports.probes_of_controller(views)
    assert {item["address"] for item in probes} == set(ADDRESSES.values())
    assert not any(item["patient"] for item in probes), "they are the hosts' own"
    jump = {name: with_variables(views, name, ansible_ssh_common_args="-o ProxyJump=bastion")[name] for name in views}
    assert verify_ports.probes_of_controller(jump) == []


def test_without_the_firewall_nothing_is_probed_or_claimed(views: Views) -> None:
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
def test_where_the_user_left_it_to_others_it_is_a_note(
    views: Views, variables: dict[str, t.Any], port: int, judged: bool
) -> None:
    report = verify_ports.report(opened(with_variables(views, "pi", **variables), attempt("pi", port)))
    assert (len(report.findings), len(report.notes)) == ((1, 0) if judged else (0, 1))


def test_the_addresses_that_every_docker_host_has_are_not_probed(views: Views) -> None:
    ports = ports_of(views, "nas")
    assert {item["address"] for item in ports} == {ADDRESSES["pi"]}
    assert {item["port"] for item in ports} == {22, 8384, 22000}


def test_what_a_host_is_to_try(views: Views) -> None:
    wanted = targets(views, "nas")
    assert {"address": TAILNET["pi"], "port": 22000} in wanted["tcp"]
    assert wanted["ping"] == [TAILNET["pi"]]
    gone = targets(change(views, "pi/syncthing", {"msg": "stopped"}), "nas")
    assert gone["ping"] == []
    assert {item["address"] for item in gone["tcp"]} == {ADDRESSES["pi"]}, "its ports are still there"
