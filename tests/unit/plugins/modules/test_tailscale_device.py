# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""tailscale_device against a double of both APIs."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _control, _device
from control_double import KEY_OF_HEADSCALE, SECRET_OF_HEADSCALE, TOKEN, ControlServer
from control_facts import APIS
from module_call import ModuleFailed, call

# API, and the option and value of its credential
KINDS = [
    ("tailscale", {"api_token": TOKEN}),
    ("headscale-0.26", {"api": "headscale", "api_token": KEY_OF_HEADSCALE}),
    ("headscale-0.28", {"api": "headscale", "api_token": KEY_OF_HEADSCALE}),
    ("headscale-0.30", {"api": "headscale", "api_token": KEY_OF_HEADSCALE}),
    ("headscale-0.30", {"api": "headscale", "oauth_client_secret": SECRET_OF_HEADSCALE}),
    ("headscale-0.30", {"api": "tailscale", "api_token": KEY_OF_HEADSCALE}),
]


class Tailnet(t.NamedTuple):
    server: ControlServer
    options: dict[str, t.Any]
    machines: list[dict[str, t.Any]]
    is_v2: bool

    def remove(self, name: str, check_mode: bool = False, **more: t.Any) -> dict[str, t.Any]:
        return call("tailscale_device", check_mode=check_mode, base_url=self.server.url, name=name, **self.options, **more)

    @property
    def deleted(self) -> list[str]:
        return [path for method, path in self.server.requests if method == "DELETE"]

    def bring_up(self, machine: dict[str, t.Any]) -> None:
        """As this version shows a machine that is online."""
        if not self.is_v2:
            machine["online"] = True
        elif self.server.api == "tailscale":
            machine["connectedToControl"] = True
        else:
            del machine["lastSeen"]


@pytest.fixture(autouse=True)
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_device, "RECONNECT", 0)


@pytest.fixture(params=KINDS, ids=lambda kind: f"{kind[0]}-{kind[1].get('api')}-{sorted(kind[1])[-1]}")
def tailnet(request: pytest.FixtureRequest) -> t.Iterator[Tailnet]:
    """An old machine nas (1), offline; and pi (2), whose host name is nas."""
    name, options = request.param
    server, facts = ControlServer(name), APIS[name]["requests"]
    v2 = options.get("api") != "headscale" or "oauth_client_secret" in options
    listed = facts["list_devices" if name == "tailscale" else "v2_list_devices"] if v2 else facts["list_nodes"]
    (recorded, *_more), *_others = listed["answer"].values()
    ids = {"id": "2", "nodeId": "2"} if v2 else {"id": "2"}
    other = {"name": "pi.tail1234.ts.net", "hostname": "nas"} if v2 else {"givenName": "pi", "name": "nas"}
    machines = server.devices if v2 else server.nodes
    machines[:] = [{**recorded, **dict.fromkeys(ids, "1")}, {**recorded, **ids, **other}]
    yield Tailnet(server, options, machines, v2)
    server.close()


def test_machine_that_is_offline_is_removed_once(tailnet: Tailnet) -> None:
    found = tailnet.remove("nas", check_mode=True)
    assert (found["changed"], tailnet.deleted) == (True, [])
    done = tailnet.remove("nas")
    assert (done["changed"], done["devices"]) == (True, found["devices"])
    assert done["devices"][0].items() >= {"id": "1", "name": "nas", "online": False, "last_seen": "2026-11-24T11:00:00Z"}.items()
    assert [machine["id"] for machine in tailnet.machines] == ["2"]
    again = tailnet.remove("nas")
    assert (again["changed"], again["devices"], len(tailnet.deleted)) == (False, [], 1)


def test_machine_that_is_online_is_not_removed(tailnet: Tailnet) -> None:
    tailnet.bring_up(tailnet.machines[0])
    with pytest.raises(ModuleFailed, match=r"^nas is online in the tailnet \(100\.64\.0\.1\), so it is not removed: switch"):
        tailnet.remove("nas")
    assert tailnet.deleted == []


def test_machine_that_comes_back_after_a_start_of_headscale_is_not_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Headscale that has just started shows all machines as offline, and when they were last seen before its stop."""
    server = ControlServer("headscale-0.28")
    machine = {"id": "1", "givenName": "nas", "ipAddresses": ["100.64.0.1"], "online": False, "lastSeen": "2026-11-01T12:00:00Z"}
    server.nodes[:] = [machine]
    waits: list[float] = []

    def connect(seconds: float) -> None:
        waits.append(seconds)
        machine["online"] = True

    monkeypatch.setattr(_device, "RECONNECT", 45)
    monkeypatch.setattr(_control.Control.__init__, "__defaults__", (connect,))
    options: dict[str, t.Any] = {"api": "headscale", "api_token": KEY_OF_HEADSCALE, "base_url": server.url, "name": "nas"}
    assert call("tailscale_device", check_mode=True, **options)["changed"]
    with pytest.raises(ModuleFailed, match=r"^nas is online in the tailnet"):
        call("tailscale_device", **options)
    assert (waits, [method for method, _path in server.requests]) == ([45], ["GET"] * 3)
    server.close()


def test_machine_to_keep_is_not_removed(tailnet: Tailnet) -> None:
    assert not tailnet.remove("nas", keep=["1"])["changed"]
    assert tailnet.remove("NAS", keep=["2"])["changed"]


def test_machine_that_vanishes_meanwhile_is_no_error(tailnet: Tailnet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_control, "PAUSE", 0.01)
    listing, gone = tailnet.machines, list(tailnet.machines)
    answer = tailnet.server.respond

    def respond(method: str, *arguments: t.Any) -> t.Any:
        if method == "DELETE":
            listing.clear()
        return answer(method, *arguments)

    monkeypatch.setattr(tailnet.server, "respond", respond)
    assert tailnet.remove("nas")["changed"]
    assert gone


@pytest.mark.parametrize("name", ["", " ", "nas.example.org", "../1", "nas pi"])
def test_bad_name_is_refused_before_any_request(tailnet: Tailnet, name: str) -> None:
    with pytest.raises(ModuleFailed, match=r"^name is "):
        tailnet.remove(name)
    assert tailnet.server.requests == []


def test_shared_machine_of_another_tailnet_is_left_alone() -> None:
    server = ControlServer("tailscale")
    server.devices[:] = [{"nodeId": "n1", "name": "nas.other.ts.net", "isExternal": True, "connectedToControl": False}]
    assert not call("tailscale_device", base_url=server.url, api_token=TOKEN, name="nas")["changed"]
    server.close()


@pytest.mark.parametrize("body", ["{}", '{"devices": null}', '{"devices": {}}'])
def test_answer_without_a_list_is_an_error(body: str) -> None:
    server = ControlServer("tailscale")
    server.script = [(200, {}, body)]
    with pytest.raises(ModuleFailed, match="has no list of devices"):
        call("tailscale_device", base_url=server.url, api_token=TOKEN, name="nas")
    server.close()
