# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs that are refused before any host is touched, with their messages, and usual spellings that are accepted."""

from __future__ import annotations

import copy
import typing as t

import odd_inputs
import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import validate, validate_mesh, validate_types

PHONE = odd_inputs.PHONE
Change = t.Mapping[str, t.Any]


def found(changes: Change, inventory: t.Collection[str] = odd_inputs.HOSTS) -> str:
    hosts = odd_inputs.hosts_with({**copy.deepcopy(odd_inputs.VALID), **changes})
    return "\n".join(validate.problems(hosts, inventory=inventory))


def folder(**keys: t.Any) -> Change:
    return {"syncthing_mesh_folders": {"docs": {"path": "/srv/docs", "devices": ["nas", "pi"], **keys}}}


def phone(**keys: t.Any) -> Change:
    return {"syncthing_mesh_external_devices": {"phone": {"device_id": PHONE, **keys}}}


def named(folder_id: t.Any) -> Change:
    return {"syncthing_mesh_folders": {folder_id: {"path": "/srv/x", "devices": ["nas"]}}}


def shares(**devices: t.Any) -> Change:
    return folder(devices={"nas": {}, **devices})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"firewall_docker_interfaces": ""}, ["firewall_docker_interfaces[0]: '' is no name of an interface"]),
        ({"firewall_ssh_port": "٣"}, ["firewall_ssh_port is '٣': it must be a whole number"]),
        ({"tailscale_tags": " "}, ["tailscale_tags has ", "tag:server"]),
        ({"tailscale_preferences": {"advertise_routes": ""}}, ["tailscale_preferences.advertise_routes has ", "as CIDR"]),
        # wrong shapes of folders
        (shares(pi="/mnt/x"), ["syncthing_mesh_folders.docs.devices.pi is text: write pi: {path: /mnt/x}"]),
        (
            folder(devices=[{"nas": {"path": "/x"}}, "pi"]),
            ["syncthing_mesh_folders.docs.devices[0] is a mapping", "{nas: {"],
        ),
        (folder(settings="fast"), ["syncthing_mesh_folders.docs.settings is text: it must be a mapping"]),
        (shares(pi={"settings": "fast"}), ["syncthing_mesh_folders.docs.devices.pi.settings is text"]),
        ({"syncthing_mesh_folders": {"docs": ["nas"]}}, ["syncthing_mesh_folders.docs is a list"]),
        ({"syncthing_mesh_folders": None}, ["syncthing_mesh_folders is empty (null)", "remove the line"]),
        (folder(devices={"nas": {}, None: {}}), ["syncthing_mesh_folders.docs.devices has the name null"]),
        # strings instead of numbers, and numbers out of range
        ({"tailscale_port": "tailscale"}, ["tailscale_port is 'tailscale': it must be a whole number"]),
        ({"tailscale_port": 70000}, ["tailscale_port is 70000: it must be from 0 to 65535"]),
        ({"syncthing_mesh_port": True}, ["syncthing_mesh_port is true: it must be a whole number"]),
        ({"firewall_proof_timeout": "soon"}, ["firewall_proof_timeout is 'soon'"]),
        ({"tailscale_timeout": 0}, ["tailscale_timeout is 0: it must be from 1"]),
        # members
        ({"syncthing_mesh_hosts": ["nas", "pii", "vps"]}, ["syncthing_mesh_hosts[1] is 'pii'", "is pi meant?"]),
        ({"syncthing_mesh_hosts": "nas"}, ["syncthing_mesh_hosts is 'nas': write a list, such as [nas]"]),
        (folder(devices=["nas", "fridge"]), ["docs.devices names fridge, which is neither a host of the mesh nor in"]),
        (folder(devices=["nas", "vsp"]), ["docs.devices names vsp", "(is vps meant?)"]),
        (
            {"syncthing_mesh_hosts": ["nas", "pi"]},
            ["vps, which is a host of the inventory, but no member"],
        ),
        # values inside folders, devices, options, gui and defaults
        (folder(fs_watcher_delay="ten"), ["syncthing_mesh_folders.docs.fs_watcher_delay is 'ten': it must be a whole number"]),
        (folder(minDiskFree="1 %"), ["docs.minDiskFree is no key of it (is min_disk_free meant?)"]),
        (phone(deviceID=PHONE), ["phone.deviceID is no key of it (is device_id meant?)"]),
        (folder(paused="maybe"), ["syncthing_mesh_folders.docs.paused is 'maybe': it must be true or false"]),
        (folder(order="randm"), ["syncthing_mesh_folders.docs.order is 'randm': it must be one of", "random"]),
        (folder(min_disk_free="lots"), ["syncthing_mesh_folders.docs.min_disk_free is 'lots'", "'1 %'"]),
        (folder(rescan_interval=-5), ["syncthing_mesh_folders.docs.rescan_interval is -5: it must be from 0"]),
        (folder(rescan_interval="-5"), ["syncthing_mesh_folders.docs.rescan_interval is -5"]),
        (folder(fs_watcher_delay=0), ["syncthing_mesh_folders.docs.fs_watcher_delay is 0", "fs_watcher: false"]),
        (folder(max_conflicts=-2), ["docs.max_conflicts is -2"]),
        (folder(label=["x"]), ["syncthing_mesh_folders.docs.label is a list: it must be text"]),
        (folder(versioning={"type": "simple", "kep": 5}), ["docs.versioning.kep is no key of it", "params"]),
        (folder(versioning={}), ["docs.versioning has no type"]),
        (folder(versioning={"type": "simple", "params": {"keep": [5]}}), ["docs.versioning.params.keep"]),
        (folder(requires_mount="mnt"), ["docs.requires_mount is 'mnt'", "absolute"]),
        (folder(ignores=[["x"]]), ["docs.ignores[0] is a list: it must be text"]),
        (folder(settings={"encryptionPassword": "s3cr3t"}), ["docs.settings has the key encryptionPassword"]),
        (shares(vps={"encryption_password": "x", "ignore_permissions": False}), ["devices.vps", "ignore_permissions"]),
        (
            phone(compression="zip"),
            ["phone.compression is 'zip'"],
        ),
        (
            phone(allowed_networks=["everything"]),
            ["syncthing_mesh_external_devices.phone.allowed_networks[0] is 'everything'", "100.64.0.0/10"],
        ),
        ({"syncthing_mesh_allowed_networks": ["100.64.0.1"]}, ["syncthing_mesh_allowed_networks[0]", "write 100.64.0.1/32"]),
        ({"syncthing_mesh_options": {"max_send_kbps": "fast"}}, ["syncthing_mesh_options.max_send_kbps is 'fast'"]),
        ({"syncthing_mesh_options": {"relays_enabled": "maybe"}}, ["syncthing_mesh_options.relays_enabled is 'maybe'"]),
        ({"tailsync_ssh_config": False}, ["tailsync_ssh_config is false, which is no path", 'write "" to switch it off']),
        ({"tailsync_ssh_config": None}, ["tailsync_ssh_config is empty (null), which is no path", 'write "" to switch it off']),
        ({"tailsync_ssh_config": ["a"]}, ["tailsync_ssh_config is ['a'], which is no path"]),
        ({"tailsync_ssh_config": "ssh/config"}, ["tailsync_ssh_config is 'ssh/config', which is no path from / or ~/"]),
        ({"tailsync_ssh_config": "~bob/.ssh/config"}, ["tailsync_ssh_config is '~bob/.ssh/config', which is no path from"]),
        ({"tailsync_ssh_config": "~/.ssh/tailsync.conf"}, ["which is the file that is to be included", "~/.ssh/config"]),
        ({"tailsync_ssh_config": "~/.ssh/"}, ["tailsync_ssh_config is '~/.ssh/', which is no file to write to"]),
        ({"tailsync_ssh_config": "/dev/null"}, ["tailsync_ssh_config is '/dev/null', which is no file to write to"]),
        ({"tailsync_verify_timeout": "soon"}, ["tailsync_verify_timeout is 'soon': "]),
        ({"syncthing_mesh_options": {"reconnection_interval": 4}}, ["reconnection_interval is 4: it must be from 5"]),
        ({"syncthing_mesh_options": {"always_local_nets": ["lan"]}}, ["syncthing_mesh_options.always_local_nets[0] is 'lan'"]),
        ({"syncthing_mesh_gui": {"tls": "maybe"}}, ["syncthing_mesh_gui.tls is 'maybe'"]),
        ({"syncthing_mesh_gui": {"pasword": "s3cr3t"}}, ["syncthing_mesh_gui.pasword is no key of it (is password meant?)"]),
        ({"syncthing_mesh_gui": "s3cr3t"}, ["syncthing_mesh_gui is text: it must be a mapping"]),
        ({"syncthing_mesh_defaults": {"folder": {"order": "x"}}}, ["syncthing_mesh_defaults.folder.order is 'x'"]),
        ({"syncthing_mesh_defaults": {"device": {"max_recv_kbps": -1}}}, ["syncthing_mesh_defaults.device.max_recv_kbps is -1"]),
        # impossible IDs and paths
        (
            named(".."),
            ["syncthing_mesh_folders has the folder ID .."],
        ),
        (named(""), ["syncthing_mesh_folders has the folder ID"]),
        (named("a\nb"), ["has the folder ID", "use letters"]),
        (folder(path="/srv/a\nb"), ["syncthing_mesh_folders.docs.path is '/srv/a\\nb'", "one line"]),
        (folder(path="/srv/a\x00b"), ["syncthing_mesh_folders.docs.path", "one line"]),
        # external devices
        ({"syncthing_mesh_external_devices": {"phone": PHONE}}, [f"write phone: {{device_id: {PHONE}}}"]),
        (
            phone(untrusted=True),
            ["documents.devices.phone", "untrusted"],
        ),
        # the firewall
        ({"firewall_lan_ssh_from": ["192.168.1.0/33"]}, ["firewall_lan_ssh_from[0] is '192.168.1.0/33': it must be a network"]),
        ({"firewall_lan_ssh_from": ["10.0.0.0/8", "999.1.1.0/24"]}, ["firewall_lan_ssh_from[1] is '999.1.1.0/24'"]),
        ({"firewall_public_ports": "80,99999/tcp"}, ["firewall_public_ports[1] is '99999/tcp': it must be a port"]),
        ({"firewall_public_ports": ["61000:60000/tcp"]}, ["firewall_public_ports[0] is '61000:60000/tcp'"]),
        ({"firewall_public_ports": {"80": "tcp"}}, ["firewall_public_ports is a mapping: write a list"]),
        ({"firewall_extra_rules": [{"port": "web"}]}, ["firewall_extra_rules[0].port: 'web' is no port"]),
        ({"firewall_extra_rules": [{"prot": "tcp", "port": "80"}]}, ["firewall_extra_rules[0] has an unknown key prot"]),
        ({"firewall_extra_rules": [{"port": "80", "action": "open"}]}, ["firewall_extra_rules[0].action is 'open'"]),
        (
            {"firewall_extra_rules": [{"port": "443", "proto": "tcp", "action": "deny"}]},
            ["firewall_extra_rules[0] and firewall_public_ports[0] differ in nothing but action"],
        ),
        ({"firewall_docker_interfaces": ["docker 0"]}, ["firewall_docker_interfaces[0]"]),
        ({"firewall_logging": "all"}, ["firewall_logging is 'all': it must be one of nothing, off, low"]),
        ({"firewall_state": "absnt"}, ["firewall_state is 'absnt': it must be one of present, absent"]),
        ({"firewall_ssh_port": 0}, ["firewall_ssh_port is 0: it must be from 1 to 65535"]),
        # tags, routes, preferences, version
        ({"tailscale_tags": ["server"]}, ["tailscale_tags has server: a tag is tag: and a name"]),
        ({"tailscale_preferences": {"advertise_routes": ["x"]}}, ["tailscale_preferences.advertise_routes has x"]),
        ({"tailscale_preferences": {"ssh": "maybe"}}, ["tailscale_preferences.ssh is 'maybe': it must be true or false"]),
        ({"tailscale_preferences": {"acept_routes": True}}, ["tailscale_preferences.acept_routes", "is accept_routes meant?"]),
        ({"tailscale_preferences": {"netfilter_mode": None}}, ["tailscale_preferences.netfilter_mode is empty", "nodivert"]),
        ({"tailscale_preferences": ["ssh"]}, ["tailscale_preferences is a list: it must be a mapping"]),
        ({"tailscale_version": 1.80}, ["tailscale_version is the number 1.8", "quotation marks"]),
        ({"tailscale_hostname": "my_nas"}, ["tailscale_hostname is my_nas", "Set tailscale_hostname for this host"]),
        ({"tailscale_login_server": "hs.example.org"}, ["tailscale_login_server is hs.example.org", "https://"]),
        ({"tailscale_auth_key": "tskey-api-s3cr3t"}, ["tailscale_auth_key holds an API token", "tskey-auth-"]),
        ({"tailscale_login_server": "me:s3cr3t@hs.example.org"}, ["tailscale_login_server is …@hs.example.org"]),
        ({"tailscale_tags": "tskey-auth-s3cr3t"}, ["tailscale_tags has tskey-auth-…: a tag is"]),
        ({"tailscale_daemon_flags": ["--authkey tskey-auth-s3cr3t"]}, ["tailscale_daemon_flags[0] is '--authkey tskey-auth-…'"]),
        ({"tailscale_auth_key": 1234}, ["tailscale_auth_key must be text"]),
        ({"tailscale_auth_key": "", "tailscale_oauth_client_secret": "x", "tailscale_tags": []}, ["tailscale_tags is empty"]),
        ({"tailscale_api": "headscale"}, ["tailscale_api_url is empty"]),
        ({"tailscale_package_source": "static"}, ["tailscale_version is empty", "tailscale_static_checksum is"]),
        ({"tailscale_package_source": "static", "tailscale_static_url": None}, ["tailscale_static_url is empty"]),
        ({"tailscale_daemon_flags": ["--port=1"]}, ["tailscale_daemon_flags[0] is '--port=1'", "tailscale_port"]),
        (
            {"tailscale_daemon_flags": "--verbose=1"},
            ["tailscale_daemon_flags is '--verbose=1': write a list, such as ["],
        ),
        ({"tailscale_socket": "/run/x.sock"}, ["tailscale_socket is '/run/x.sock'", "tailscale_package_source: none"]),
        ({"tailscale_repository_url": "https://me:s3cr3t@x y"}, ["tailscale_repository_url is 'https://…@x y'"]),
        # numbers that cannot be intended
        ({"firewall_ssh_port": float("nan")}, ["firewall_ssh_port"]),
        ({"firewall_ssh_port": float("inf")}, ["firewall_ssh_port"]),
        ({"firewall_ssh_port": 10**5000}, ["firewall_ssh_port is a number that is too long"]),
    ],
)
def test_mistake_is_reported_with_its_path_and_the_fix(changes: Change, words: list[str]) -> None:
    told = found(changes)
    assert all(word in told for word in words), told
    assert "s3cr3t" not in told


