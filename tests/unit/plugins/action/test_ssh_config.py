# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import typing as t

import pytest
import yaml
from ansible_collections.homelab.tailsync.plugins.action import ssh_config as action
from ansible_collections.homelab.tailsync.plugins.modules import ssh_config as module
from playbook import ansible_playbook

KEY = {"name": "192.168.1.10", "port": 22, "known_hosts": [], "verified": False}


def call(tmp_path: pathlib.Path, name: str, *options: str, **arguments: t.Any) -> subprocess.CompletedProcess[str]:
    tasks = [{f"homelab.tailsync.{name}": arguments, "register": "answer"}, {"ansible.builtin.debug": {"var": "answer"}}]
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "nas", "gather_facts": False, "tasks": tasks}]), encoding="ascii")
    hosts = {"nas": {"ansible_connection": "local"}, "gate": {"ansible_host": "203.0.113.5"}}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}), encoding="ascii")
    return ansible_playbook("-i", str(tmp_path / "hosts.yml"), str(tmp_path / "play.yml"), *options, cwd=tmp_path)


def written(tmp_path: pathlib.Path, *options: str, **more: t.Any) -> subprocess.CompletedProcess[str]:
    names = ["nas", "203.0.113.5"]
    config = str(tmp_path / "ssh" / "config")
    return call(
        tmp_path, "ssh_config", *options, **{"config": config, "names": names, "address": "100.64.0.7", "host_key": KEY, **more}
    )


def test_documented_options_are_those_of_the_action() -> None:
    keys = ("type", "elements", "default", "required", "choices")

    def plain(options: dict[str, t.Any], inner: str) -> dict[str, t.Any]:
        found = {}
        for name, one in options.items():
            found[name] = {key: one[key] for key in keys if key in one}
            if inner in one:
                found[name]["options"] = plain(one[inner], inner)
        return found

    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert plain(documented, "suboptions") == plain(action.ARGUMENTS, "options")


def test_file_is_written_once_and_removed_again(tmp_path: pathlib.Path) -> None:
    first = written(tmp_path, "--check")
    assert "changed=1" in first.stdout, first.stdout + first.stderr
    assert not (tmp_path / "ssh").exists()
    assert "changed=1" in written(tmp_path).stdout
    again = written(tmp_path).stdout
    assert ("changed=0" in again, '"in_use": true' in again) == (True, True)
    text = (tmp_path / "ssh" / "tailsync.conf").read_text(encoding="ascii")
    assert "Host nas\n  HostName 100.64.0.7\n" in text  # the address is also that of gate
    assert "changed=1" in written(tmp_path, state="absent").stdout
    assert "Host nas" not in (tmp_path / "ssh" / "tailsync.conf").read_text(encoding="ascii")


def test_configuration_that_is_a_link_is_left_alone(tmp_path: pathlib.Path) -> None:
    (tmp_path / "ssh").mkdir()
    (tmp_path / "dotfiles").write_text("User bob\n", encoding="ascii")
    (tmp_path / "ssh" / "config").symlink_to(tmp_path / "dotfiles")
    done = written(tmp_path)
    assert "make this its first line" in " ".join((done.stdout + done.stderr).split())
    assert '"in_use": false' in done.stdout
    assert "From now on" not in done.stdout
    assert (tmp_path / "ssh" / "config").is_symlink()
    assert (tmp_path / "dotfiles").read_text(encoding="ascii") == "User bob\n"


