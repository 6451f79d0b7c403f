# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pathlib
import subprocess

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import ssh_fragment as fragment
from ansible_collections.homelab.tailsync.plugins.plugin_utils.ssh_fragment import Entry

NAS = Entry(("nas", "192.168.1.10"), "100.64.0.7", "192.168.1.10")
PI = Entry(("pi", "192.168.1.11"), "100.64.0.8", "[192.168.1.11]:2222")


def settings(config: pathlib.Path, host: str) -> dict[str, str]:
    """The settings that the real ssh would use."""
    done = subprocess.run(["ssh", "-F", str(config), "-G", host], capture_output=True, text=True, check=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def test_file_is_parsed_as_it_was_written() -> None:
    assert fragment.parse(fragment.render([PI, NAS])) == [NAS, PI]
    assert fragment.render([NAS, PI]) == fragment.render([PI, NAS])
    known = NAS._replace(host_key_name="")
    assert fragment.parse(fragment.render([known])) == [known]
    assert fragment.parse("") == []
    assert fragment.parse("HostName x\nHost a\nnonsense\nHost\n") == []


@pytest.mark.parametrize(
    ("before", "entry", "after"),
    [
        ([], NAS, [NAS]),
        ([NAS], NAS, [NAS]),
        ([PI], NAS, [PI, NAS]),
        ([NAS], NAS._replace(address="100.64.0.9"), [NAS._replace(address="100.64.0.9")]),  # it has joined again
        # its address has changed, and may be another machine's now
        ([NAS], NAS._replace(names=("nas", "192.168.1.20")), [NAS._replace(names=("nas", "192.168.1.20"))]),
        # another inventory's name for it
        (
            [NAS],
            NAS._replace(names=("box", "192.168.1.10")),
            [NAS._replace(names=("nas",)), NAS._replace(names=("box", "192.168.1.10"))],
        ),
        ([NAS, PI], PI._replace(names=("nas",)), [NAS._replace(names=("192.168.1.10",)), PI, PI._replace(names=("nas",))]),
    ],
)
def test_name_belongs_to_the_host_that_had_it_last(before: list[Entry], entry: Entry, after: list[Entry]) -> None:
    assert fragment.with_entry(before, entry) == after


def test_removed_host_leaves_the_others() -> None:
    assert fragment.without([NAS, PI], NAS.names) == [PI]
    assert fragment.without_host([NAS, PI], NAS.names[:1]) == [PI]
    assert fragment.without_host([NAS, PI], ["vps"]) == [NAS, PI]


@pytest.mark.parametrize(
    ("names", "others", "expected"),
    [
        (["nas", "192.168.1.10", "nas.home.ts.net"], [], ("nas", "192.168.1.10", "nas.home.ts.net")),
        (["nas", "nas", None, ""], [], ("nas",)),
        (["nas", "fd00::10"], [], ("nas", "fd00::10")),
        (["vps-1", "203.0.113.5"], ["203.0.113.5"], ("vps-1",)),  # a router that forwards a port to each of several hosts
        (["box", "127.0.0.1"], [], ("box",)),
        (["localhost", "::1"], [], ()),
        (["nas*", "!nas", "n?s", "a b", "a\nHost *", '"nas"', "-oProxyCommand=x", "$(x)", "%h"], [], ()),
    ],
)
def test_only_names_of_one_host_are_written(names: list[str | None], others: list[str], expected: tuple[str, ...]) -> None:
    assert fragment.usable_names(names, others) == expected


@pytest.mark.parametrize(
    ("names", "address", "key", "expected"),
    [
        (["nas"], "100.64.0.7", "192.168.1.10", Entry(("nas",), "100.64.0.7", "192.168.1.10")),
        (["nas"], "fd7a:115c:a1e0::7%tailscale0", "[nas]:2222", Entry(("nas",), "fd7a:115c:a1e0::7", "[nas]:2222")),
        ([], "100.64.0.7", "nas", None),
        (["nas"], "", "nas", None),
        (["nas"], "100.64.0.7", "nas\nHost *", None),
        (["nas"], "100.64.0.7", "", None),
    ],
)
def test_entry_holds_only_values_that_ssh_reads_as_one_word(
    names: list[str], address: str, key: str, expected: Entry | None
) -> None:
    assert fragment.entry_of(names, address, key) == expected


# --- the user's configuration -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/bob/.ssh/tailsync.conf", "Include ~/.ssh/tailsync.conf"),
        ("/home/bobby/.ssh/tailsync.conf", "Include /home/bobby/.ssh/tailsync.conf"),
        ("/srv/my keys/tailsync.conf", 'Include "/srv/my keys/tailsync.conf"'),
    ],
)
def test_include_names_the_file(path: str, expected: str) -> None:
    assert fragment.include_line(path, "/home/bob") == expected
    assert fragment.is_included(expected)