@pytest.mark.parametrize(
    "changes",
    [
        {"tailscale_port": "41641"},  # a string, as -e passes it
        {"tailscale_port": "0", "firewall_ssh_port": "2222", "syncthing_mesh_port": "22001", "tailscale_timeout": "60"},
        {"firewall_direct_connection_port": "41641", "firewall_docker": "yes", "firewall_purge": "no"},
        {"firewall_public_ports": 80},
        {"firewall_public_ports": [80, "443/tcp", "60000:61000/udp"]},
        {"firewall_public_ports": "80/tcp, 443/tcp"},
        {"firewall_lan_ssh_from": "192.168.1.0/24"},
        {"firewall_lan_ssh_from": "", "firewall_public_ports": "443/tcp, ", "tailscale_tags": ""},
        {"firewall_extra_rules": [{"app": "OpenSSH"}]},
        {"firewall_extra_rules": [{"direction": "routed", "interface_out": "lxdbr0"}]},
        {"firewall_extra_rules": [{"port": 445, "proto": "tcp", "from": "192.168.1.0/24", "log": None}]},
        {"firewall_logging": False},  # `off` without quotation marks
        {"tailscale_tags": "tag:server"},
        {"tailscale_auth_key": None, "tailscale_oauth_client_secret": None, "tailscale_api_token": "  "},
        {"tailscale_version": "1.80", "tailscale_hold": "true"},
        {"tailscale_version": "latest"},
        {"tailscale_login_server": None, "tailscale_api_url": None, "syncthing_gui_group": None},
        {
            "tailscale_preferences": {
                "ssh": "yes",
                "relay_server_port": "-1",
                "advertise_routes": "10.0.0.0/24",
            }
        },
        {"tailsync_accept": "gui_without_password"},
        {"tailsync_verify_timeout": "90", "syncthing_mesh_options": {"stun_keepalive_start": -1, "auto_upgrade_interval": -1}},
        {"tailsync_ssh_config": ""},
        {"tailsync_ssh_config": "/home/bob/my keys/config"},
        {"tailsync_connect_timeout": "10", "tailsync_tailscale_command": ["sudo", "tailscale"]},
        folder(
            ignores="*.tmp",
            label=2024,
            order=None,
            paused="no",
            rescan_interval="3600",
            min_disk_free=5,
            settings=None,
            versioning=None,
        ),
        folder(fs_watcher_delay=1, max_conflicts=-1, order="newestFirst", requires_mount="/srv"),
        shares(pi=None),
        shares(vps={"encryption_password": "1234"}),
        named(2024),
        named("Bücher & Co."),
        {
            "syncthing_mesh_folders": {},
            "syncthing_mesh_external_devices": {},
            "syncthing_mesh_gui": {},
            "syncthing_mesh_options": {},
        },
        {"syncthing_mesh_options": {"listen_addresses": None, "max_send_kbps": "100", "settings": {"maxFolderConcurrency": 2}}},
        {"syncthing_mesh_allowed_networks": ["100.64.0.0/10", "!100.64.0.9/32", "192.168.1.7/24"]},
        {"tailscale_package_source": "none", "tailscale_socket": "/run/x.sock"},
    ],
)
def test_usual_spellings_of_variables_are_accepted(changes: Change) -> None:
    assert found(changes) == ""


