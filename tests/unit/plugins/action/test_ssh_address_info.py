# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import shlex
import socket
import subprocess
import types
import typing as t

import pytest
import yaml
from ansible_collections.homelab.tailsync.plugins.action import ssh_address_info as action
from ansible_collections.homelab.tailsync.plugins.module_utils._common import tailnet as addresses
from ansible_collections.homelab.tailsync.plugins.modules import ssh_address_info as module
from ansible_collections.homelab.tailsync.plugins.plugin_utils import ssh_access, ssh_local
from ansible_collections.homelab.tailsync.plugins.plugin_utils.ssh_access import CONTROLLER, HOST, INVENTORY, NAME, Answer, Node

DESTINATION = ssh_access.Destination("nas", "192.168.1.10", "192.168.1.10", known_hosts=("~/.ssh/known_hosts",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100.64.0.1", True),
        ("100.127.255.254", True),
        ("fd7a:115c:a1e0::5", True),
        ("100.128.0.1", False),
        ("192.168.1.10", False),
        ("fd00::1", False),
        ("fe80::1%eth0", False),
        ("nas", False),
        ("", False),
    ],
)
def test_addresses_of_the_tailnet_are_recognised(text: str, expected: bool) -> None:
    assert addresses.is_tailnet_address(text) is expected


@pytest.mark.parametrize(
    ("hostname", "label"),
    [
        ("nas", "nas"),
        ("NAS", "nas"),
        ("My_Nas.home", "my-nas-home"),
        ("nas.local", "nas"),
        ("Bob's Pi", "bobs-pi"),
        ("-(nas)-", "nas"),
        ("", ""),
        (None, ""),
    ],
)
def test_dns_label_of_a_host_name(hostname: str | None, label: str) -> None:
    assert addresses.label_of(hostname) == label


# --- ssh's destination and options -----------------------------------------------------------------------------


def test_destination_comes_from_ssh() -> None:
    text = "host nas\nhostname 192.168.1.10\nport 22\nuser root\n"
    assert ssh_access.parse_ssh_settings(text, "nas")[:3] == ("nas", "192.168.1.10", "192.168.1.10")


def test_host_key_on_another_port_is_looked_up_by_name_and_port() -> None:
    text = "hostname 192.168.1.10\nport 2222\n"
    assert ssh_access.parse_ssh_settings(text, "nas").host_key_name == "[192.168.1.10]:2222"


def test_users_own_host_key_alias_is_kept() -> None:
    text = "hostname 192.168.1.10\nport 2222\nhostkeyalias nas.home\n"
    assert ssh_access.parse_ssh_settings(text, "nas").host_key_name == "nas.home"


@pytest.mark.parametrize(
    ("settings", "known_before", "vouched"),
    [
        ("stricthostkeychecking ask\nuserknownhostsfile /root/.ssh/known_hosts", False, True),  # ssh refuses unknown hosts
        ("stricthostkeychecking true\nuserknownhostsfile /root/.ssh/known_hosts", False, True),
        ("stricthostkeychecking accept-new\nuserknownhostsfile /root/.ssh/known_hosts", True, True),
        ("stricthostkeychecking accept-new\nuserknownhostsfile /root/.ssh/known_hosts", False, False),
        ("stricthostkeychecking false\nuserknownhostsfile /root/.ssh/known_hosts", True, False),
        ("stricthostkeychecking no\nuserknownhostsfile /root/.ssh/known_hosts", True, False),
        ("stricthostkeychecking off\nuserknownhostsfile /root/.ssh/known_hosts", True, False),
        ("stricthostkeychecking ask\nuserknownhostsfile /dev/null\nglobalknownhostsfile /etc/ssh/ssh_known_hosts", True, False),
        ("stricthostkeychecking true\nuserknownhostsfile none", False, False),
    ],
)
def test_host_key_counts_only_if_ssh_checks_it(settings: str, known_before: bool, vouched: bool) -> None:
    assert ssh_access.parse_ssh_settings(settings, "nas").verifies_machine(known_before) is vouched