@pytest.mark.parametrize(
    "config",
    [
        "",
        "Host *\n  User admin\n",
        "Host nas\r\n  User admin\r\n",
        "User admin",
        "Include config.d/*\n",
        "# my tailsync.conf\nUser a\n",
    ],
)
def test_include_is_added_once_and_changes_nothing_else(config: str) -> None:
    line = "Include ~/.ssh/tailsync.conf"
    added = fragment.with_include(config, line)
    assert added.startswith(f"{line}\n")
    assert added.endswith(config)
    assert fragment.with_include(added, line) == added


@pytest.mark.parametrize(
    "line",
    ["include tailsync.conf", '  Include "~/.ssh/tailsync.conf"', "Include=tailsync.conf", "Include other.conf tailsync.conf"],
)
def test_include_that_the_user_wrote_is_kept(line: str) -> None:
    config = f"User admin\n{line}\n"
    assert fragment.with_include(config, "Include x") == config
    assert "tailsync.conf" in " ".join(fragment.included(line))


def test_ssh_uses_the_file_before_the_users_own_block(tmp_path: pathlib.Path) -> None:
    (tmp_path / fragment.FILE).write_text(fragment.render([NAS, PI]), encoding="ascii")
    config = tmp_path / "config"
    users = "Host nas\n  HostName 192.168.1.10\n  User admin\n  Port 2222\n"
    config.write_text(
        fragment.with_include(users, fragment.include_line(str(tmp_path / fragment.FILE), "/root")), encoding="ascii"
    )
    found = settings(config, "nas")
    assert [found[key] for key in ("hostname", "user", "port", "hostkeyalias")] == ["100.64.0.7", "admin", "2222", "192.168.1.10"]
    assert settings(config, "192.168.1.11")["hostkeyalias"] == "[192.168.1.11]:2222"
    assert settings(config, "other")["hostname"] == "other"


# --- known_hosts --------------------------------------------------------------------------------


def found_in(tmp_path: pathlib.Path, name: str, *, hashed: bool) -> str:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    words = (tmp_path / "key.pub").read_text(encoding="ascii").split()
    file = tmp_path / "known_hosts"
    file.write_text(f"192.168.1.10 {words[0]} {words[1]}\n", encoding="ascii")
    if hashed:
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    return look_up(file, name)


def look_up(file: pathlib.Path, name: str) -> str:
    return subprocess.run(["ssh-keygen", "-F", name, "-f", str(file)], capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("hashed", [False, True])
def test_known_key_gets_further_names_as_ssh_writes_them(tmp_path: pathlib.Path, hashed: bool) -> None:
    found = found_in(tmp_path, "192.168.1.10", hashed=hashed)
    lines = fragment.known_host_lines(found, ["nas", "[nas.home]:2222"], lambda: os.urandom(20))
    assert all(line.startswith(fragment.HASHED) is hashed for line in lines)
    added = tmp_path / "added"
    added.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    for name in ("nas", "[nas.home]:2222"):
        assert fragment.keys_of(look_up(added, name)) == fragment.keys_of(found)
    assert not look_up(added, "pi")


def test_only_keys_of_the_machine_itself_are_copied() -> None:
    found = "# Host nas found: line 1\n@cert-authority nas ssh-ed25519 AAAA\n@revoked nas ssh-ed25519 BBBB\nnas ssh-rsa CCCC me\n"
    assert fragment.known_host_lines(found, ["pi"], bytes) == ["pi ssh-rsa CCCC"]
    assert fragment.known_host_lines("", ["pi"], bytes) == []
    assert fragment.known_host_lines(found, [], bytes) == []
