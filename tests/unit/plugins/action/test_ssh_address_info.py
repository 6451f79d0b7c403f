# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import shlex
import subprocess
import typing as t

import pytest
import yaml
from ansible_collections.homelab.tailsync.plugins.action import ssh_address_info as action
from ansible_collections.homelab.tailsync.plugins.module_utils._common import tailnet as addresses
from ansible_collections.homelab.tailsync.plugins.modules import ssh_address_info as module
from ansible_collections.homelab.tailsync.plugins.plugin_utils import ssh_access
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
def test_tailnet_addresses(text: str, expected: bool) -> None:
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
def test_the_label_that_a_control_server_makes_of_a_name(hostname: str | None, label: str) -> None:
    assert addresses.label_of(hostname) == label


# --- where ssh goes -----------------------------------------------------------------------------


def test_destination_is_what_ssh_says_it_is() -> None:
    text = "host nas\nhostname 192.168.1.10\nport 22\nuser root\n"
    assert ssh_access.parse_ssh_settings(text, "nas")[:3] == ("nas", "192.168.1.10", "192.168.1.10")


def test_a_host_on_another_port_is_known_by_name_and_port() -> None:
    text = "hostname 192.168.1.10\nport 2222\n"
    assert ssh_access.parse_ssh_settings(text, "nas").host_key_name == "[192.168.1.10]:2222"


def test_an_alias_of_the_users_own_stays() -> None:
    text = "hostname 192.168.1.10\nport 2222\nhostkeyalias nas.home\n"
    assert ssh_access.parse_ssh_settings(text, "nas").host_key_name == "nas.home"


