# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Tailscale that runs on a host: another one's connections are never cut off, and an ordinary host is never refused."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._host import tailscaled
from ansible_collections.homelab.tailsync.plugins.plugin_utils import tailscale_host
from tailscale_machine import BY_HAND, CGROUP, OURS, USUAL, Machine


@pytest.fixture
def machine(tmp_path: pathlib.Path) -> Machine:
    return Machine(tmp_path)


def wanted(**more: t.Any) -> dict[str, t.Any]:
    usual = {"source": "vendor", "state": "present", "login_server": "", "tags": [], "has_secret": True, "problem": ""}
    return {**usual, **more}


def packaged_daemon(machine: Machine, *arguments: str) -> Machine:
    machine.service(pid=9)
    return machine.process(9, [*USUAL, *arguments], "/usr/sbin/tailscaled", CGROUP, holds="tailscale0")


def nothing(machine: Machine) -> None:
    del machine


def package_running(machine: Machine) -> None:
    packaged_daemon(machine)


def package_upgraded_while_running(machine: Machine) -> None:
    machine.service(pid=9).process(9, USUAL, "/usr/sbin/tailscaled (deleted)", CGROUP, holds="tailscale0")


def package_stopped(machine: Machine) -> None:
    machine.service()


def package_with_an_edited_copy_of_its_unit(machine: Machine) -> None:
    machine.service(OURS, pid=9, text="[Service]\nExecStart=/usr/sbin/tailscaled").packaged.add("/usr/sbin/tailscaled")
    machine.process(9, USUAL, "/usr/sbin/tailscaled", CGROUP, holds="tailscale0")


def our_archive(machine: Machine) -> None:
    program = "/opt/tailscale/1.102.5-amd64/bin/tailscaled"
    machine.service(OURS, program, 9, f"# {tailscaled.OUR_MARK}.")
    machine.process(9, [program, *USUAL[1:]], program, CGROUP, holds="tailscale0")


def our_userspace(machine: Machine) -> None:
    machine.service(pid=9).process(9, [*USUAL, "--tun=userspace-networking"], "/usr/sbin/tailscaled", CGROUP)


def sessions_of_tailscale_ssh(machine: Machine) -> None:
    packaged_daemon(machine)
    session = ["/usr/sbin/tailscaled", "be-child", "ssh", "--uid=1000"]
    machine.process(50, session, "/usr/sbin/tailscaled", "/user.slice/user-1000.slice/session-4.scope")


def a_guest_with_a_network_of_its_own(machine: Machine) -> None:
    packaged_daemon(machine)
    group = "/lxc.payload.101/system.slice/tailscaled.service"
    machine.process(60, USUAL, "/usr/sbin/tailscaled", group, network="guest", files="guest", holds="")


def a_sidecar_with_a_network_of_its_own(machine: Machine) -> None:
    machine.process(60, ["tailscaled", "--socket=/tmp/tailscaled.sock"], "/usr/local/bin/tailscaled", "/docker/1", "box", "box")


def an_exporter(machine: Machine) -> None:
    machine.units["tailscaled-exporter.service"] = "{ path=/usr/bin/tailscaled-exporter ; argv[]=/usr/bin/tailscaled-exporter ; }"


def other_interfaces(machine: Machine) -> None:
    machine.interface("wg0").interface("docker0").interface("tun0")


def another_in_userspace(machine: Machine) -> None:
    arguments = ["tailscaled", "--socket=/tmp/tailscaled.sock", "--tun=userspace-networking"]
    machine.process(60, arguments, "/usr/local/bin/tailscaled", "/system.slice/docker-1.scope", files="box")


ORDINARY = [
    nothing,
    package_running,
    package_upgraded_while_running,
    package_stopped,
    package_with_an_edited_copy_of_its_unit,
    our_archive,
    our_userspace,
    sessions_of_tailscale_ssh,
    a_guest_with_a_network_of_its_own,
    a_sidecar_with_a_network_of_its_own,
    an_exporter,
    other_interfaces,
    another_in_userspace,
]


@pytest.mark.parametrize("situation", ORDINARY)
@pytest.mark.parametrize("source", ["vendor", "distribution", "static"])
def test_ordinary_tailscale_is_accepted(machine: Machine, monkeypatch: pytest.MonkeyPatch, situation: t.Any, source: str) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name)
    situation(machine)
    assert tailscale_host.refusals(machine.look(), wanted(source=source)) == []


def by_hand(machine: Machine) -> list[str]:
    machine.process(77, BY_HAND, "/usr/local/bin/tailscaled", "/user.slice/session-1.scope", holds="tailscale0")
    return ["process 77", "--statedir=/var/lib/ts2", "session-1.scope", "tailscale_socket: /run/ts2.sock"]