def test_other_address_must_have_the_known_host_key() -> None:
    assert ssh_access.alias_arguments("100.64.0.1", "192.168.1.10") == [
        "-o",
        "HostName=100.64.0.1",
        "-o",
        "HostKeyAlias=192.168.1.10",
        "-o",
        "HostName=100.64.0.1",
    ]


def test_second_controller_may_have_only_the_key_of_the_tailnet_name() -> None:
    assert ssh_access.host_key_names("100.64.0.7", ["nas"], DESTINATION) == ["192.168.1.10", "nas", "100.64.0.7"]
    other_port = ssh_access.parse_ssh_settings("hostname 192.168.1.10\nport 2222\n", "nas")
    assert ssh_access.host_key_names("nas", ["nas"], other_port) == ["[192.168.1.10]:2222", "[nas]:2222"]


@pytest.mark.parametrize("control_path", ["", "/root/.ansible/cp/%C"])
@pytest.mark.parametrize("own", ["", "-o ProxyCommand='nc %h %p' -o HostName=nas.home -o HostKeyAlias=nas.home"])
def test_second_search_starts_with_the_users_own_arguments(own: str, control_path: str) -> None:
    """ssh uses the first of two values."""
    found = f"{own} {shlex.join(ssh_access.alias_arguments('100.64.0.1', '192.168.1.10', control_path))}".strip()
    assert shlex.split(ssh_access.without_alias(found)) == shlex.split(own)
    assert ssh_access.without_alias(own) == own


# --- addresses from the controller's tailscaled --------------------------------------------------


def peer(dns_name: str, *addresses: str, **more: t.Any) -> dict[str, t.Any]:
    return {"DNSName": dns_name, "HostName": dns_name.partition(".")[0], "TailscaleIPs": list(addresses), "Online": True, **more}


def tailnet(*peers: dict[str, t.Any], **more: t.Any) -> str:
    status = {
        "BackendState": "Running",
        "Self": peer("laptop.home.ts.net.", "100.64.0.1"),
        "Peer": {str(number): one for number, one in enumerate(peers)},
        "CurrentTailnet": {"MagicDNSSuffix": "home.ts.net"},
        **more,
    }
    return json.dumps(status)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (tailnet(peer("nas.home.ts.net.", "100.64.0.7", "fd7a:115c:a1e0::7")), ["100.64.0.7"]),
        (tailnet(peer("NAS.home.ts.net.", "fd7a:115c:a1e0::7")), ["fd7a:115c:a1e0::7"]),
        (tailnet(peer("nas-1.home.ts.net.", "100.64.0.7")), []),
        (
            tailnet(peer("nas-1.home.ts.net.", "100.64.0.7", HostName="nas")),
            [],
        ),  # its own host name is not its name in the tailnet
        (tailnet(peer("nas.friends.ts.net.", "100.64.0.8")), ["100.64.0.8"]),  # shared in
        (
            tailnet(peer("nas.friends.ts.net.", "100.64.0.8"), peer("nas.home.ts.net.", "100.64.0.7")),
            ["100.64.0.7", "100.64.0.8"],
        ),
        (tailnet(peer("nas.", "100.64.0.7"), CurrentTailnet=None), ["100.64.0.7"]),  # Headscale without a base domain
        (tailnet(peer("", "100.64.0.7", HostName="nas")), ["100.64.0.7"]),
        (tailnet(Self=peer("nas.home.ts.net.", "100.64.0.7")), ["100.64.0.7"]),  # the controller manages itself
        (tailnet(peer("nas.home.ts.net.", "100.64.0.7"), BackendState="Stopped"), []),
        (tailnet(Peer=None), []),
        ("", []),
        ("Tailscale is stopped.\n", []),
        ("[]", []),
        ("null", []),
        ('{"Peer": [1, 2], "Self": "nas", "CurrentTailnet": 7, "BackendState": {}}', []),
        (tailnet({"DNSName": 7, "HostName": None, "TailscaleIPs": "100.64.0.7"}), []),
        (tailnet({"DNSName": "nas.home.ts.net.", "TailscaleIPs": [None, "nonsense", "-oProxyCommand=x"]}), []),
        ("[" * 100_000, []),
    ],
)
def test_addresses_given_by_the_controllers_tailscaled(text: str, expected: list[str]) -> None:
    assert ssh_access.tailnet_addresses(ssh_access.parse_controller(text), "nas") == expected