@pytest.mark.parametrize(
    "text",
    [
        "Host *\r\n  User bob\r\n",
        "Host *\n  User bob\n  IdentitiesOnly yes\n  IdentityFile ~/.ssh/other\nMatch user root\n  Port 2222\n",
        "Host nas\n  HostName 192.168.1.10\n  User bob\n  HostKeyAlias mine\n",
        "Host n\u00e4s\n  User b\u00f6b",
        "",
    ],
)
def test_users_configuration_stays_as_it_is_behind_the_include(tmp_path: pathlib.Path, text: str) -> None:
    config = tmp_path / "ssh" / "config"
    config.parent.mkdir()
    config.write_bytes(text.encode())
    config.chmod(0o640)
    assert "changed=1" in written(tmp_path).stdout
    first, _end, rest = config.read_bytes().partition(b"\n")
    assert (first.startswith(b"Include "), rest.decode()) == (True, text)
    assert config.stat().st_mode & 0o777 == 0o640
    asked = subprocess.run(["ssh", "-F", str(config), "-G", "nas"], capture_output=True, text=True, check=False)
    assert "hostname 100.64.0.7\n" in asked.stdout
    assert "hostkeyalias 192.168.1.10\n" in asked.stdout
    assert ("identitiesonly yes\n" in asked.stdout) is ("IdentitiesOnly" in text)


@pytest.mark.parametrize(("mode", "config_exists"), [(0o600, True), (0o644, True), (0o600, False)])
def test_another_users_ssh_can_still_read_what_root_writes(tmp_path: pathlib.Path, mode: int, config_exists: bool) -> None:
    owner = 1234 if os.geteuid() == 0 else os.geteuid()  # as with sudo, and the configuration of the user
    folder = tmp_path / "ssh"
    folder.mkdir()
    if config_exists:
        (folder / "config").write_text("User bob\n", encoding="ascii")
        (folder / "config").chmod(mode)
        os.chown(folder / "config", owner, -1)
    os.chown(folder, owner, -1)
    assert "changed=1" in written(tmp_path).stdout
    for name in ("config", "tailsync.conf"):
        found = (folder / name).stat()
        assert (name, found.st_uid, oct(found.st_mode & 0o777)) == (name, owner, oct(mode))


@pytest.mark.parametrize("config", ["false", "ssh/config", "/no_folder/tailsync.conf"])
def test_configuration_that_would_break_ssh_is_refused(tmp_path: pathlib.Path, config: str) -> None:
    done = written(tmp_path, config=config)
    assert done.returncode != 0
    assert f"config is {config}, which is " in " ".join((done.stdout + done.stderr).split())
    assert {one.name for one in tmp_path.iterdir()} == {"hosts.yml", "play.yml"}
    assert written(tmp_path, config=config, state="absent").returncode == 0  # a host can leave whatever is wrong


@pytest.mark.parametrize(
    ("known", "verified", "read_only", "alias"),
    [
        ("192.168.1.10 ssh-ed25519 AAAA\n", True, False, False),
        ("192.168.1.10 ssh-ed25519 AAAA\n", True, True, True),
        ("192.168.1.10 ssh-ed25519 AAAA\n", False, False, True),
        ("192.168.1.10 ssh-ed25519 AAAA\n100.64.0.7 ssh-ed25519 BBBB\n", True, False, True),
        ("@cert-authority 192.168.1.* ssh-ed25519 AAAA\n", True, False, True),
    ],
)
def test_other_ssh_servers_of_the_machine_keep_their_own_keys(
    tmp_path: pathlib.Path, known: str, verified: bool, read_only: bool, alias: bool
) -> None:
    file = tmp_path / "known_hosts"  # an alias would hold for ssh -p 2222 git@nas as well, which has another key
    file.write_text(known, encoding="ascii")
    file.chmod(0o444 if read_only else 0o600)
    key = {**KEY, "known_hosts": [str(file)], "verified": verified}
    assert "changed=1" in written(tmp_path, host_key=key).stdout
    command = ["ssh", "-F", str(tmp_path / "ssh" / "config"), "-G", "-p", "2222", "nas"]
    assert ("hostkeyalias" in subprocess.run(command, capture_output=True, text=True, check=True).stdout) is alias
    assert "changed=0" in written(tmp_path, host_key=key).stdout