def test_all_problems_are_reported_together_and_once() -> None:
    told = found({"tailscale_port": 70000, "firewall_state": "x", **folder(order="x", paused="maybe", devices=["nas", "fridge"])})
    assert len(told.splitlines()) == 5, told


@pytest.mark.parametrize(
    "changes",
    [
        {"syncthing_user": "root", "syncthing_mesh_user": "root"},  # the one is the other by default
        {"syncthing_user": 1000, "syncthing_mesh_user": 1000},
        {"syncthing_mesh_user": "root"},
        {"syncthing_gui_address": ""},
        {"syncthing_gui_address": None},
        {"tailscale_hostname": ["nas"]},
        {"tailscale_hostname": ""},
        {"tailscale_hostname": None},
        {"syncthing_mesh_external_devices": ["phone"]},  # and not that a folder names the phone
    ],
)
def test_consequence_of_a_problem_is_not_reported(changes: Change) -> None:
    told = found(changes)
    assert len(told.splitlines()) == 1, told
    assert told.startswith(f"{next(iter(changes))} ")
    assert " is : " not in told
    assert "None" not in told


def test_unresolvable_variable_is_not_reported_as_empty() -> None:
    assert validate.problems({"nas": {}}, ["tailscale"]) == []


def test_hosts_are_named_unless_all_have_the_problem() -> None:
    hosts = {
        f"h{number}": {"tailscale_hostname": f"h{number}", "tailscale_port": 70000 if number < 8 else 1} for number in range(20)
    }
    (told,) = validate.problems(hosts, ["tailscale"])
    assert told == "tailscale_port is 70000: it must be from 0 to 65535 (on h0, h1, h2, h3, h4 and 3 more)"