def by_hand_with_the_packages_program(machine: Machine) -> list[str]:
    machine.service().process(77, BY_HAND, "/usr/sbin/tailscaled", "/user.slice/session-1.scope", holds="tailscale0")
    return ["process 77", "/run/ts2.sock"]


def by_hand_at_the_usual_socket(machine: Machine) -> list[str]:
    machine.process(77, USUAL, "/usr/sbin/tailscaled", "/user.slice/session-1.scope", holds="tailscale0")
    return ["process 77"]


def beside_the_package(machine: Machine) -> list[str]:
    packaged_daemon(machine)
    machine.process(77, [*BY_HAND[:-1], "--tun=ts1"], "/usr/local/bin/tailscaled", "/user.slice", holds="ts1")
    return ["process 77", "--tun=ts1"]


def a_snap(machine: Machine) -> list[str]:
    arguments = ["/snap/tailscale/1/bin/tailscaled", "--socket=/var/snap/tailscale/common/socket/tailscaled.sock"]
    machine.process(
        77, arguments, arguments[0], "/system.slice/snap.tailscale.tailscaled.service", files="snap", holds="tailscale0"
    )
    return ["snap.tailscale.tailscaled.service", "/var/snap/tailscale/common/socket/tailscaled.sock"]


def a_snap_that_is_stopped(machine: Machine) -> list[str]:
    machine.units["snap.tailscale.tailscaled.service"] = (
        "{ path=/usr/bin/snap ; argv[]=/usr/bin/snap run tailscale.tailscaled ; }"
    )
    return ["snap.tailscale.tailscaled.service", "at every boot"]


def a_container_with_the_hosts_network(machine: Machine) -> list[str]:
    machine.process(
        77, ["tailscaled", "--socket=/tmp/t.sock"], "/usr/local/bin/tailscaled", "/docker/4", "host", "box", "tailscale0"
    )
    return ["process 77", "docker/4", "inside a container", "as a path of this host"]


def a_container_with_a_systemd_and_the_hosts_network(machine: Machine) -> list[str]:
    packaged_daemon(machine)
    group = "/machine.slice/systemd-nspawn@box.service/payload/system.slice/tailscaled.service"
    machine.process(77, USUAL, "/usr/sbin/tailscaled", group, "host", "box")
    return ["process 77", "inside a container"]


def nix(machine: Machine) -> list[str]:
    program = "/nix/store/abc-tailscale-1.90/bin/tailscaled"
    machine.service(OURS, program, 77, "[Service]").process(77, [program, *USUAL[1:]], program, CGROUP, holds="tailscale0")
    return [program]


def a_stopped_archive_of_the_user(machine: Machine) -> list[str]:
    machine.service(OURS, "/opt/ts/tailscaled", 0, "[Service]")
    return [OURS, "/opt/ts/tailscaled", "no package"]


def an_interface_of_another_program(machine: Machine) -> list[str]:
    machine.process(88, ["/usr/bin/vpn", "--fast"], "/usr/bin/vpn", "/system.slice/vpn.service", holds="tailscale0")
    return ["interface tailscale0", "process 88 (/usr/bin/vpn --fast)"]


def an_interface_without_a_process(machine: Machine) -> list[str]:
    machine.interface("tailscale0")
    return ["interface tailscale0", "no process"]


OTHERS = [
    by_hand,
    by_hand_with_the_packages_program,
    by_hand_at_the_usual_socket,
    beside_the_package,
    a_snap,
    a_snap_that_is_stopped,
    a_container_with_the_hosts_network,
    a_container_with_a_systemd_and_the_hosts_network,
    nix,
    a_stopped_archive_of_the_user,
    an_interface_of_another_program,
    an_interface_without_a_process,
]


@pytest.mark.parametrize("situation", OTHERS)
def test_another_tailscale_is_refused_with_its_process_and_the_fix(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, situation: t.Any
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name)
    words = situation(machine)
    (said,) = tailscale_host.refusals(machine.look(), wanted())
    assert [word for word in [*words, "another Tailscale", "tailscale_package_source: none"] if word not in said] == []


@pytest.mark.parametrize("situation", OTHERS)
def test_removal_is_refused_if_another_tailscale_runs(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, situation: t.Any
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name)
    words = situation(machine)
    (said,) = tailscale_host.refusals(machine.look(), wanted(state="absent"))
    assert [word for word in [*words[:1], "leave tailscale_state: absent out"] if word not in said] == []
    assert "tailscale_package_source" not in said


