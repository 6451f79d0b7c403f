# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin, run by ansible-inventory as users run it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import typing as t

import pytest
from ansible.errors import AnsibleParserError
from ansible_collections.homelab.tailsync.plugins.inventory import tailnet
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _control
from control_double import SECRET, TOKEN, ControlServer
from playbook import program

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
CREDENTIALS = ("TS_API_TOKEN", "TS_OAUTH_CLIENT_SECRET", "HEADSCALE_API_KEY")
WRONG = "tskey-api-wrong"


@pytest.fixture
def server() -> t.Iterator[ControlServer]:
    made = ControlServer()
    yield made
    made.close()


@pytest.fixture
def ask(tmp_path: pathlib.Path) -> t.Callable[..., dict[str, t.Any]]:
    """Run ansible-inventory on an inventory file with these options."""

    def run(succeeds: bool = True, environment: t.Mapping[str, str] | None = None, **options: t.Any) -> dict[str, t.Any]:
        path = tmp_path / "lab.tailnet.yml"
        path.write_text(json.dumps({"plugin": "homelab.tailsync.tailnet", **options}), encoding="utf-8")
        done = subprocess.run(
            [program("ansible-inventory"), "-i", path, "--list"],
            env={
                **{name: value for name, value in os.environ.items() if name not in CREDENTIALS},
                "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
                "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
                **(environment or {}),
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
        # Values from outside are marked as unsafe, so that they are not templated.
        return dict(json.loads(done.stdout, object_hook=lambda item: item.get("__ansible_unsafe", item)))

    (tmp_path / "ansible.cfg").write_text("[defaults]\n", encoding="ascii")
    return run


def command(tmp_path: pathlib.Path, status: dict[str, t.Any]) -> str:
    (tmp_path / "status.json").write_text(json.dumps(status), encoding="utf-8")
    script = tmp_path / "tailscale"
    script.write_text(f'#!/bin/sh\n[ "$*" = "status --json" ] && cat {tmp_path}/status.json\n', encoding="ascii")
    script.chmod(0o755)
    return str(script)


def test_hosts_that_the_controllers_tailscaled_lists(ask: t.Any, tmp_path: pathlib.Path) -> None:
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


def test_offline_machines_and_the_controller_are_optional(ask: t.Any, tmp_path: pathlib.Path) -> None:
    options = {"tailscale_command": command(tmp_path, STATUS), "address": "ipv4"}
    assert sorted(ask(offline=False, **options)["_meta"]["hostvars"]) == ["nas"]
    with_self = ask(include_self=True, **options)["_meta"]["hostvars"]
    assert with_self["laptop"]["ansible_host"] == "100.64.0.9"


def test_hosts_from_the_api_of_tailscale(ask: t.Any, server: ControlServer) -> None:
    found = ask(
        source="tailscale", base_url=server.url, oauth_client_secret=SECRET, keyed_groups=[{"key": "tailnet_os", "prefix": "is"}]
    )
    assert sorted(found["_meta"]["hostvars"]) == ["nas", "phone"], "unapproved and shared machines are left out"
    assert found["tag_home"]["hosts"] == found["tag_server"]["hosts"] == found["is_linux"]["hosts"] == ["nas"]


def test_hosts_from_the_api_of_headscale(ask: t.Any, server: ControlServer) -> None:
    found = ask(source="headscale", base_url=server.url, headscale_api_key=TOKEN)
    assert found["_meta"]["hostvars"]["nas"]["ansible_host"] == "100.64.0.1"
    assert (found["online"]["hosts"], found["offline"]["hosts"]) == (["nas"], ["pi"])
    assert (found["tag_server"]["hosts"], found["tag_home"]["hosts"]) == (["nas"], ["pi"])


@pytest.mark.parametrize(
    ("environment", "options"),
    [
        ({"HEADSCALE_API_KEY": TOKEN, "TS_API_TOKEN": WRONG, "TS_OAUTH_CLIENT_SECRET": WRONG}, {"source": "headscale"}),
        ({"HEADSCALE_API_KEY": WRONG, "TS_API_TOKEN": TOKEN}, {"source": "tailscale"}),
        ({"HEADSCALE_API_KEY": WRONG, "TS_OAUTH_CLIENT_SECRET": SECRET}, {"source": "tailscale"}),
        (dict.fromkeys(CREDENTIALS, WRONG), {"source": "headscale", "headscale_api_key": TOKEN}),
        (dict.fromkeys(CREDENTIALS, WRONG), {"source": "tailscale", "api_token": TOKEN}),
        (dict.fromkeys(CREDENTIALS, WRONG), {"source": "tailscale", "oauth_client_secret": SECRET}),
    ],
)
def test_each_secret_is_sent_only_to_its_own_server(
    ask: t.Any, server: ControlServer, environment: t.Any, options: t.Any
) -> None:
    """And the file takes precedence over the environment."""
    assert "nas" in ask(base_url=server.url, environment=environment, **options)["_meta"]["hostvars"]
    assert not [header for header in server.credentials if WRONG in header]
    assert server.credentials


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"source": "headscale", "api_token": WRONG}, "api_token is for source: tailscale, and source is headscale"),
        ({"source": "headscale", "oauth_client_secret": WRONG}, "oauth_client_secret is for source: tailscale"),
        ({"source": "tailscale", "headscale_api_key": WRONG}, "headscale_api_key is for source: headscale, and"),
        ({"source": "tailscale", "api_token": WRONG, "oauth_client_secret": WRONG}, "api_token and oauth_client_secret are both"),
        ({"source": "headscale"}, "headscale_api_key (environment: HEADSCALE_API_KEY) is not set"),
    ],
)
def test_wrong_combinations_of_credentials_are_refused(ask: t.Any, server: ControlServer, options: t.Any, words: str) -> None:
    environment = {"TS_API_TOKEN": WRONG, "TS_OAUTH_CLIENT_SECRET": WRONG}
    error = ask(succeeds=False, base_url=server.url, environment=environment, **options)["error"]
    assert words in error, error
    assert WRONG not in error
    assert server.requests == []