@pytest.mark.parametrize(
    ("given", "accept", "meant"),
    [
        ({"tailscale_authkey"}, [], "tailscale_auth_key"),
        ({"syncthing_mesh_folder"}, [], "syncthing_mesh_folders"),
        ({"tailscle_tags"}, [], "tailscale_tags"),
        ({"tailscale_tag"}, [], "tailscale_tags"),
        ({"firewall_public_prots"}, [], "firewall_public_ports"),
        ({"tailscale_authkey", "tailscale_auth_key"}, [], None),  # then the other variable belongs to another role
        ({"tailscale_authkey"}, ["unknown_variables"], None),
        ({"tailscale_up_extra_args", "firewall_allowed_tcp_ports", "syncthing_version", "tailscale_iface", "x"}, [], None),
        ({"tailscale_ipv4", "ansible_host", "tailsync_hosts"}, [], None),
        ({"tailscale_ip", "tailscale_ips", "tailscale_up", "tailscale_host", "tailscale_args", "syncthing_name"}, [], None),
    ],
)
def test_name_that_resembles_an_unset_variable_is_refused(given: set[str], accept: list[str], meant: str | None) -> None:
    hosts = {"nas": {"tailscale_hostname": "nas", "tailsync_accept": accept}}
    told = validate.problems(hosts, ["tailscale", "firewall", "syncthing_mesh"], names={"nas": given})
    assert (
        (told == [])
        if meant is None
        else (len(told) == 1 and f"{meant} is not set" in told[0] and "unknown_variables" in told[0])
    )