def test_tailscaled_of_the_package_is_recognised_without_systemd(tmp_path: pathlib.Path) -> None:
    machine = Machine(tmp_path, systemd=False)
    machine.process(9, USUAL, "/usr/sbin/tailscaled", "/tailscale", holds="tailscale0")
    assert tailscale_host.refusals(machine.look(), wanted()) == []
    machine.process(77, BY_HAND, "/usr/sbin/tailscaled", "/")
    assert "process 77" in tailscale_host.refusals(machine.look(), wanted())[0]


def test_another_tailscaled_in_user_space_gives_a_warning(machine: Machine) -> None:
    another_in_userspace(machine)
    (said,) = tailscale_host.warnings(machine.look(), wanted())
    assert "process 60" in said


# --- a Tailscale that is managed by other means ------------------------------------------------------

STATUS = {"BackendState": "Running", "HaveNodeKey": True, "TailscaleIPs": ["100.64.0.7"], "Self": {"DNSName": "nas.home.ts.net."}}
PREFS = {"ControlURL": "https://controlplane.tailscale.com", "LoggedOut": False, "WantRunning": True}


@pytest.mark.parametrize("situation", [by_hand, a_snap, a_container_with_the_hosts_network, nix, beside_the_package])
def test_tailscaled_managed_by_other_means_is_used(machine: Machine, situation: t.Any) -> None:
    situation(machine)
    machine.node = (STATUS, PREFS)
    assert tailscale_host.refusals(machine.look(), wanted(source="none")) == []
    assert tailscale_host.warnings(machine.look(), wanted(source="none")) == []


def test_wrong_socket_of_another_tailscaled_is_refused(machine: Machine) -> None:
    by_hand(machine)
    (said,) = tailscale_host.refusals(machine.look(), wanted(source="none"))
    assert "/run/tailscale/tailscaled.sock" in said
    assert "/run/ts2.sock" in said


def test_unsupported_system_is_refused_with_the_fix(machine: Machine) -> None:
    problem = "Void: this role does not install packages with xbps: set tailscale_package_source to static."
    (said,) = tailscale_host.refusals(machine.look(), wanted(problem=problem, has_secret=False))
    assert f"{said}." == problem
    # A Tailscale that is installed by other means, or will be removed, needs no package.
    assert tailscale_host.refusals(machine.look(), wanted(problem=problem, state="absent")) == []
    by_hand(machine)
    machine.node = (STATUS, PREFS)
    assert tailscale_host.refusals(machine.look(), wanted(problem=problem, source="none")) == []


# --- a host without a TUN device ---------------------------------------------------------------------

NO_TUN = {"error": "ENOENT", "contained": True, "kernel": "6.12.0"}
TUN_DOWN = ({**STATUS, "TUN": False}, PREFS)


@pytest.mark.parametrize(
    ("tun", "node", "more"),
    [
        ({"error": None, "contained": True}, None, {}),
        (NO_TUN, None, {"userspace": True}),
        (NO_TUN, None, {"flags": ["--tun=tailscale0,userspace-networking"]}),
        (NO_TUN, None, {"state": "absent"}),
        (NO_TUN, ({**STATUS, "TUN": True}, PREFS), {"restarts": True}),
        (NO_TUN, TUN_DOWN, {}),  # userspace by the user's own settings
        (NO_TUN, (STATUS, PREFS), {"source": "none"}),
        ({**NO_TUN, "contained": False}, None, {"systemd": False}),  # Alpine: its service loads the module
        ({**NO_TUN, "error": "EMFILE"}, None, {}),
        (None, None, {}),
    ],
)
def test_host_that_has_or_needs_no_tun_device_passes(machine: Machine, tun: t.Any, node: t.Any, more: dict[str, t.Any]) -> None:
    machine.node = node
    assert tailscale_host.refusals(machine.look(), wanted(tun=tun, **more)) == []


@pytest.mark.parametrize(
    ("tun", "node", "words"),
    [
        (NO_TUN, None, ["no such device", "Proxmox", "c 10:200 rwm"]),
        ({**NO_TUN, "error": "EPERM"}, None, ["not permitted", "lxc.cgroup2.devices.allow"]),
        ({**NO_TUN, "error": "EACCES", "contained": False}, None, ["permission denied", "0666"]),
        ({**NO_TUN, "error": "ENODEV", "contained": False}, None, ["6.12.0", "restart the host", "modprobe tun"]),
        ({**NO_TUN, "contained": False}, None, ["restart the host", "modprobe tun"]),
        (NO_TUN, TUN_DOWN, ["Proxmox"]),
    ],
)
def test_host_without_a_tun_device_is_refused_with_the_fix(
    machine: Machine, tun: dict[str, t.Any], node: t.Any, words: list[str]
) -> None:
    machine.node = node
    (said,) = tailscale_host.refusals(machine.look(), wanted(tun=tun, restarts=True))
    assert [word for word in [*words, "/dev/net/tun", "tailscale_userspace_networking: true"] if word not in said] == []
