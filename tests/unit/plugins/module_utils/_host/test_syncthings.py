# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Syncthings and holders of ports are found in a tree of /proc."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._host import syncthings

TCP = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LISTENS = "   0: 00000000:55F0 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 {inode} 1 0\n"
PARAMS = {"syncthing_addresses": ["tcp://100.64.0.1:22000"], "syncthing_home": "/var/lib/syncthing"}


def process(root: pathlib.Path, pid: int, words: str, parent: int = 1, **given: str) -> None:
    place = root / "proc" / str(pid)
    for folder in ("ns", "fd"):
        (place / folder).mkdir(parents=True)
    (place / "cmdline").write_bytes(words.replace(" ", "\0").encode() + b"\0")
    (place / "comm").write_text(pathlib.PurePath(words.split(maxsplit=1)[0]).name[:15] + "\n", encoding="utf-8")
    (place / "stat").write_text(f"{pid} (a ) name) S {parent} 1 1\n", encoding="utf-8")
    (place / "environ").write_bytes(given.get("environ", "").replace(" ", "\0").encode())
    (place / "cgroup").write_text(f"0::{given.get('cgroup', '/')}\n", encoding="utf-8")
    (place / "exe").symlink_to(given.get("exe", words.split(maxsplit=1)[0]))
    (place / "ns/net").symlink_to(given.get("net", "net:[1]"))
    (place / "ns/pid").symlink_to(given.get("pid_namespace", "pid:[1]"))
    if "inode" in given:
        (place / "fd/5").symlink_to(f"socket:[{given['inode']}]")


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "proc/self/ns").mkdir(parents=True)
    (tmp_path / "proc/self/ns/net").symlink_to("net:[1]")
    (tmp_path / "proc/self/ns/pid").symlink_to("pid:[1]")
    (tmp_path / "proc/net").mkdir()
    return tmp_path


def gather(root: pathlib.Path) -> dict[str, t.Any]:
    return syncthings.gather(lambda _command: (1, "", ""), PARAMS, False, root)


def test_monitor_and_child_are_one_syncthing_that_holds_the_port(root: pathlib.Path) -> None:
    (root / "proc/net/tcp").write_text(TCP + LISTENS.format(inode=77), encoding="utf-8")
    unit = "/system.slice/system-syncthing.slice/syncthing@admin.service"
    process(root, 10, "/usr/bin/syncthing serve --home=/home/admin/st", cgroup=unit)
    process(root, 11, "/usr/bin/syncthing serve --home=/home/admin/st", parent=10, cgroup=unit, inode="77")
    found = gather(root)
    (one,) = found["daemons"]
    assert (one["pids"], one["unit"], one["home"]) == ([10, 11], "syncthing@admin.service", "/home/admin/st")
    assert found["holders"] == [
        {"port": 22000, "address": "0.0.0.0", "pid": 11, "process": "syncthing", "unit": "syncthing@admin.service"}
    ]


def test_only_daemons_of_the_hosts_network_are_listed(root: pathlib.Path) -> None:
    process(root, 10, "/usr/bin/syncthing cli show system")
    process(root, 11, "/usr/bin/syncthing serve", net="net:[2]")
    process(root, 12, "/usr/bin/vim syncthing")
    process(root, 13, "/bin/syncthing --home=/x", pid_namespace="pid:[2]")
    process(root, 14, "st", exe="/usr/bin/syncthing (deleted)", environ="STHOMEDIR=/y")
    found = [(one["pids"], one["home"], one["contained"]) for one in gather(root)["daemons"]]
    assert found == [([13], None, True), ([14], "/y", False)]


def test_syncthing_that_ends_meanwhile_is_skipped(root: pathlib.Path) -> None:
    process(root, 10, "/usr/bin/syncthing serve --home=/x")
    process(root, 11, "/usr/bin/syncthing serve --home=/y")
    (root / "proc/10/stat").unlink()
    assert [one["pids"] for one in gather(root)["daemons"]] == [[11]]