@pytest.mark.parametrize(
    ("settings", "known_before", "vouched"),
    [
        ("stricthostkeychecking ask\nuserknownhostsfile /root/.ssh/known_hosts", False, True),  # ssh refuses what is unknown
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
def test_whether_known_hosts_vouches_for_the_machine(settings: str, known_before: bool, vouched: bool) -> None:
    assert ssh_access.parse_ssh_settings(settings, "nas").vouches(known_before) is vouched


def test_another_address_is_held_to_the_known_host_key() -> None:
    assert ssh_access.alias_arguments("100.64.0.1", "192.168.1.10") == [
        "-o",
        "HostName=100.64.0.1",
        "-o",
        "HostKeyAlias=192.168.1.10",
        "-o",
        "HostName=100.64.0.1",
    ]


def test_a_second_controller_may_know_the_host_only_by_its_name_in_the_tailnet() -> None:
    assert ssh_access.host_key_names("100.64.0.7", ["nas"], DESTINATION) == ["192.168.1.10", "nas", "100.64.0.7"]
    other_port = ssh_access.parse_ssh_settings("hostname 192.168.1.10\nport 2222\n", "nas")
    assert ssh_access.host_key_names("nas", ["nas"], other_port) == ["[192.168.1.10]:2222", "[nas]:2222"]


@pytest.mark.parametrize("control_path", ["", "/root/.ansible/cp/%C"])
@pytest.mark.parametrize("own", ["", "-o ProxyCommand='nc %h %p' -o HostName=nas.home -o HostKeyAlias=nas.home"])
def test_a_second_search_begins_with_the_users_own_arguments(own: str, control_path: str) -> None:
    """To ssh the first of two values counts."""
    found = f"{own} {shlex.join(ssh_access.alias_arguments('100.64.0.1', '192.168.1.10', control_path))}".strip()
    assert shlex.split(ssh_access.without_alias(found)) == shlex.split(own)
    assert ssh_access.without_alias(own) == own


# --- what the controller's own tailscaled says --------------------------------------------------


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
        (tailnet(peer("nas-1.home.ts.net.", "100.64.0.7", HostName="nas")), []),  # what it calls itself is not its name
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
def test_the_addresses_that_the_controllers_own_tailscaled_gives(text: str, expected: list[str]) -> None:
    assert ssh_access.tailnet_addresses(ssh_access.parse_controller(text), "nas") == expected


# --- who has answered ---------------------------------------------------------------------------


def answer_text(*statuses: t.Any, connection: str = "10.0.0.2 50000 10.0.0.1 22") -> str:
    nodes = "".join(f"\n{ssh_access.NODE_MARKER}\n{json.dumps(one)}\n" for one in statuses)
    return f"welcome\n{ssh_access.MARKER} {connection}\n{nodes}"


MEMBER = {"BackendState": "Running", "HaveNodeKey": True, "TailscaleIPs": ["100.64.0.7"], "Self": peer("nas.home.ts.net.")}
LOGGED_OUT = {"BackendState": "NeedsLogin", "HaveNodeKey": False, "Self": {"HostName": "nas", "DNSName": ""}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (answer_text(), Answer("10.0.0.2", "10.0.0.1")),
        (answer_text(MEMBER), Answer("10.0.0.2", "10.0.0.1", (Node("nas", ("100.64.0.7",)),))),
        (answer_text(MEMBER, MEMBER), Answer("10.0.0.2", "10.0.0.1", (Node("nas", ("100.64.0.7",)),))),  # two paths, one socket
        (answer_text(LOGGED_OUT), Answer("10.0.0.2", "10.0.0.1", (Node("", ()),))),
        (answer_text("no status"), Answer("10.0.0.2", "10.0.0.1")),
        (answer_text(connection=""), "the host's sshd does not set SSH_CONNECTION"),
    ],
)
def test_what_a_login_says(text: str, expected: Answer | str) -> None:
    assert ssh_access.parse_answer(text) == expected


def test_the_question_is_understood_by_a_shell_and_answered_where_there_is_no_tailscale() -> None:
    command = ssh_access.question(["/run/it's here.sock"])
    done = subprocess.run(
        ["sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/bin:/usr/bin", "SSH_CONNECTION": "::1 1 ::1 22"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ssh_access.parse_answer(done.stdout) == Answer("::1", "::1")


@pytest.mark.parametrize(
    ("server", "nodes", "expected"),
    [
        ("100.64.0.7", (), True),
        ("192.168.1.10", (), False),
        ("100.64.0.7", (Node("nas", ("100.64.0.7",)),), True),
        ("100.80.1.2", (Node("nas", ("100.64.0.7",)),), False),  # a provider's address of the same range
        ("fd7a:115c:a1e0::7%tailscale0", (Node("nas", ("fd7a:115c:a1e0::7",)),), True),
    ],
)
def test_whether_a_login_came_over_the_tailnet(server: str, nodes: tuple[Node, ...], expected: bool) -> None:
    assert Answer("100.64.0.1", server, nodes).over_tailnet is expected


# --- which answer counts ------------------------------------------------------------------------

NAS, PI, OLD, OUT = Node("nas", ("100.64.0.7",)), Node("pi", ("100.64.0.8",)), Node("diskstation", ("100.64.0.9",)), Node("", ())


@pytest.mark.parametrize(
    ("source", "nodes", "vouched", "known", "refused"),
    [
        # by name or an address of the tailnet: only the machine of that name, host keys checked or not
        (NAME, (NAS,), False, (), ""),
        (NAME, (OLD,), True, (), "it is diskstation"),
        (NAME, (PI,), False, (), "it is pi"),
        (CONTROLLER, (OLD,), True, ("100.64.0.7",), "it is diskstation"),
        (HOST, (PI,), True, (), "it is pi"),
        # two tailscaleds on one machine
        (NAME, (OLD, NAS), False, (), ""),
        # one that does not say it: the host key or the controller's own tailnet must
        (NAME, (), True, (), ""),
        (NAME, (OUT,), True, (), ""),
        (CONTROLLER, (), False, ("100.64.0.7",), ""),
        (NAME, (), False, (), "host key is not checked"),
        (NAME, (OUT,), False, ("100.64.0.99",), "host key is not checked"),
        # where the inventory says: a first run, and a machine that was in the tailnet under another name
        (INVENTORY, (), False, (), ""),
        (INVENTORY, (OUT,), False, (), ""),
        (INVENTORY, (NAS,), False, (), ""),
        (INVENTORY, (OLD,), True, (), ""),
        (INVENTORY, (OLD,), False, (), "tailscale_hostname: diskstation"),
        (INVENTORY, (PI,), True, (), "which is raspi of the inventory"),
        (INVENTORY, (PI,), False, (), "which is raspi of the inventory"),
    ],
)
def test_which_machine_counts(source: str, nodes: tuple[Node, ...], vouched: bool, known: tuple[str, ...], refused: str) -> None:
    wanted = ssh_access.Wanted("nas", lambda: {"pi": "raspi"}, lambda: known)
    found = ssh_access.objection(source, Answer("100.64.0.1", "100.64.0.7", nodes), vouched, wanted)
    assert (refused in found) if found and refused else (found or "") == refused


def test_without_a_name_any_machine_counts() -> None:
    assert ssh_access.objection(NAME, Answer("100.64.0.1", "100.64.0.7", (PI,)), False, ssh_access.Wanted("")) is None


def test_the_documentation_has_the_options_that_the_action_takes() -> None:
    """No sanity test compares them, because the module itself takes none."""
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
        (["sh", "-c", "sleep 60 | cat"], ""),  # what it has started would hold the pipe open
    ],
)
def test_a_controller_without_an_answering_tailscale_says_nothing(
    monkeypatch: pytest.MonkeyPatch, command: list[str], expected: str
) -> None:
    monkeypatch.setattr(action, "COMMAND_TIMEOUT", 0.5)
    assert action._output(command) == expected


# --- what overrules the address that was found ------------------------------------------------------


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
def test_extra_variables_that_overrule_the_address_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str, found: str, refused: bool
) -> None:
    probe = action.ActionModule.__new__(action.ActionModule)
    probe._loader, probe._own_arguments, probe._label = None, ssh_access.without_alias(given), "nas"
    probe._given_arguments = given
    probe._arguments = {"require_tailnet": False, "timeout": 5, "tailnet_name": "nas"}
    monkeypatch.setattr(probe, "_tries", lambda: [action.Try(NAME, "nas")])
    monkeypatch.setattr(probe, "_try", lambda one: (Answer("100.64.0.9", "100.64.0.1"), found, ""))
    monkeypatch.setattr(action, "load_extra_vars", lambda loader: {name: given})
    result = probe._try_all()
    assert ("--extra-vars" in result.get("msg", ""), result["address"] is None) == (refused, refused)
