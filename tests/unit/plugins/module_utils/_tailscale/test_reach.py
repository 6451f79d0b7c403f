# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of reachability that ask tailscaled or read the host's state."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import tailnet_statuses as recorded
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _reach
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import NodeError


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://controlplane.tailscale.com", ("controlplane.tailscale.com", (443, 80))),
        ("http://192.168.1.9", ("192.168.1.9", (80,))),
        ("http://192.168.1.9:8090", ("192.168.1.9", (8090,))),
        ("https://[fd00::9]:8443/path", ("fd00::9", (8443,))),
        ("", None),
        (None, None),
        ("http://192.168.1.9:port", None),
        ("ftp://192.168.1.9", None),
    ],
)
def test_host_and_port_of_the_control_server(url: str | None, server: t.Any) -> None:
    assert _reach.control_server({"ControlURL": url}) == server


def test_proxy_in_the_environment_of_tailscaled_is_found(tmp_path: pathlib.Path) -> None:
    def process(number: int, name: str, environment: str) -> None:
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "comm").write_text(f"{name}\n", encoding="ascii")
        (tmp_path / str(number) / "environ").write_text(environment, encoding="ascii")

    process(1, "systemd", "HTTPS_PROXY=http://p\0")
    process(2, "tailscaled", "PATH=/bin\0")
    assert not _reach.behind_proxy(tmp_path)
    process(3, "tailscaled", "PATH=/bin\0https_proxy=http://p\0")
    assert _reach.behind_proxy(tmp_path)


def switches(root: pathlib.Path, **values: str) -> pathlib.Path:
    for name, value in values.items():
        version, interface = name.split("_")
        folder = root / version / "conf" / interface
        folder.mkdir(parents=True)
        (folder / "forwarding").write_text(f"{value}\n", encoding="ascii")
    return root


V4, V6 = "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"


@pytest.mark.parametrize(
    ("values", "routes", "closed"),
    [
        ({"ipv4_all": "0", "ipv4_eth0": "0", "ipv6_all": "0"}, ["10.77.0.0/24"], [V4]),
        ({"ipv4_all": "0", "ipv4_eth0": "0", "ipv6_all": "0"}, ["0.0.0.0/0", "::/0"], [V4, V6]),
        ({"ipv4_all": "1", "ipv4_eth0": "1", "ipv6_all": "0"}, ["10.77.0.0/24"], []),
        ({"ipv4_all": "0", "ipv4_eth0": "1", "ipv6_all": "0"}, ["10.77.0.0/24"], []),
        ({"ipv4_all": "0", "ipv4_lo": "1", "ipv6_all": "0"}, ["10.77.0.0/24"], [V4]),
        ({"ipv4_all": "1", "ipv6_all": "0"}, ["fd00:77::/64"], [V6]),
        ({"ipv4_all": "1"}, ["0.0.0.0/0", "::/0"], []),
        ({"ipv4_all": "0", "ipv6_all": "0"}, [], []),
        ({"ipv4_all": "0", "ipv6_all": "0"}, ["192.168.1.10/32"], []),
    ],
)
def test_settings_that_prevent_forwarding_are_found(
    tmp_path: pathlib.Path, values: dict[str, str], routes: list[str], closed: list[str]
) -> None:
    assert _reach.closed_to_forwarding(routes, ["192.168.1.10"], switches(tmp_path, **values)) == closed


class Tailscaled(_reach.Reach):
    """Gives prepared answers in order."""

    def __init__(self, *answers: t.Any) -> None:
        super().__init__("/nowhere")
        self.answers = list(answers)

    def _request(self, method: str, path: str, body: t.Any = None, timeout: int = 0) -> t.Any:
        assert (method, path, body, timeout > 0) == ("POST", "ping?ip=100.64.0.2&type=TSMP", None, True)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_first_ping_of_a_peer_is_repeated() -> None:
    assert Tailscaled({"Err": ""}).ping("100.64.0.2") is None
    assert Tailscaled(NodeError("timed out"), {}).ping("100.64.0.2") is None
    assert Tailscaled(NodeError("timed out"), NodeError("timed out")).ping("100.64.0.2") == "timed out"
    assert Tailscaled({"Err": "no matching peer"}, {"Err": "no matching peer"}).ping("100.64.0.2") == "no matching peer"