@pytest.mark.parametrize("command", ["/usr/local/bin/tailscale", "sudo,tailscale", ["sudo", "tailscale"]])
def test_tailscale_command_may_be_a_string(command: t.Any) -> None:
    values = {"tailsync_tailscale_command": command, "verify_tailscale_command": command}
    assert validate.problems({"nas": values}, ["verify"]) == []


def test_password_in_a_url_is_not_shown() -> None:
    (told,) = validate.problems(
        {"nas": {"tailscale_hostname": "nas", "tailscale_login_server": "ftp://me:sesame@x.org"}}, ["tailscale"]
    )
    assert "tailscale_login_server is ftp://…@x.org" in told


def test_unknown_names_are_reported_in_a_stable_order() -> None:
    names = ["tailscale_authkey", "tailscale_hostnam", "tailscale_port_", "tailscale_stat", "tailscale_tag", "tailscale_timout"]
    told = validate.problems({"nas": {"tailscale_hostname": "nas"}}, ["tailscale"], names={"nas": set(names)})
    assert [words.split()[0] for words in told] == names


def test_role_used_alone_ignores_variables_of_other_roles() -> None:
    assert (
        validate.problems({"nas": {"tailscale_hostname": "nas"}}, ["tailscale"], names={"nas": {"syncthing_mesh_folder"}}) == []
    )


