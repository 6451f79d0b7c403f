# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every preference of a node, and its effect on a double (unit tests) and on a real tailscaled (molecule/node)."""

from __future__ import annotations

import typing as t


class Row(t.NamedTuple):
    value: t.Any  # declared for a new node, which has another value
    edit: dict[str, t.Any]  # the request to tailscaled for it
    by_hand: list[str]  # arguments of `tailscale set`, for a change by an administrator
    declared: t.Any  # the declared value, which reverts that change
    shown: dict[str, t.Any]  # the expected output of `tailscale debug prefs`


EVERY: dict[str, Row] = {
    "hostname": Row(
        value="attic",
        edit={"Hostname": "attic"},
        by_hand=["--hostname=attic"],
        declared="nas",
        shown={"Hostname": "nas"},
    ),
    "nickname": Row(
        value="home",
        edit={"ProfileName": "home"},
        by_hand=["--nickname=attic"],
        declared="home",
        shown={"ProfileName": "home"},
    ),
    "operator": Row(
        value="admin",
        edit={"OperatorUser": "admin"},
        by_hand=["--operator=admin"],
        declared="",
        shown={"OperatorUser": None},
    ),
    "accept_dns": Row(
        value=False,
        edit={"CorpDNS": False},
        by_hand=["--accept-dns=false"],
        declared=True,
        shown={"CorpDNS": True},
    ),
    "accept_routes": Row(
        value=True,
        edit={"RouteAll": True},
        by_hand=["--accept-routes=true"],
        declared=False,
        shown={"RouteAll": False},
    ),
    "advertise_routes": Row(
        value=["192.168.1.0/24"],
        edit={"AdvertiseRoutes": ["192.168.1.0/24"]},
        by_hand=["--advertise-routes=192.168.9.0/24,10.9.0.0/16"],
        declared=[],
        shown={"AdvertiseRoutes": []},
    ),
    "advertise_exit_node": Row(
        value=True,
        edit={"AdvertiseRoutes": ["0.0.0.0/0", "::/0"]},
        by_hand=["--advertise-exit-node=true"],
        declared=False,
        shown={"AdvertiseRoutes": []},
    ),
    "snat_subnet_routes": Row(
        value=False,
        edit={"NoSNAT": True},
        by_hand=["--snat-subnet-routes=false"],
        declared=True,
        shown={"NoSNAT": False},
    ),
    "shields_up": Row(
        value=True,
        edit={"ShieldsUp": True},
        by_hand=["--shields-up=true"],
        declared=False,
        shown={"ShieldsUp": False},
    ),
    "ssh": Row(
        value=True,
        edit={"RunSSH": True},
        by_hand=["--ssh=true"],
        declared=False,
        shown={"RunSSH": False},
    ),
    "webclient": Row(
        value=True,
        edit={"RunWebClient": True},
        by_hand=["--webclient=true"],
        declared=False,
        shown={"RunWebClient": False},
    ),
    "exit_node": Row(
        value="auto:any",
        edit={"AutoExitNode": "any"},
        by_hand=["--exit-node=auto:any", "--exit-node-allow-lan-access=true"],
        declared="",
        shown={"ExitNodeID": "", "AutoExitNode": None},
    ),
    "exit_node_allow_lan_access": Row(
        value=True,
        edit={"ExitNodeAllowLANAccess": True},
        by_hand=["--exit-node-allow-lan-access=true"],
        declared=False,
        shown={"ExitNodeAllowLANAccess": False},
    ),
    "stateful_filtering": Row(
        value=True,
        edit={"NoStatefulFiltering": False},
        by_hand=["--stateful-filtering=true"],
        declared=False,
        shown={"NoStatefulFiltering": True},
    ),
    "netfilter_mode": Row(
        value="nodivert",
        edit={"NetfilterMode": 1},
        by_hand=["--netfilter-mode=nodivert"],
        declared="on",
        shown={"NetfilterMode": 2},
    ),
    "advertise_connector": Row(
        value=True,
        edit={"AppConnector": {"Advertise": True}},
        by_hand=["--advertise-connector=true"],
        declared=False,
        shown={"AppConnector": {"Advertise": False}},
    ),
    "report_posture": Row(
        value=True,
        edit={"PostureChecking": True},
        by_hand=["--report-posture=true"],
        declared=False,
        shown={"PostureChecking": False},
    ),
    "auto_update": Row(
        value=True,
        edit={"AutoUpdate": {"Check": True, "Apply": True}, "AutoUpdateSet": {"ApplySet": True}},
        by_hand=["--auto-update=true"],
        declared=False,
        shown={"AutoUpdate": {"Check": True, "Apply": False}},
    ),
    "update_check": Row(
        value=False,
        edit={"AutoUpdate": {"Check": False, "Apply": None}, "AutoUpdateSet": {"CheckSet": True}},
        by_hand=["--update-check=false"],
        declared=True,
        shown={"AutoUpdate": {"Check": True, "Apply": None}},
    ),
    "relay_server_port": Row(
        value=0,
        edit={"RelayServerPort": 0},
        by_hand=["--relay-server-port=4000"],
        declared=-1,
        shown={"RelayServerPort": None},
    ),
    "relay_server_static_endpoints": Row(
        value=["192.0.2.1:4000"],
        edit={"RelayServerStaticEndpoints": ["192.0.2.1:4000"]},
        by_hand=["--relay-server-static-endpoints=192.0.2.1:4000"],
        declared=["192.0.2.9:4000", "[2001:db8::1]:4000"],
        shown={"RelayServerStaticEndpoints": ["192.0.2.9:4000", "[2001:db8::1]:4000"]},
    ),
}
