# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other Syncthings, other programs at its ports, and old versions: refused, warned of, or left alone."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import other_syncthing

HOME, OLD = "/var/lib/syncthing", "/home/admin/.config/syncthing"
Json = dict[str, t.Any]


def daemon(unit: str = "syncthing@admin.service", home: str | None = OLD, **changes: t.Any) -> Json:
    found = {"pids": [10, 11], "user": "admin", "unit": unit, "home": home, "contained": False, "by_user": False}
    return {**found, "is_main": bool(unit), **changes}


def holder(address: str = "::", pid: int = 11, port: int = 22000, process: str = "syncthing", unit: str = "x.service") -> Json:
    return {"port": port, "address": address, "pid": pid, "process": process, "unit": unit}


OWN = daemon("syncthing@syncthing.service", HOME, user="syncthing")
DEVICES = {"host": "", "port": 22000}
ADMIN = {"syncthing_user": "admin"}
TAKE_OVER = {"syncthing_user": "admin", "syncthing_home": OLD}


def host(daemons: t.Sequence[Json] = (), holders: t.Sequence[Json] = (), **changes: t.Any) -> Json:
    rest = {"forwarded": [], "enabled": [], "candidate": None, "shows": [], "wanted": [DEVICES], **changes}
    return {
        "syncthing": rest.pop("syncthing", {}),
        "packages": rest.pop("packages", {}),
        "tailscaled": {"node": {"status": {"TailscaleIPs": ["100.64.0.2"]}}},
        "syncthings": {"daemons": list(daemons), "holders": list(holders), **rest},
    }


def wanted(variables: Json) -> Json:
    gui = "/run/syncthing/gui.sock"
    own = {"syncthing_user": "syncthing", "syncthing_home": HOME, "syncthing_mesh_port": 22000, "syncthing_gui_address": gui}
    return {**own, **variables}


def at(*addresses: str, port: int = 22000) -> list[Json]:
    return [{"host": address, "port": port} for address in addresses]


GUI = {"syncthing_gui_address": "127.0.0.1:8384"}


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, host()),
        ({}, host([OWN], [holder("100.64.0.2")])),  # each later run
        (TAKE_OVER, host([daemon()], [holder(), holder("127.0.0.1", port=8384)])),  # before the first drop-in
        (TAKE_OVER, host([daemon(home=OLD + "/")], [holder()])),
        (ADMIN, host([daemon(home=None)], [holder()])),  # unknown is no reason
        (ADMIN, host([daemon()], [holder()], syncthing={"was_set_up": True})),  # a run that died before the restart
        (ADMIN, host([daemon()], [holder()], syncthing={"elsewhere": [{"user": "admin", "home": OLD}]})),  # moved
        ({**ADMIN, "tailsync_accept": ["new_identity"]}, host([daemon()], [holder()])),
        ({**ADMIN, "syncthing_certificate": "x"}, host([daemon()], [holder()])),
        ({}, host([daemon()], [])),  # at other ports
        ({}, host([daemon()], [holder("192.168.1.5")])),
        ({}, host([daemon()], [holder("127.0.0.1")])),
        ({}, host([], [], forwarded=[{"port": 22000, "address": "192.168.1.5"}])),
        ({"syncthing_mesh_port": 22001}, host([], [], forwarded=[{"port": 22000, "address": ""}], wanted=at("", port=22001))),
        ({"syncthing_mesh_port": 22001}, host([daemon()], [holder()], wanted=at("", port=22001))),
        ({}, host([daemon()], [holder("100.64.0.2")], wanted=at("192.168.1.5"))),  # own listen addresses
        (GUI, host([daemon()], [holder("192.168.1.5", port=8384)], wanted=[DEVICES, *at("127.0.0.1", port=8384)])),
        (GUI, host([], [], forwarded=[{"port": 8384, "address": ""}], wanted=[DEVICES, *at("127.0.0.1", port=8384)])),
        ({}, host([], [], enabled=["admin"])),
        ({}, {"syncthing": {}}),
    ],
)
def test_ordinary_host_is_accepted(variables: Json, found: Json) -> None:
    assert other_syncthing.refusals(found, wanted(variables)) == []