def test_mesh_shared_by_all_hosts_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    check = validate_mesh.problems

    def counted(mesh: validate_mesh.Mesh) -> list[str]:
        calls.append(mesh)
        return check(mesh)

    monkeypatch.setattr(validate_mesh, "problems", counted)
    shared = copy.deepcopy(odd_inputs.VALID)
    validate.problems({f"h{number}": {**shared, "tailscale_hostname": f"h{number}"} for number in range(30)})
    assert len(calls) == 1


def test_syncthing_home_of_a_host_outside_the_run_is_considered() -> None:
    changes = {"syncthing_mesh_hosts": ["nas", "pi"], **folder(path="/mnt/ssd/sync")}
    hosts = {"nas": {**odd_inputs.VALID, **changes}}
    assert validate.problems(hosts, ["syncthing_mesh"]) == []
    (told,) = validate.problems(hosts, ["syncthing_mesh"], homes={"pi": "/mnt/ssd/sync"})
    assert "syncthing_mesh_folders.docs.path" in told
    assert "(on pi)" in told


def test_special_cases_of_the_validator_are_existing_variables() -> None:
    """Otherwise a renamed variable would silently lose its limit or specification."""
    there = validate.known_names()
    assert sorted({*validate.WITH_OWN_CHECKS, *validate.MAY_BE_A_WORD, *validate.LIMITS} - there) == []
    assert sorted({*validate.MEMBER, *(f"syncthing_mesh_{name}" for name in validate.MESH)} - there) == []


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        ({"type": "int", "no_log": True}, "phone.pin"),
        ({"type": "int"}, "gui.password"),
        ({"type": "str", "no_log": True, "choices": ["a"]}, "phone.word"),
    ],
)
def test_secret_of_the_wrong_type_is_not_shown(spec: dict[str, t.Any], where: str) -> None:
    value, found = validate_types.checked("geheim", spec, where)
    assert value is validate_types.INVALID
    assert found
    assert "geheim" not in found[0]
