# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin, run by ansible-inventory as users run it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
from control_double import SECRET, TOKEN, ControlServer

STATUS = {
    "BackendState": "Running",
    "CurrentTailnet": {"MagicDNSSuffix": "tail1234.ts.net"},
    "Self": {
        "ID": "n0",
        "DNSName": "laptop.tail1234.ts.net.",
        "HostName": "laptop",
        "OS": "linux",
        "TailscaleIPs": ["100.64.0.9"],
    },
    "Peer": {
        "key1": {
            "ID": "n1",
            "DNSName": "nas.tail1234.ts.net.",
            "HostName": "nas-in-the-attic",
            "OS": "linux",
            "TailscaleIPs": ["100.64.0.1", "fd7a:115c:a1e0::1"],
            "Online": True,
            "Tags": ["tag:server"],
        },
        "key2": {
            "ID": "n2",
            "DNSName": "phone.tail1234.ts.net.",
            "HostName": "phone",
            "OS": "iOS",
            "TailscaleIPs": ["100.64.0.2"],
        },
        "key3": {"ID": "n3", "DNSName": "nas.other.ts.net.", "HostName": "nas", "OS": "linux", "TailscaleIPs": ["100.64.0.3"]},
    },
}


@pytest.fixture
def server() -> t.Iterator[ControlServer]:
    made = ControlServer()
    yield made
    made.close()


@pytest.fixture
def ask(tmp_path: pathlib.Path) -> t.Callable[..., dict[str, t.Any]]:
    """What ansible-inventory says of an inventory file with these options."""

    def run(succeeds: bool = True, **options: t.Any) -> dict[str, t.Any]:
        path = tmp_path / "lab.tailnet.yml"
        path.write_text(json.dumps({"plugin": "homelab.tailsync.tailnet", **options}), encoding="utf-8")
        done = subprocess.run(
            [pathlib.Path(sys.executable).with_name("ansible-inventory"), "-i", path, "--list"],
            env={
                **os.environ,
                "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
                "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
                "TS_API_TOKEN": "",
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "[DEPRECATION" not in done.stderr
        if not succeeds:
            assert done.returncode != 0
            return {"error": " ".join(done.stderr.split())}
        assert done.returncode == 0, done.stderr
        # What comes from outside is marked as not to be templated.
        return dict(json.loads(done.stdout, object_hook=lambda item: item.get("__ansible_unsafe", item)))

    (tmp_path / "ansible.cfg").write_text("[defaults]\n", encoding="ascii")
    return run


def command(tmp_path: pathlib.Path, status: dict[str, t.Any]) -> str:
    (tmp_path / "status.json").write_text(json.dumps(status), encoding="utf-8")
    script = tmp_path / "tailscale"
    script.write_text(f'#!/bin/sh\n[ "$*" = "status --json" ] && cat {tmp_path}/status.json\n', encoding="ascii")
    script.chmod(0o755)
    return str(script)


def test_what_the_controller_itself_sees(ask: t.Any, tmp_path: pathlib.Path) -> None:
    found = ask(tailscale_command=command(tmp_path, STATUS), groups={"tailsync": "'tag:server' in tailnet_tags"})
    hosts = found["_meta"]["hostvars"]
    assert sorted(hosts) == ["nas", "phone"]
    assert hosts["nas"]["ansible_host"] == hosts["nas"]["tailnet_dns_name"] == "nas.tail1234.ts.net"
    assert (hosts["nas"]["tailnet_hostname"], hosts["nas"]["tailnet_ipv6"]) == ("nas-in-the-attic", "fd7a:115c:a1e0::1")
    groups = {name: group["hosts"] for name, group in found.items() if "hosts" in group}
    assert groups == {
        "tag_server": ["nas"],
        "os_linux": ["nas"],
        "os_ios": ["phone"],
        "online": ["nas"],
        "offline": ["phone"],
        "tailsync": ["nas"],
    }


def test_offline_machines_and_the_controller_itself_are_optional(ask: t.Any, tmp_path: pathlib.Path) -> None:
    options = {"tailscale_command": command(tmp_path, STATUS), "address": "ipv4"}
    assert sorted(ask(offline=False, **options)["_meta"]["hostvars"]) == ["nas"]
    with_self = ask(include_self=True, **options)["_meta"]["hostvars"]
    assert with_self["laptop"]["ansible_host"] == "100.64.0.9"


def test_tailscales_api(ask: t.Any, server: ControlServer) -> None:
    found = ask(
        source="tailscale", base_url=server.url, oauth_client_secret=SECRET, keyed_groups=[{"key": "tailnet_os", "prefix": "is"}]
    )
    assert sorted(found["_meta"]["hostvars"]) == ["nas", "phone"], "the unapproved and the foreign one are left out"
    assert found["tag_home"]["hosts"] == found["tag_server"]["hosts"] == found["is_linux"]["hosts"] == ["nas"]


def test_headscales_api(ask: t.Any, server: ControlServer) -> None:
    found = ask(source="headscale", base_url=server.url, api_token=TOKEN)
    assert found["_meta"]["hostvars"]["nas"]["ansible_host"] == "100.64.0.1"
    assert (found["online"]["hosts"], found["offline"]["hosts"]) == (["nas"], ["pi"])
    assert (found["tag_server"]["hosts"], found["tag_home"]["hosts"]) == (["nas"], ["pi"])


def test_the_cache_spares_the_api(ask: t.Any, server: ControlServer, tmp_path: pathlib.Path) -> None:
    cache = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache")}
    first = ask(source="tailscale", base_url=server.url, api_token=TOKEN, **cache)
    asked = len(server.requests)
    assert ask(source="tailscale", base_url=server.url, api_token=TOKEN, **cache) == first
    assert len(server.requests) == asked == 1
    assert all(TOKEN not in path.read_text(encoding="utf-8") for path in (tmp_path / "cache").iterdir())


def test_each_error_has_its_sentence(ask: t.Any, server: ControlServer, tmp_path: pathlib.Path) -> None:
    stopped = command(tmp_path, {**STATUS, "BackendState": "Stopped"})
    api = {"source": "tailscale", "base_url": server.url}
    for options, words in (
        ({"tailscale_command": "/no/such/command"}, "Is tailscale_command right?"),
        ({"tailscale_command": "false"}, "Is tailscaled running on the controller?"),
        ({"tailscale_command": stopped}, "own Tailscale is Stopped, not Running"),
        (api, "neither api_token nor oauth_client_secret is set"),
        ({**api, "api_token": "tskey-api-wrong"}, "does not accept the credentials (401"),
        ({"source": "headscale", "api_token": TOKEN}, "set base_url to your Headscale's address"),
    ):
        error = ask(succeeds=False, **options)["error"]
        assert words in error, error
        assert "tskey-api-wrong" not in error
