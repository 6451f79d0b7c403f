# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of reachability that ask tailscaled or read the host's state."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
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