# --- the answer of a host ---------------------------------------------------------------------------


def answer_text(*statuses: t.Any, connection: str = "10.0.0.2 50000 10.0.0.1 22") -> str:
    nodes = "".join(f"\n{ssh_access.NODE_MARKER}\n{json.dumps(one)}\n" for one in statuses)
    return f"welcome\n{ssh_access.MARKER} {connection}\n{nodes}"


MEMBER = {"BackendState": "Running", "HaveNodeKey": True, "TailscaleIPs": ["100.64.0.7"], "Self": peer("nas.home.ts.net.")}
LOGGED_OUT = {"BackendState": "NeedsLogin", "HaveNodeKey": False, "Self": {"HostName": "nas", "DNSName": ""}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (answer_text(), Answer("10.0.0.2", "10.0.0.1", port=22)),
        (answer_text(connection="10.0.0.2 50000 10.0.0.1 2222"), Answer("10.0.0.2", "10.0.0.1", port=2222)),
        (answer_text(MEMBER), Answer("10.0.0.2", "10.0.0.1", (Node("nas", ("100.64.0.7",)),), 22)),
        (
            answer_text(MEMBER, MEMBER),
            Answer("10.0.0.2", "10.0.0.1", (Node("nas", ("100.64.0.7",)),), 22),
        ),  # two paths, one socket
        (answer_text(LOGGED_OUT), Answer("10.0.0.2", "10.0.0.1", (Node("", ()),), 22)),
        (answer_text("no status"), Answer("10.0.0.2", "10.0.0.1", port=22)),
        (answer_text(connection=""), "the host's sshd does not set SSH_CONNECTION"),
    ],
)
def test_answer_of_a_login_is_parsed(text: str, expected: Answer | str) -> None:
    assert ssh_access.parse_answer(text) == expected


def test_remote_command_works_without_tailscale() -> None:
    command = ssh_access.login_command(["/run/it's here.sock"])
    done = subprocess.run(
        ["sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/bin:/usr/bin", "SSH_CONNECTION": "::1 1 ::1 22"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ssh_access.parse_answer(done.stdout) == Answer("::1", "::1", port=22)


def test_answer_of_a_login_has_no_address_at_which_somebody_could_log_the_node_in(
    tmp_path: pathlib.Path, short_path: pathlib.Path
) -> None:
    status = {"BackendState": "NeedsLogin", "AuthURL": "https://login.example/a/0123456789", "Self": {"DNSName": "nas.x."}}
    (tmp_path / "status").write_text(json.dumps(status, indent=2), encoding="ascii")
    (tmp_path / "tailscale").write_text(f"#!/bin/sh\ncat {tmp_path}/status\n", encoding="ascii")
    (tmp_path / "tailscale").chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(short_path / "socket"))
        command = ssh_access.login_command([str(short_path / "socket")])
        environment = {"PATH": f"{tmp_path}:/bin:/usr/bin", "SSH_CONNECTION": "::1 1 ::1 22"}
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, env=environment)
    assert json.loads(done.stdout.partition(ssh_access.NODE_MARKER)[2]) == {**status, "AuthURL": ""}


@pytest.mark.parametrize(
    ("server", "nodes", "expected"),
    [
        ("100.64.0.7", (), True),
        ("192.168.1.10", (), False),
        ("100.64.0.7", (Node("nas", ("100.64.0.7",)),), True),
        ("100.80.1.2", (Node("nas", ("100.64.0.7",)),), False),  # an address of a provider in the same range
        ("fd7a:115c:a1e0::7%tailscale0", (Node("nas", ("fd7a:115c:a1e0::7",)),), True),
    ],
)
def test_login_over_the_tailnet_is_recognised(server: str, nodes: tuple[Node, ...], expected: bool) -> None:
    assert Answer("100.64.0.1", server, nodes).over_tailnet is expected


# --- accepted answers ------------------------------------------------------------------------

