# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe's own proof: with Tailscale down nothing connects, although the LAN is there."""

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


def ask(eye: Host, path: str) -> dict[str, t.Any]:
    """What a host's Syncthing says, or nothing while it does not answer."""
    done = eye.run("python3 -c %s", ASK.replace("PATH", path))
    return dict(json.loads(done.stdout)) if done.succeeded else {}


def connected(eye: Host, peer_id: str) -> bool:
    return bool(ask(eye, "system/connections")["connections"][peer_id]["connected"])


def device_id(eye: Host) -> str:
    return str(ask(eye, "system/status")["myID"])


@pytest.fixture(scope="module")
def pi_is_down(eyes: dict[str, Host]) -> t.Iterator[str]:
    name = device_id(eyes["pi"])
    eyes["pi"].check_output("tailscale down")
    yield name
    eyes["pi"].run("tailscale up")  # for when a test failed on the way


def test_peers_show_it_disconnected(pi_is_down: str, eyes: dict[str, Host], eventually: t.Any) -> None:
    for name in ("nas", "vps"):
        # A connection that was open lasts until Syncthing's receive time-out of 300 s; a fresh start does not wait.
        eyes[name].check_output("systemctl restart syncthing@syncthing")
        assert eventually(lambda name=name: bool(ask(eyes[name], "system/ping")), 60, pause=1)
        assert not eventually(lambda name=name: connected(eyes[name], pi_is_down), 15, pause=1), name


def test_the_lan_between_them_still_works(pi_is_down: str, eyes: dict[str, Host], addresses: t.Any) -> None:
    assert eyes["nas"].run(f"ping -c 1 -W 3 {addresses(eyes['pi'], '4')}").succeeded


def test_no_file_arrives(pi_is_down: str, eyes: dict[str, Host]) -> None:
    eyes["nas"].check_output(f"su syncthing -s /bin/sh -c 'echo later > {SHARED}/later.txt'")
    # A change takes some seconds to arrive when Tailscale is up (test_10_sync.py).
    assert not eyes["pi"].run(f"for i in $(seq 30); do [ -e {SHARED}/later.txt ] && exit 0; sleep 1; done; exit 1").succeeded


def test_verify_names_the_host(pi_is_down: str, play: t.Any) -> None:
    run = play("playbooks/verify.yml")
    assert run.code != 0
    assert "pi cannot be reached by SSH" in run.output
    assert "nas is not connected to pi" not in run.output, "that follows from it"


def test_coming_back_heals_it_and_the_file_arrives(
    pi_is_down: str, eyes: dict[str, Host], eventually: t.Any, play: t.Any
) -> None:
    eyes["pi"].check_output("tailscale up")
    assert eventually(lambda: connected(eyes["nas"], pi_is_down), 90, pause=1)
    assert eventually(lambda: eyes["pi"].file(f"{SHARED}/later.txt").exists, 120, pause=2)
    run = play("playbooks/verify.yml")
    assert run.code == 0, run.output
