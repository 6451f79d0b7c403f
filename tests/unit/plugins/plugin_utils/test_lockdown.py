# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A locked-down host depends on tailscaled starting at boot, the tailnet's interface and the control server."""

from __future__ import annotations

import os
import pathlib
import socket
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._host import boot, control
from ansible_collections.homelab.tailsync.plugins.plugin_utils import lockdown
from module_call import call

Json = t.Dict[str, t.Any]  # noqa: UP006
NODE: Json = {
    "backend_state": "Running", "ipv4": "100.64.0.1", "addresses": ["100.64.0.1", "fd7a:115c:a1e0::1"], "tun": True,
    "key_expiry_days": None,
}  # fmt: skip
SERVICE: Json = {"unit": "tailscaled.service", "unit_state": "enabled", "starts_at_boot": True, "forgets": False}
INTERFACES = {"eth0": ["192.168.1.10"], "tailscale0": NODE["addresses"], "wg0": ["10.9.0.1"]}
SERVER: Json = {"url": "https://hs.example.org:8090", "port": 8090, "own": True, "reachable": True}

LOST: Json = {**SERVER, "own": False, "reachable": False, "error": "timed out"}


def depends(**more: t.Any) -> Json:
    return {"service": SERVICE, "interfaces": INTERFACES, "here": [], **more}


@pytest.mark.parametrize(
    ("found", "variables", "words"),
    [
        (depends(), {}, None),
        (
            depends(),
            {"firewall_tailnet_interface": "eth0"},
            "eth0, which does not carry this node's address .* set it to tailscale0",
        ),
        (depends(), {"firewall_tailnet_interface": "wg0"}, "wg0, which does not carry"),
        (depends(), {"firewall_tailnet_interface": "tailscale1"}, "tailscale1, which does not exist"),
        (depends(interfaces={"eth0": ["192.168.1.10"]}), {}, "no interface does: is tailscaled in a network namespace"),
        (
            depends(service={**SERVICE, "unit_state": "disabled", "starts_at_boot": False}),
            {},
            "which is disabled and so not started at boot; .* run `systemctl enable tailscaled.service`",
        ),
        (
            depends(service={**SERVICE, "unit_state": "masked", "starts_at_boot": False}),
            {},
            "`systemctl unmask tailscaled.service` and `systemctl enable tailscaled.service`",
        ),
        (depends(service={"unit": "session-3.scope", "starts_at_boot": False}), {}, r"started by hand \(session-3.scope\)"),
        (depends(service={"unit": "", "starts_at_boot": None}), {}, None),  # a container: a warning
        (depends(here=[SERVER]), {}, r"set firewall_public_ports: \[8090/tcp\] for this host"),
        (depends(here=[SERVER]), {"firewall_public_ports": ["80/tcp"]}, r"\[80/tcp, 8090/tcp\]"),
        (depends(here=[SERVER]), {"firewall_public_ports": ["8090/udp"]}, "8090 would be closed"),
        (depends(here=[SERVER]), {"firewall_public_ports": ["8000:9000/tcp"]}, None),
        (depends(here=[SERVER]), {"firewall_extra_rules": [{"from": "192.168.0.0/16", "port": "8090"}]}, None),
        (depends(here=[SERVER]), {"firewall_extra_rules": [{"interface": "tailscale0", "port": "8090"}]}, "would be closed"),
        (depends(here=[SERVER]), {"firewall_extra_rules": [{"app": "OpenSSH"}]}, "would be closed"),
        (depends(here=[SERVER]), {"firewall_extra_rules": [{"app": "Nginx Full"}]}, None),
        (depends(here=[SERVER]), {"firewall_purge": False}, None),
        (depends(control_server={**SERVER, "own": False}), {}, None),
        # For example a server that an earlier run closed.
        (
            depends(control_server=LOST),
            {},
            r"no new connection .*hs\.example\.org.* put 8090/tcp into that host's firewall_public",
        ),
        (depends(control_server=LOST, service={**SERVICE, "proxied": True}), {}, None),
    ],
)
def test_host_that_would_be_unreachable_after_a_reboot_is_refused(found: Json, variables: Json, words: str | None) -> None:
    refusals = lockdown.refusals(NODE, found, variables)
    if words is None:
        assert refusals == []
    else:
        with pytest.raises(AssertionError, match=words):
            raise AssertionError("; ".join(refusals))


def test_unknown_start_at_boot_gives_a_warning() -> None:
    assert lockdown.warnings(depends(), ephemeral=False) == []
    (container,) = lockdown.warnings(depends(service={"unit": "", "starts_at_boot": None}), ephemeral=False)
    assert "runs in no service of systemd, such as in a container" in container
    (memory,) = lockdown.warnings(depends(service={**SERVICE, "forgets": True}), ephemeral=False)
    assert "--state=mem:" in memory
    (ephemeral,) = lockdown.warnings(depends(), ephemeral=True)
    assert "tailscale_ephemeral" in ephemeral