NAS, PI, OLD, OUT = Node("nas", ("100.64.0.7",)), Node("pi", ("100.64.0.8",)), Node("diskstation", ("100.64.0.9",)), Node("", ())


@pytest.mark.parametrize(
    ("source", "nodes", "vouched", "known", "refused"),
    [
        # with a name or address of the tailnet only the machine of that name counts, whether host keys are checked or not
        (NAME, (NAS,), False, (), ""),
        (NAME, (OLD,), True, (), "it is diskstation"),
        (NAME, (PI,), False, (), "it is pi"),
        (CONTROLLER, (OLD,), True, ("100.64.0.7",), "it is diskstation"),
        (HOST, (PI,), True, (), "it is pi"),
        # two tailscaleds on one machine
        (NAME, (OLD, NAS), False, (), ""),
        # a host that does not give its name: the host key or the controller's tailnet must identify it
        (NAME, (), True, (), ""),
        (NAME, (OUT,), True, (), ""),
        (CONTROLLER, (), False, ("100.64.0.7",), ""),
        (NAME, (), False, (), "host key is not checked"),
        (NAME, (OUT,), False, ("100.64.0.99",), "host key is not checked"),
        # at the inventory's address: a first run, and a machine that has another name in the tailnet
        (INVENTORY, (), False, (), ""),
        (INVENTORY, (OUT,), False, (), ""),
        (INVENTORY, (NAS,), False, (), ""),
        (INVENTORY, (OLD,), True, (), ""),
        (INVENTORY, (OLD,), False, (), "tailscale_hostname: diskstation"),
        (INVENTORY, (PI,), True, (), "which is raspi of the inventory"),
        (INVENTORY, (PI,), False, (), "which is raspi of the inventory"),
    ],
)
def test_only_the_expected_machine_is_accepted(
    source: str, nodes: tuple[Node, ...], vouched: bool, known: tuple[str, ...], refused: str
) -> None:
    wanted = ssh_access.Wanted("nas", lambda: {"pi": "raspi"}, lambda: known)
    found = ssh_access.objection(source, Answer("100.64.0.1", "100.64.0.7", nodes), vouched, wanted)
    assert (refused in found) if found and refused else (found or "") == refused


def test_any_machine_is_accepted_without_a_name() -> None:
    assert ssh_access.objection(NAME, Answer("100.64.0.1", "100.64.0.7", (PI,)), False, ssh_access.Wanted("")) is None


def test_documented_options_are_those_of_the_action() -> None:
    """No sanity test compares them, because the module itself has no options."""
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    keys = ("type", "elements", "default", "required")
    assert {name: {key: one[key] for key in keys if key in one} for name, one in documented.items()} == action.ARGUMENTS


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["echo", "{}"], "{}\n"),
        (["sh", "-c", "echo {}; exit 1"], ""),
        (["no-such-command"], ""),
        (["a\0b"], ""),
        (["sh", "-c", "sleep 60 | cat"], ""),  # its child process would keep the pipe open
    ],
)
def test_controller_without_tailscale_gives_no_addresses(
    monkeypatch: pytest.MonkeyPatch, command: list[str], expected: str
) -> None:
    monkeypatch.setattr(action, "COMMAND_TIMEOUT", 0.5)
    assert action._output(command) == expected


# --- extra variables that override the address ------------------------------------------------------


ALIAS = shlex.join(ssh_access.alias_arguments("nas", "nas"))


@pytest.mark.parametrize(
    ("name", "given", "found", "refused"),
    [
        ("ansible_ssh_common_args", "-v", "-v -o HostName=nas", True),
        ("ansible_ssh_common_args", "-v", "-v", False),  # the inventory's own address answers
        ("ansible_ssh_common_args", f"-v {ALIAS}", "-v", True),  # what an earlier search had found
        ("ansible_ssh_common_args", f"-v {ALIAS}", f"-v {ALIAS}", False),
        ("ansible_ssh_extra_args", "-v", "-v -o HostName=nas", False),
    ],
)
def test_extra_variables_that_override_the_address_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str, found: str, refused: bool
) -> None:
    probe = action.ActionModule.__new__(action.ActionModule)
    probe._loader, probe._own_arguments, probe._label = None, ssh_access.without_alias(given), "nas"
    probe._given_arguments, probe._host_key = given, None
    probe._arguments = {"require_tailnet": False, "timeout": 5, "tailnet_name": "nas", "firewall": {}}
    monkeypatch.setattr(probe, "_candidates", lambda: [action.Candidate(NAME, "nas")])
    monkeypatch.setattr(probe, "_try", lambda one: (Answer("100.64.0.9", "100.64.0.1"), found, ""))
    monkeypatch.setattr(action, "load_extra_vars", lambda loader: {name: given})
    result = probe._try_all()
    assert ("--extra-vars" in result.get("msg", ""), result["address"] is None) == (refused, refused)