@pytest.mark.parametrize(
    ("users", "written_names"),
    [
        ("Host nas\n  HostName nas.work.example\n", "192.168.1.10"),
        ("Host nas\n  HostName pi.work.example\n", "192.168.1.10"),
        ("Host nas\n  HostName nas.local\n", "nas 192.168.1.10"),
        ("Host nas\n  HostName 192.168.1.10\n  Port 2222\n", "nas 192.168.1.10"),
        ("Host nas\n  HostName NAS\n", "nas 192.168.1.10"),
        ("Host *\n  User bob\n", "nas 192.168.1.10"),
    ],
)
def test_name_that_is_another_machine_to_the_user_is_left_to_them(tmp_path: pathlib.Path, users: str, written_names: str) -> None:
    known = tmp_path / "known_hosts"
    known.write_text("192.168.1.10,nas.local ssh-ed25519 AAAA\npi.work.example ssh-ed25519 BBBB\n", encoding="ascii")
    config = tmp_path / "ssh" / "config"
    config.parent.mkdir()
    config.write_text(f"{users}Match all\n  UserKnownHostsFile {known}\n", encoding="ascii")
    key = {**KEY, "known_hosts": [str(known)]}
    (config.parent / "tailsync.conf").write_text("Host nas\n  HostName 100.64.0.7\n", encoding="ascii")  # as before the block
    for changed in (1, 0):
        done = written(tmp_path, names=["nas", "192.168.1.10"], host_key=key)
        assert f"changed={changed}" in done.stdout, done.stdout
        text = (config.parent / "tailsync.conf").read_text(encoding="ascii")
        assert [line for line in text.splitlines() if line.startswith("Host ")] == [f"Host {written_names}"]


@pytest.mark.parametrize("name", ["config", "known_hosts"])
def test_read_only_file_is_left_alone(tmp_path: pathlib.Path, name: str) -> None:
    known = tmp_path / "ssh" / "known_hosts"
    known.parent.mkdir()
    known.write_text("192.168.1.10 ssh-ed25519 AAAA\n", encoding="ascii")
    (tmp_path / "ssh" / "config").write_text("User bob\n", encoding="ascii")
    file = tmp_path / "ssh" / name
    before = file.read_bytes()
    file.chmod(0o444)
    assert "changed=1" in written(tmp_path, host_key={**KEY, "known_hosts": [str(known)], "verified": True}).stdout
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (before, 0o444)
    assert (tmp_path / "ssh" / "tailsync.conf").exists()


def test_configuration_that_cannot_be_written_is_a_warning(tmp_path: pathlib.Path) -> None:
    done = written(tmp_path, config=str(tmp_path / "no_home" / ".ssh" / "config"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "could not be written" in " ".join((done.stdout + done.stderr).split())
    assert not (tmp_path / "no_home").exists()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["NAS.Home.Lan"], "NAS.Home.Lan"),
        (["my nas", "192.168.1.11"], "192.168.1.11"),
        (["nas*", "!nas", "nas,pi", "$(id)", "%h", "-oProxyCommand=id", "gate", "192.168.1.11"], "192.168.1.11"),
        (["n_1", "fd00::5", "127.0.0.1", "localhost"], "n_1 fd00::5"),
    ],
)
def test_only_names_that_ssh_takes_for_this_host_are_written(tmp_path: pathlib.Path, names: list[str], expected: str) -> None:
    assert "changed=1" in written(tmp_path, names=names).stdout
    assert f"\nHost {expected}\n" in (tmp_path / "ssh" / "tailsync.conf").read_text(encoding="ascii")


def test_nothing_is_written_if_switched_off(tmp_path: pathlib.Path) -> None:
    assert "changed=0" in written(tmp_path, config="").stdout


@pytest.mark.parametrize("wanted", [{}, {"require_tailnet": True}, {"refuse_tailnet": True}])
def test_machine_that_runs_ansible_needs_no_login(tmp_path: pathlib.Path, wanted: dict[str, bool]) -> None:
    done = call(tmp_path, "ssh_address_info", tailnet_name="nas", **wanted)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"local": true' in done.stdout