def test_control_server_must_be_reachable_only_if_it_was_before() -> None:
    good, bad = {"reachable": True}, {"reachable": False}
    assert lockdown.lost_control(good, bad)
    assert lockdown.lost_control(good, None)
    assert not lockdown.lost_control(good, good)
    for before in (bad, None, {}):
        assert not lockdown.lost_control(before, bad)


@pytest.mark.parametrize(
    ("cgroups", "unit"),
    [
        ("0::/system.slice/tailscaled.service\n", "tailscaled.service"),
        ("9:name=systemd:/\n1:cpu:/\n0::/system.slice/tailscaled.service\n", "tailscaled.service"),
        ("1:name=systemd:/system.slice/tailscaled.service\n2:cpu:/\n", "tailscaled.service"),
        ("0::/system.slice/snap.tailscale.tailscaled.service\n", "snap.tailscale.tailscaled.service"),
        ("0::/system.slice/tailscale-quadlet.service/libpod-payload-1\n", "tailscale-quadlet.service"),
        ("0::/system.slice/docker-0123456789ab.scope\n", ""),
        ("0::/machine.slice/libpod-0123.scope/container\n", ""),
        ("0::/docker/0123456789ab\n", ""),
        ("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-1.scope\n", ""),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope"),
        ("0::/\n", ""),
        ("", ""),
    ],
)
def test_unit_of_a_process_comes_from_its_cgroup(cgroups: str, unit: str) -> None:
    assert boot.unit_of(cgroups) == unit


@pytest.mark.parametrize(
    ("shown", "starts"),
    [
        ("UnitFileState=enabled", True),
        ("UnitFileState=generated", True),
        ("UnitFileState=disabled\nWantedBy=", False),
        ("UnitFileState=disabled\nWantedBy=my-vpn.target", True),
        ("UnitFileState=static\nTriggeredBy=tailscaled.timer", True),
        ("UnitFileState=static\nWantedBy=", None),
        ("UnitFileState=transient", False),
        ("UnitFileState=enabled-runtime", False),
        ("UnitFileState=masked\nWantedBy=multi-user.target", False),
        ("UnitFileState=", None),
    ],
)
def test_start_of_a_unit_at_boot_is_read_from_systemd(shown: str, starts: bool | None) -> None:
    assert boot.starts_at_boot(lambda _command: (0, f"LoadState=loaded\n{shown}\n", ""), "x.service")[0] is starts
    assert boot.starts_at_boot(lambda _command: (1, "", "no systemd"), "x.service") == (None, "")


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://controlplane.tailscale.com", "controlplane.tailscale.com", 443),
        ("http://hs.lan:8080", "hs.lan", 8080),
        ("http://[fd00::1]:8080/path", "fd00::1", 8080),
        ("http://hs.lan", "hs.lan", 80),
        ("https://hs.lan:port", "", 0),
        ("", "", 443),
    ],
)
def test_host_and_port_of_a_control_server_url(url: str, host: str, port: int) -> None:
    assert control.split(url) == (host, port)


@pytest.mark.parametrize(
    ("name", "addresses", "own"),
    [
        ("192.168.1.10", ["192.168.1.10"], True),
        ("hs.example.org", ["203.0.113.7", "192.168.1.10"], True),
        ("hs.example.org", ["127.0.1.1"], True),  # its own name, in its own /etc/hosts
        ("hs.example.org", ["203.0.113.7"], False),
        ("127.0.0.1", ["127.0.0.1"], False),  # every machine has this address
        ("localhost", ["127.0.0.1", "::1"], False),
        ("hs.example.org", [], False),
    ],
)
def test_control_server_on_this_host_is_recognised(name: str, addresses: list[str], own: bool) -> None:
    assert control.is_own(name, addresses, ["192.168.1.10", "127.0.0.1"]) is own


def test_connection_to_the_control_server_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "PAUSE", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        assert control.gather(url, [], 1)["reachable"]
    found = control.gather(url, [], 1, wait=0.05)
    assert (found["reachable"], found["own"]) == (False, False)
    assert "refused" in found["error"]


def test_process_that_listens_on_a_socket_is_found(short_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel knows the process; here it is this one."""
    path = short_path / "tailscaled.sock"
    assert boot.listener(str(path)) == 0
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        found = boot.gather(lambda _command: (1, "", ""), str(path))
    assert found["pid"] == os.getpid()
    assert found["starts_at_boot"] in (None, False)


def test_lockdown_info_works_without_tailscaled(tmp_path: pathlib.Path) -> None:
    found = call("lockdown_info", socket=str(tmp_path / "none"), login_servers=["http://127.0.0.1:1"], interface="lo")
    assert found["control_server"] is None
    assert found["here"] == []
    assert found["service"]["pid"] == 0
    assert "127.0.0.1" in found["interface_addresses"]