# --- the file of ssh_config, which may be out of date ------------------------------------------------


@pytest.mark.parametrize("included", [False, True])
def test_own_address_is_asked_for_whatever_the_file_says(tmp_path: pathlib.Path, included: bool) -> None:
    (tmp_path / "tailsync.conf").write_text("Host 192.168.1.10\n  HostName 100.64.0.7\n  HostKeyAlias old\n", encoding="ascii")
    line = f"Include {tmp_path}/tailsync.conf\n" if included else ""
    (tmp_path / "config").write_text(f"{line}Host 192.168.1.10\n  Port 2222\n", encoding="ascii")
    options = {"host": "192.168.1.10", "ssh_executable": "ssh", "ssh_args": f"-F {tmp_path}/config"}
    probe = action.ActionModule.__new__(action.ActionModule)
    probe._connection = types.SimpleNamespace(get_option=options.get)
    probe._own_arguments, probe._redirected, probe._arguments = "", False, {"tailnet_name": "nas"}
    probe._destination = probe._ask_ssh(None)
    assert (probe._destination.hostname, probe._destination.port) == ("192.168.1.10", "2222")
    arguments, _verified = probe._common_arguments("192.168.1.10")
    assert ("HostName=192.168.1.10" in arguments) is included


SELF, OUTSIDE = "127.0.0.1", "203.0.113.5"


@pytest.mark.parametrize(
    ("client", "server", "settings", "refused"),
    [
        (SELF, SELF, "", True),
        (SELF, SELF, "proxyjump none\n", True),
        ("127.0.0.2", SELF, "", False),
        (OUTSIDE, OUTSIDE, "", False),  # a machine that has logged in to itself, such as a jump host
        (SELF, SELF, "proxyjump gate\n", False),
        (SELF, SELF, "proxycommand ssh gate -W %h:%p\n", False),
    ],
)
def test_login_to_the_controller_itself_must_not_lock_its_administrator_out(
    monkeypatch: pytest.MonkeyPatch, client: str, server: str, settings: str, refused: bool
) -> None:
    monkeypatch.setattr(ssh_local, "session", lambda: Answer("192.168.1.50", "192.168.1.10", port=22))
    probe = action.ActionModule.__new__(action.ActionModule)
    probe._destination = ssh_access.parse_ssh_settings(f"hostname nas\n{settings}", "nas")
    probe._arguments = {"firewall": {"firewall_public_ports": []}, "require_tailnet": False, "timeout": 5}
    probe._own_arguments = probe._given_arguments = ""
    probe._host_key = None
    monkeypatch.setattr(probe, "_candidates", lambda: [action.Candidate(INVENTORY, "nas")])
    monkeypatch.setattr(probe, "_try", lambda one: (Answer(client, server, port=22), "", ""))
    probe.__dict__["_label"] = "nas"
    found = probe._try_all()
    assert (found.get("failed", False), found.get("refused", False)) == (refused, refused)
    if refused:
        assert "nas is the machine that runs Ansible, and you are logged in to it by SSH from 192.168.1.50" in found["msg"]


def test_known_hosts_is_that_of_ssh_whatever_home_says(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as with sudo -E; older versions of ssh -G print ~ as it is."""
    (tmp_path / "known_hosts").write_text("nas ssh-ed25519 AAAA\n", encoding="ascii")
    monkeypatch.setattr(ssh_local, "home", lambda: str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "other"))
    assert action._is_known("nas", ["~/known_hosts"])