@pytest.mark.parametrize(
    ("variables", "found", "words"),
    [
        (
            {},
            host([daemon()], [holder(), holder("0.0.0.0")]),
            ["syncthing@admin.service (of admin", "*:22000", "disable --now syncthing@admin.service", f"syncthing_home: {OLD}"],
        ),
        ({}, host([daemon()], [holder("100.64.0.2")]), ["100.64.0.2:22000"]),
        ({}, host([daemon("syncthing.service", by_user=True)], [holder()]), ["as admin, run `systemctl --user disable"]),
        ({}, host([daemon("")], [holder()]), ["process 10", "end process 10"]),
        ({}, host([daemon("", None, contained=True)], [holder()]), ["in a container", "stop its container"]),
        (
            GUI,
            host([daemon()], [holder("127.0.0.1", port=8384)], wanted=at("127.0.0.1", port=8384)),
            ["127.0.0.1:8384", "another port (syncthing_gui_address)"],
        ),
        (
            GUI,
            host([daemon()], [holder(), holder("127.0.0.1", port=8384)], wanted=[DEVICES, *at("localhost", port=8384)]),
            ["*:22000 and 127.0.0.1:8384", "another port (syncthing_mesh_port and syncthing_gui_address)"],
        ),
        ({"syncthing_mesh_port": 22005}, host([daemon()], [holder(port=22005)], wanted=at("", port=22005)), ["*:22005"]),
        (
            {},
            host([daemon()], [holder("192.168.1.5")], wanted=at("192.168.1.5")),
            ["192.168.1.5:22000", "another port (syncthing_listen_addresses or syncthing_mesh_options)"],
        ),
        ({}, host([daemon()], [holder()], wanted=at("100.64.0.2")), ["another port (syncthing_mesh_port)"]),
        (
            {},
            host([daemon()], [holder(port=22006)], wanted=at("100.64.0.2", port=22006)),
            ["*:22006", "another port (syncthing_listen_addresses or syncthing_mesh_options)"],
        ),
        (
            {},
            host([daemon("cron.service", is_main=False)], [holder()]),
            ["process 10 (of admin", "end process 10 and what starts it (started in cron.service)"],
        ),
        (ADMIN, host([daemon()], [holder()]), [f"home in {OLD}", "a new device", f"syncthing_home: {OLD}", "new_identity"]),
        (TAKE_OVER, host([daemon("syncthing.service", by_user=True)], [holder()]), ["uses syncthing_home", "--user disable"]),
        (TAKE_OVER, host([daemon("")], [holder()]), ["uses syncthing_home", "end process 10"]),
        ({}, host([], [holder(pid=7, process="docker-proxy")]), ["docker-proxy (process 7", "publishes a container's port"]),
        ({}, host([], [holder(pid=7, process="conmon")]), ["conmon (process 7", "publishes a container's port"]),
        ({}, host([], [holder(pid=0)]), ["an unknown program"]),
        ({}, host([OWN], [holder("100.64.0.2")], forwarded=[{"port": 22000, "address": ""}]), ["forwarded to a container"]),
    ],
)
def test_syncthing_in_the_way_is_refused_once_with_the_fix(variables: Json, found: Json, words: list[str]) -> None:
    said = other_syncthing.refusals(found, wanted(variables))
    assert len(said) == 1
    assert all(word in said[0] for word in words), said


@pytest.mark.parametrize("user", ["root", "the user ID 1234"])
def test_syncthing_of_root_or_of_no_account_is_not_to_be_taken_over(user: str) -> None:
    (said,) = other_syncthing.refusals(host([daemon(user=user)], [holder()]), wanted({}))
    assert "stop it" in said
    assert "take it over" not in said


def test_syncthing_that_keeps_running_or_starts_at_boot_is_warned_of() -> None:
    said = other_syncthing.warnings(host([daemon()], [holder("192.168.1.5")], enabled=["admin", "bob", "syncthing"]), wanted({}))
    assert len(said) == 2
    assert "syncthing@admin.service (of admin" in said[0]
    assert "systemctl disable syncthing@bob" in said[1]
    assert other_syncthing.warnings(host([OWN], [holder("100.64.0.2")], enabled=["syncthing"]), wanted({})) == []


@pytest.mark.parametrize(("closed", "expected"), [(True, 0), (False, 1)])
def test_other_syncthing_is_warned_of_only_until_the_firewall_is_closed(closed: bool, expected: int) -> None:
    found = {**host([daemon()], [holder(port=22001)]), "as_declared": {"ufw_policy": closed, "tailscale_node": None}}
    assert len(other_syncthing.warnings(found, wanted({}))) == expected


@pytest.mark.parametrize(
    ("shown", "was_set_up", "expected"),
    [
        (["listenAddress default", "relaysEnabled"], False, 1),
        (["relaysEnabled"], True, 0),  # the user's own wish, by syncthing_mesh_options
        ([], False, 0),
    ],
)
def test_what_a_taken_over_syncthing_shows_is_named(shown: list[str], was_set_up: bool, expected: int) -> None:
    found = host([daemon()], [holder()], shows=shown, syncthing={"was_set_up": was_set_up})
    said = other_syncthing.warnings(found, wanted(TAKE_OVER))
    assert len(said) == expected
    assert all(f"in {OLD} is taken over" in text and ", ".join(shown) in text for text in said)


@pytest.mark.parametrize(
    ("source", "installed", "candidate", "words"),
    [
        ("distribution", "1.18.0~ds1-1", None, ["1.18.0~ds1-1 is installed", "vendor", "apt-get remove syncthing"]),
        ("distribution", None, "1.12.1~ds1-4+b2", ["of this distribution", "vendor"]),
        ("vendor", "1:1.18.0", None, ["apt-get remove syncthing"]),
        ("vendor", None, "1.18.0", []),
        ("distribution", None, None, []),
        ("distribution", "1.19.2~ds1-1+b4", None, []),
        ("distribution", "1:1.29.5~ds1-2+b5", None, []),
        ("distribution", "2.0.10", None, []),
        ("distribution", "snapshot", None, []),
    ],
)
def test_syncthing_too_old_is_refused(source: str, installed: str | None, candidate: str | None, words: list[str]) -> None:
    packages = {"syncthing": {"version": installed}} if installed else {}
    variables = wanted({"syncthing_package_source": source})
    said = other_syncthing.version_refusals(host(packages=packages, candidate=candidate), variables)
    assert len(said) == bool(words)
    assert all(word in said[0] for word in words)
