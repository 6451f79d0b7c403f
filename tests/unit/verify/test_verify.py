# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils import _verify

IDS = {"nas": "NAS-ID", "pi": "PI-ID", "phone": "PHONE-ID"}
ADDRESSES = {"nas": "172.31.77.11", "pi": "172.31.77.12"}
TAILNET = {"nas": "100.64.0.1", "pi": "100.64.0.2"}
MANAGED = ["nas", "pi"]


def view(name: str, peer: str) -> dict[str, t.Any]:
    return {
        "way": {"address": name},
        "node": {"backend_state": "Running", "ipv4": TAILNET[name]},
        "self": {
            "addresses": [
                {"interface": "eth0", "address": ADDRESSES[name]},
                {"interface": "docker0", "address": "172.17.0.1"},
                {"interface": "tailscale0", "address": TAILNET[name]},
            ],
            "listening": [22, 22000],
        },
        "seen": {
            "ping": [{"address": TAILNET[peer], "answers": True, "error": None}],
            "tcp": [{"address": ADDRESSES[peer], "port": 22, "open": False, "error": "timed out"}],
        },
        "syncthing": {
            "device_id": IDS[name],
            "listeners": {f"tcp://{TAILNET[name]}:22000": {"error": None}},
            "dials": {f"tcp://{peer}:22000": {"error": None}},
            "devices": {IDS[peer]: {"name": peer}, IDS["phone"]: {"name": "phone"}},
            "connections": {
                IDS[peer]: {"connected": True, "address": f"{TAILNET[peer]}:22000", "type": "tcp-client"},
                IDS["phone"]: {"connected": False},
            },
            "folders": {"documents": {"state": "idle", "completion": {IDS[peer]: {"remote_state": "valid"}}}},
        },
        "wanted": {
            "devices": [
                {"name": peer, "device_id": None, "addresses": [f"tcp://{peer}:22000"]},
                {"name": "phone", "device_id": IDS["phone"], "addresses": ["dynamic"]},
            ],
            "folders": [{"id": "documents", "devices": [{"name": peer}, {"name": "phone"}]}],
        },
    }


@pytest.fixture
def views() -> dict[str, dict[str, t.Any]]:
    return {"nas": view("nas", "pi"), "pi": view("pi", "nas")}


def change(views: dict[str, t.Any], path: str, value: t.Any) -> dict[str, t.Any]:
    changed = copy.deepcopy(views)
    *parents, last = path.split("/")
    at: t.Any = changed
    for key in parents:
        at = at[int(key)] if isinstance(at, list) else at[key]
    at[last] = value
    return changed


def test_all_well(views: dict[str, t.Any]) -> None:
    assert _verify.findings(views, MANAGED) == []


def test_an_offline_phone_is_no_finding_but_is_shown(views: dict[str, t.Any]) -> None:
    assert "nas -> phone: not connected (not managed by Ansible)" in _verify.connections(views, MANAGED)
    assert "nas -> pi: 100.64.0.2:22000 (tcp-client)" in _verify.connections(views, MANAGED)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("pi/way/address", None, "pi cannot be reached by SSH: no way in was found"),
        ("pi/node/backend_state", "Stopped", "pi: Tailscale is Stopped, not Running"),
        ("pi/node", None, "pi: Tailscale is not running, not Running"),
        ("nas/syncthing", None, "nas: Syncthing does not answer: no reason known"),
        (
            "nas/syncthing/listeners/tcp:~~100.64.0.1:22000",
            {"error": "cannot assign requested address"},
            "nas: Syncthing cannot listen at tcp://100.64.0.1:22000: cannot assign requested address",
        ),
        ("nas/syncthing/listeners", {}, "nas: Syncthing listens at no tcp:// address"),
        ("nas/syncthing/connections/PI-ID/connected", False, "nas is not connected to pi"),
        (
            "nas/syncthing/connections/PI-ID/type",
            "relay-client",
            "nas is connected to pi by relay-client at 100.64.0.2:22000, which is not tcp over the tailnet",
        ),
        (
            "nas/syncthing/connections/PI-ID/address",
            "172.31.77.12:22000",
            "nas is connected to pi by tcp-client at 172.31.77.12:22000, which is not tcp over the tailnet",
        ),
        ("nas/syncthing/folders", {}, "nas does not have the folder documents"),
        (
            "nas/syncthing/folders/documents/error",
            "folder marker missing",
            "folder documents on nas: folder marker missing",
        ),
        (
            "nas/syncthing/folders/documents/completion/PI-ID/remote_state",
            "notSharing",
            "folder documents: pi does not share it with nas (it says notSharing)",
        ),
        (
            "nas/syncthing/devices",
            {},
            "nas and pi are not paired yet: pi has not taken part in a run together with nas",
        ),
        ("pi/syncthing/device_id", "NEW-ID", "nas knows pi by the device ID PI-ID, but pi has NEW-ID"),
        (
            "nas/seen/ping",
            [{"address": "100.64.0.2", "answers": False, "error": "no answer within 3 s"}],
            "nas cannot ping pi at 100.64.0.2: no answer within 3 s",
        ),
        (
            "nas/seen/tcp/0/open",
            True,
            "pi lets a TCP connection in at 172.31.77.12 port 22, outside the tailnet (tried from nas)",
        ),
    ],
)
def test_each_finding_has_its_sentence(views: dict[str, t.Any], path: str, value: t.Any, sentence: str) -> None:
    broken = change({**views}, path, value) if "~~" not in path else _change_listener(views, path, value)
    assert sentence in _verify.findings(broken, MANAGED)


def _change_listener(views: dict[str, t.Any], path: str, value: t.Any) -> dict[str, t.Any]:
    changed = copy.deepcopy(views)
    changed["nas"]["syncthing"]["listeners"][path.split("listeners/")[1].replace("~~", "//")] = value
    return changed


def test_a_dial_error_is_said_with_the_address(views: dict[str, t.Any]) -> None:
    broken = change(views, "nas/syncthing/connections/PI-ID/connected", False)
    broken["nas"]["syncthing"]["dials"]["tcp://pi:22000"] = {"error": "i/o timeout"}
    assert "nas is not connected to pi (tcp://pi:22000: i/o timeout)" in _verify.findings(broken, MANAGED)


def test_a_syncthing_before_remote_state_was_told(views: dict[str, t.Any]) -> None:
    old = change(views, "nas/syncthing/folders/documents/completion/PI-ID/remote_state", None)
    assert _verify.findings(old, MANAGED) == []


def test_a_door_that_the_user_opened_is_no_finding(views: dict[str, t.Any]) -> None:
    opened = change(views, "nas/seen/tcp", [{"address": ADDRESSES["pi"], "port": 443, "open": True, "error": None}])
    assert len(_verify.findings(opened, MANAGED)) == 1
    assert _verify.findings(opened, MANAGED, open_ports=[443]) == []


def test_doors_of_the_others_without_the_addresses_every_docker_host_has(views: dict[str, t.Any]) -> None:
    doors = _verify.doors_to_try(views, "nas")
    assert {door["address"] for door in doors} == {ADDRESSES["pi"]}
    assert {door["port"] for door in doors} == {22, 8384, 22000}
    assert _verify.addresses_to_ping(views, "nas") == ["100.64.0.2"]
