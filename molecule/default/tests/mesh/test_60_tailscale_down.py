# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without Tailscale nothing connects, although the LAN works."""

from __future__ import annotations

import json
import typing as t

import pytest
from testinfra.host import Host

SHARED = "/srv/sync/shared"
ASK = """
import http.client, re, socket
key = re.search("<apikey>(.+)</apikey>", open("/var/lib/syncthing/config.xml").read()).group(1)
connection = http.client.HTTPConnection("localhost", timeout=5)
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.settimeout(5)
connection.sock.connect("/run/syncthing/gui.sock")
connection.request("GET", "/rest/PATH", headers={"X-API-Key": key})
print(connection.getresponse().read().decode())
"""


def ask(host: Host, path: str) -> dict[str, t.Any]:
    """The answer of a host's Syncthing, or an empty dict while it does not answer."""
    done = host.run("python3 -c %s", ASK.replace("PATH", path))
    return dict(json.loads(done.stdout)) if done.succeeded else {}


def connected(host: Host, peer_id: str) -> bool:
    return bool(ask(host, "system/connections")["connections"][peer_id]["connected"])


def device_id(host: Host) -> str:
    return str(ask(host, "system/status")["myID"])


@pytest.fixture(scope="module")
def pi_is_down(lab_hosts: dict[str, Host]) -> t.Iterator[str]:
    name = device_id(lab_hosts["pi"])
    lab_hosts["pi"].check_output("tailscale down")
    yield name
    lab_hosts["pi"].run("tailscale up")  # in case a test failed before this


def test_peers_of_a_host_without_tailscale_show_it_disconnected(
    pi_is_down: str, lab_hosts: dict[str, Host], eventually: t.Any
) -> None:
    for name in ("nas", "vps"):
        # A connection that was open lasts until Syncthing's receive time-out of 300 s; a fresh start does not wait.
        lab_hosts[name].check_output("systemctl restart syncthing@syncthing")
        assert eventually(lambda name=name: bool(ask(lab_hosts[name], "system/ping")), 60, pause=1)
        assert not eventually(lambda name=name: connected(lab_hosts[name], pi_is_down), 15, pause=1), name


def test_lan_works_while_tailscale_is_down(pi_is_down: str, lab_hosts: dict[str, Host], addresses: t.Any) -> None:
    assert lab_hosts["nas"].run(f"ping -c 1 -W 3 {addresses(lab_hosts['pi'], '4')}").succeeded


def test_no_file_arrives_while_tailscale_is_down(pi_is_down: str, lab_hosts: dict[str, Host]) -> None:
    lab_hosts["nas"].check_output(f"su syncthing -s /bin/sh -c 'echo later > {SHARED}/later.txt'")
    # A change takes some seconds to arrive when Tailscale is up (test_10_sync.py).
    assert not lab_hosts["pi"].run(f"for i in $(seq 30); do [ -e {SHARED}/later.txt ] && exit 0; sleep 1; done; exit 1").succeeded


def test_verify_names_the_host_without_tailscale(pi_is_down: str, play: t.Any) -> None:
    run = play("playbooks/verify.yml")
    assert run.code != 0
    assert "pi cannot be reached by SSH" in run.output
    assert "nas is not connected to pi" not in run.output, "an effect is not reported together with its cause"


def test_file_arrives_once_tailscale_is_up_again(
    pi_is_down: str, lab_hosts: dict[str, Host], eventually: t.Any, play: t.Any
) -> None:
    lab_hosts["pi"].check_output("tailscale up")
    assert eventually(lambda: connected(lab_hosts["nas"], pi_is_down), 90, pause=1)
    assert eventually(lambda: lab_hosts["pi"].file(f"{SHARED}/later.txt").exists, 120, pause=2)
    run = play("playbooks/verify.yml")
    assert run.code == 0, run.output