def hide(root: pathlib.Path, pid: int) -> None:
    """What root of a container without CAP_SYS_PTRACE sees of another user's process."""
    for name in ("exe", "ns/net", "ns/pid", "environ"):
        (root / f"proc/{pid}/{name}").unlink()
    for link in (root / f"proc/{pid}/fd").iterdir():
        link.unlink()


def test_hidden_syncthing_holds_the_port_of_its_user(root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncthings, "_name", lambda uid: {1000: "admin", os.getuid(): "admin"}.get(uid, "other"))
    (root / "proc/net/tcp").write_text(TCP + LISTENS.format(inode=77), encoding="utf-8")
    process(root, 10, "/usr/bin/syncthing serve", cgroup="/system.slice/syncthing@admin.service", inode="77")
    process(root, 20, "/usr/bin/syncthing serve", cgroup="/system.slice/docker-12.scope")
    hide(root, 10)
    hide(root, 20)
    found = gather(root)
    assert [(one["pids"], one["contained"]) for one in found["daemons"]] == [([10], False)]
    assert [(one["pid"], one["unit"]) for one in found["holders"]] == [(10, "syncthing@admin.service")]
    # Of two Syncthings of one user it cannot be told which.
    process(root, 30, "/usr/bin/syncthing serve --home=/y")
    hide(root, 30)
    assert [one["pid"] for one in gather(root)["holders"]] == [0]


@pytest.mark.parametrize(
    ("cgroup", "main", "starter", "expected"),
    [
        ("/system.slice/syncthing@admin.service", "", "", True),
        ("/system.slice/sync.service", "MainPID=11\n", "", True),
        ("/system.slice/cron.service", "MainPID=7\n", "cron", False),
        ("/system.slice/gone.service", "MainPID=0\n", "", False),
        ("/user.slice/user-1000.slice/session-3.scope", "", "bash", False),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/sync.service", "", "systemd", True),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/app-term.service", "", "bash", False),
        (r"/user@1000.service/app.slice/app-syncthing\x2dstart@autostart.service", "", "systemd", False),
    ],
)
def test_unit_is_syncthings_own_or_only_started_it(
    cgroup: str, main: str, starter: str, expected: bool, root: pathlib.Path
) -> None:
    process(root, 7, starter or "systemd")
    process(root, 11, "/usr/bin/syncthing serve", parent=7, cgroup=cgroup)
    (one,) = syncthings.gather(lambda _command: (0, main, ""), PARAMS, False, root)["daemons"]
    assert one["is_main"] is expected


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("tcp://100.64.0.1:22001", "100.64.0.1", 22001),
        ("tcp6://[fd7a::1]:22001", "fd7a::1", 22001),
        ("tcp://[fd7a::1]", "fd7a::1", 22000),
        ("tcp://nas", "nas", 22000),
        ("tcp://:22001", "", 22001),
        (":22001", "", 22001),
        ("127.0.0.1:8384", "127.0.0.1", 8384),
        ("", "", 22000),
    ],
)
def test_address_has_host_and_port(address: str, host: str, port: int) -> None:
    assert syncthings.place_of(address) == {"host": host, "port": port}


def test_options_that_show_a_syncthing_outside_the_tailnet_are_found(root: pathlib.Path) -> None:
    home = root / "var/lib/syncthing"
    home.mkdir(parents=True)
    options = (
        "<listenAddress>{}</listenAddress><globalAnnounceEnabled>{}</globalAnnounceEnabled><relaysEnabled>{}</relaysEnabled>"
        "<natEnabled>false</natEnabled>"
    )
    text = "<configuration><defaults><natEnabled>true</natEnabled></defaults><options>{}</options></configuration>"
    (home / "config.xml").write_text(text.format(options.format("default", "true", "true")), encoding="utf-8")
    assert gather(root)["shows"] == ["listenAddress default", "globalAnnounceEnabled", "relaysEnabled"]
    (home / "config.xml").write_text(text.format(options.format("tcp://100.64.0.1:22000", "false", "false")), encoding="utf-8")
    assert gather(root)["shows"] == []