class Api(t.NamedTuple):
    """The plugin in this process, without an inventory file and without waits, which is faster."""

    plugin: tailnet.InventoryModule

    def ask(self) -> list[str]:
        return [machine["name"] for machine in self.plugin._ask()]


@pytest.fixture(params=[("tailscale", "api_token"), ("headscale", "headscale_api_key")], ids=["tailscale", "headscale"])
def api(request: pytest.FixtureRequest, server: ControlServer, monkeypatch: pytest.MonkeyPatch) -> Api:
    source, credential = request.param
    plugin = tailnet.InventoryModule()
    options = {"source": source, credential: TOKEN, "base_url": server.url, "tailnet": "-"}
    monkeypatch.setattr(plugin, "get_option", options.__getitem__)
    monkeypatch.setattr(_control, "PAUSE", 0.01)
    plugin.written = [credential]
    return Api(plugin)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([(403, {}, '{"message": "not for you"}')], "does not permit it (403: not for you): the client or token needs the scope"),
        ([(429, {"Retry-After": "3600"}, "")], "has had too many requests (429): try again in 3600 s"),
        ([(500, {}, '{"message": "internal error"}')] * _control.ATTEMPTS, "refused it (500: internal error)"),
        ([(200, {}, "<html>a portal</html>")], "is not JSON: is that the address of a control server?"),
        ([(200, {}, "[]")], "answered with a list, not an object"),
    ],
    ids=["403", "429", "500", "not JSON", "a list"],
)
def test_each_bad_answer_of_an_api_has_its_message(api: Api, server: ControlServer, answers: list[t.Any], words: str) -> None:
    server.script = [*answers]
    with pytest.raises(AnsibleParserError) as failure:
        api.ask()
    error = str(failure.value)
    assert words in error
    assert "A key may have been made" not in error, "a listing makes no key"
    assert TOKEN not in error
    assert (server.script, len(server.requests)) == ([], len(answers))


def test_short_retry_after_is_waited_for(api: Api, server: ControlServer) -> None:
    server.script = [(429, {"Retry-After": "0"}, ""), None, (500, {}, "")]
    assert "nas" in api.ask()
    assert len(server.requests) == 4


def test_cached_inventory_sends_no_request(ask: t.Any, server: ControlServer, tmp_path: pathlib.Path) -> None:
    cache = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache")}
    first = ask(source="tailscale", base_url=server.url, api_token=TOKEN, **cache)
    asked = len(server.requests)
    assert ask(source="tailscale", base_url=server.url, api_token=TOKEN, **cache) == first
    assert len(server.requests) == asked == 1
    assert all(TOKEN not in path.read_text(encoding="utf-8") for path in (tmp_path / "cache").iterdir())


def test_each_inventory_error_has_its_message(ask: t.Any, server: ControlServer, tmp_path: pathlib.Path) -> None:
    stopped = command(tmp_path, {**STATUS, "BackendState": "Stopped"})
    api = {"source": "tailscale", "base_url": server.url}
    for options, words in (
        ({"tailscale_command": "/no/such/command"}, "Is tailscale_command right?"),
        ({"tailscale_command": "false"}, "Is tailscaled running on the controller?"),
        ({"tailscale_command": stopped}, "own Tailscale is Stopped, not Running"),
        (api, "neither api_token nor oauth_client_secret is set"),
        ({**api, "api_token": WRONG}, "does not accept the credentials (401"),
        ({"source": "headscale", "headscale_api_key": TOKEN}, "set base_url to your Headscale's address"),
    ):
        error = ask(succeeds=False, **options)["error"]
        assert words in error, error
        assert WRONG not in error
