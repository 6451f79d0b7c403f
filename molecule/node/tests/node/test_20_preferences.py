# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each preference is changed by hand, with `tailscale set`, and brought back by the module."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._prefs import OPTIONS

# Option, what an administrator does by hand, what the user declares, and what tailscaled shows when that is so.
TABLE: dict[str, tuple[list[str], t.Any, dict[str, t.Any]]] = {
    "hostname": (["--hostname=attic"], None, {}),  # of each host its own
    "nickname": (["--nickname=attic"], "home", {"ProfileName": "home"}),
    "accept_dns": (["--accept-dns=false"], True, {"CorpDNS": True}),
    "accept_routes": (["--accept-routes=true"], False, {"RouteAll": False}),
    "advertise_routes": (["--advertise-routes=192.168.9.0/24,10.9.0.0/16"], [], {"AdvertiseRoutes": []}),
    "advertise_exit_node": (["--advertise-exit-node=true"], False, {"AdvertiseRoutes": []}),
    "snat_subnet_routes": (["--snat-subnet-routes=false"], True, {"NoSNAT": False}),
    "stateful_filtering": (["--stateful-filtering=true"], False, {"NoStatefulFiltering": True}),
    "netfilter_mode": (["--netfilter-mode=nodivert"], "on", {"NetfilterMode": 2}),
    "shields_up": (["--shields-up=true"], False, {"ShieldsUp": False}),
    "ssh": (["--ssh=true"], False, {"RunSSH": False}),
    "webclient": (["--webclient=true"], False, {"RunWebClient": False}),
    "operator": (["--operator=admin"], "", {"OperatorUser": None}),
    "advertise_connector": (["--advertise-connector=true"], False, {"AppConnector": {"Advertise": False}}),
    "report_posture": (["--report-posture=true"], False, {"PostureChecking": False}),
    "update_check": (["--update-check=false"], True, {"AutoUpdate": {"Check": True, "Apply": None}}),
    "auto_update": (["--auto-update=true"], False, {"AutoUpdate": {"Check": True, "Apply": False}}),
    "relay_server_port": (["--relay-server-port=4000"], -1, {"RelayServerPort": None}),
    "relay_server_static_endpoints": (
        ["--relay-server-static-endpoints=192.0.2.1:4000"],
        ["192.0.2.9:4000", "[2001:db8::1]:4000"],
        {"RelayServerStaticEndpoints": ["192.0.2.9:4000", "[2001:db8::1]:4000"]},
    ),
    "exit_node": (["--exit-node=auto:any", "--exit-node-allow-lan-access=true"], "", {"ExitNodeID": "", "AutoExitNode": None}),
    "exit_node_allow_lan_access": (["--exit-node-allow-lan-access=true"], False, {"ExitNodeAllowLANAccess": False}),
}
HOSTS = ("nas", "pi", "vps")
SHARE = {name: [option for number, option in enumerate(TABLE) if number % 3 == place] for place, name in enumerate(HOSTS)}


class Came(t.NamedTuple):
    check: dict[str, t.Any]
    real: dict[str, t.Any]
    prefs: dict[str, t.Any]


@pytest.fixture(scope="module")
def came(take: t.Any, tell: t.Any, eyes: t.Any) -> dict[str, Came]:
    """All of it, each host a third."""
    tell("ssh", "true")
    steps: dict[str, list[dict[str, t.Any]]] = {}
    for host, options in SHARE.items():
        wishes = [{option: host if option == "hostname" else TABLE[option][1]} for option in options]
        steps[host] = [
            {"run": ["tailscale", "set", *(flag for option in options for flag in TABLE[option][0])]},
            *({"node": wish, "check": True} for wish in wishes),
            *({"node": wish} for wish in wishes),
            {"node": {option: value for wish in wishes for option, value in wish.items()}},
        ]
    outcome = take(steps, "--diff")
    found = {}
    for host, options in SHARE.items():
        answers = outcome.of(host)
        assert (answers[-1]["changed"], answers[-1]["requests"]["writes"]) == (False, 0), "as declared, and yet changed"
        prefs = json.loads(eyes[host].check_output("tailscale debug prefs"))
        for number, option in enumerate(options):
            found[option] = Came(answers[number], answers[len(options) + number], prefs)
    return found


@pytest.mark.parametrize("option", TABLE)
def test_what_was_changed_by_hand_is_brought_back_as_the_check_foretold(option: str, came: dict[str, Came]) -> None:
    check, real, prefs = came[option]
    assert (check["changed"], real["changed"]) == (True, True), (check, real)
    assert check["diff"] == real["diff"]
    assert check["requests"]["writes"] == 0
    assert real["requests"]["writes"] == 1, "one preference, one edit"
    wish = TABLE[option][1] if option != "hostname" else "nas"
    assert real["diff"]["after"][option] == wish
    assert real["diff"]["before"][option] != wish
    for key, value in (TABLE[option][2] or {"Hostname": "nas"}).items():
        assert (prefs.get(key) or None) == (value or None), "as tailscaled itself shows it"


def test_the_table_has_every_option() -> None:
    assert set(TABLE) == set(OPTIONS)