# --- the tailnet as a node knows it -----------------------------------------------------------------


def known(status: t.Any, *asked: str) -> list[str]:
    return [peer["dns_name"] for peer in _reach.tailnet(status, {}, asked)["peers"]]


def test_peer_is_found_by_address_name_or_host_name() -> None:
    assert known(recorded.RENAMED, "100.64.0.3") == ["vpsx.mesh.example"]
    assert known(recorded.RENAMED, "fd7a:115c:a1e0::3") == ["vpsx.mesh.example"]
    assert known(recorded.RENAMED, "vpsx") == ["vpsx.mesh.example"]
    assert known(recorded.RENAMED, "vps") == ["vpsx.mesh.example"], "its own host name is still the old one"
    assert known(recorded.RENAMED, "VPS.example.com") == [], "a name with a domain is no host name"
    assert known(recorded.RENAMED, "pi", "vps") == ["pi.mesh.example", "vpsx.mesh.example"]


def test_peer_that_was_not_asked_for_is_not_returned() -> None:
    """A tailnet may have hundreds of phones and exit nodes."""
    assert known(recorded.HEALTHY) == []
    assert known(recorded.HEALTHY, "nobody", "", "100.64.0.99") == []


def test_facts_of_a_peer_are_those_that_explain_its_absence() -> None:
    (peer,) = _reach.tailnet(recorded.EXPIRED, {}, ["vps"])["peers"]
    assert peer == {
        "dns_name": "vps.mesh.example",
        "hostname": "vps",
        "addresses": ["100.64.0.3", "fd7a:115c:a1e0::3"],
        "online": True,
        "last_seen": None,
        "key_expired": True,
        "exit_node_option": False,
    }
    (peer,) = _reach.tailnet(recorded.OFFLINE, {}, ["pi"])["peers"]
    assert (peer["online"], peer["last_seen"]) == (False, "2026-11-26T17:00:00Z")


def test_routes_are_those_of_the_node_and_its_peers_without_their_addresses() -> None:
    assert _reach.tailnet(recorded.HEALTHY, {}, [])["routes"] == []
    assert _reach.tailnet(recorded.APPROVED_BY_NAS, {}, [])["routes"] == ["192.168.7.0/24"]
    assert _reach.tailnet(recorded.EXIT_NODE_BY_NAS, {}, [])["routes"] == ["0.0.0.0/0", "::/0"]
    own = recorded.status(recorded.node("nas", "192.168.7.0/24"))
    assert _reach.tailnet(own, {}, [])["routes"] == ["192.168.7.0/24"]


def test_offered_routes_and_the_connection_to_the_control_server_are_returned() -> None:
    found = _reach.tailnet(recorded.SERVER_DOWN, {"AdvertiseRoutes": ["::/0", "0.0.0.0/0"]}, [])
    assert found["advertised_routes"] == ["0.0.0.0/0", "::/0"]
    assert found["online"] is False
    assert _reach.tailnet(recorded.HEALTHY, {"AdvertiseRoutes": None}, []) == {
        "online": True,
        "peers": [],
        "routes": [],
        "advertised_routes": [],
    }


@pytest.mark.parametrize("status", [recorded.DELETED_AND_RESTARTED, recorded.STARTED_WITHOUT_SERVER, {"BackendState": "NoState"}])
def test_node_outside_the_tailnet_knows_nobody(status: t.Any) -> None:
    assert _reach.tailnet(status, {}, ["pi"]) == {"online": False, "peers": [], "routes": [], "advertised_routes": []}