@pytest.mark.parametrize(
    ("words", "environment", "there", "expected"),
    [
        ("serve --home=/a/", {}, "", "/a"),
        ("-home /a", {}, "", "/a"),
        ("serve -H /a", {}, "", "/a"),
        ("serve --config=/c --data=/d", {}, "", "/c"),
        ("serve --home=~/st", {}, "", "/work/~/st"),  # as Syncthing 1.19 and 1.29 do
        ("serve --home=relative", {}, "", "/work/relative"),
        ("serve", {"STHOMEDIR": "/e"}, "", "/e"),
        ("serve", {}, "home/me/.config/syncthing", "/home/me/.config/syncthing"),
        ("serve", {}, "home/me/.local/state/syncthing", "/home/me/.local/state/syncthing"),
        ("serve", {"HOME": "/srv/me"}, "srv/me/.config/syncthing", "/srv/me/.config/syncthing"),
        ("serve", {"XDG_CONFIG_HOME": "/x"}, "x/syncthing", "/x/syncthing"),
        ("serve", {}, "", None),
    ],
)
def test_home_is_found(words: str, environment: dict[str, str], there: str, expected: str | None, tmp_path: pathlib.Path) -> None:
    if there:
        (tmp_path / there).mkdir(parents=True)
        (tmp_path / there / "config.xml").touch()
    assert syncthings.home_of(["syncthing", *words.split()], environment, "/home/me", "/work", tmp_path) == expected


def test_relative_home_of_a_process_without_a_folder_is_unknown() -> None:
    assert syncthings.home_of(["syncthing", "serve", "--home=st"], {}, "/home/me") is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/system.slice/system-syncthing.slice/syncthing@me.service", ("syncthing@me.service", False)),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/syncthing.service", ("syncthing.service", True)),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope", ("", True)),
        ("/user.slice/user-1000.slice/session-3.scope", ("", False)),
        ("/system.slice/docker-12.scope", ("", False)),
    ],
)
def test_unit_is_found(path: str, expected: tuple[str, bool]) -> None:
    assert syncthings.unit_of(f"1:name=systemd:{path}\n0::/\n") == expected


@pytest.mark.parametrize(
    ("rule", "concerned"),
    [
        ("PREROUTING -p tcp -m tcp --dport 22000", True),
        ("PREROUTING -i tailscale0 -p tcp -m tcp --dport 22000", True),
        ("DOCKER ! -i br-0123456789ab -p tcp -m tcp --dport 22000", True),
        ("DOCKER ! -s 172.17.0.2/32 -p tcp -m tcp --dport 22000", True),
        ("PREROUTING -i eth0 -p tcp -m tcp --dport 22000", False),  # a router's, from the internet to another machine
        ("PREROUTING -s 203.0.113.7/32 -p tcp -m tcp --dport 22000", False),
        ("OUTPUT -d 10.0.0.1/32 -p tcp -m tcp --dport 22000", False),
    ],
)
def test_forwarded_port_concerns_peers_only_if_they_can_use_it(rule: str, concerned: bool) -> None:
    listing = f"-A {rule} -j DNAT --to-destination 192.168.1.20:22000\n"
    assert bool(syncthings.forwarded(listing, [22000])) is concerned


def test_forwarded_ports_and_apts_candidate_are_parsed() -> None:
    listing = (
        "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 22000 -j DNAT --to-destination 172.17.0.2:22000\n"
        "-A DOCKER -d 192.168.1.5/32 ! -i docker0 -p tcp -m tcp --dport 22000 -j DNAT --to-destination 172.17.0.2:22000\n"
        "-A DOCKER ! -i docker0 -p udp -m udp --dport 22000 -j DNAT --to-destination 172.17.0.2:22000\n"
    )
    assert [one["address"] for one in syncthings.forwarded(listing, [22000])] == ["", "192.168.1.5"]
    assert syncthings.forwarded(listing, [22001]) == []
    policy = "syncthing:\n  Installed: (none)\n  Candidate: {}\n"
    assert syncthings.candidate(lambda _command: (0, policy.format("1.18.0~ds1-1"), "")) == "1.18.0~ds1-1"
    assert syncthings.candidate(lambda _command: (0, policy.format("(none)"), "")) is None
    assert syncthings.candidate(lambda _command: (127, "", "")) is None
