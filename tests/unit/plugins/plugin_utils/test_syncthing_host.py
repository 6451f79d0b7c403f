# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts, homes and identities that Syncthing must not use, judged by the host's facts."""

from __future__ import annotations

import base64
import getpass
import grp
import os
import pathlib
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._host import syncthing
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _listen
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import SyncthingError
from ansible_collections.homelab.tailsync.plugins.plugin_utils import syncthing_host

HOME = "/var/lib/syncthing"
ME = {"exists": True, "uid": 1000, "gid": 1000, "home": "/home/me", "shell": "/bin/bash"}
SERVICE = {"exists": True, "uid": 998, "gid": 998, "home": HOME, "shell": "/usr/sbin/nologin"}
NONE = {"exists": False}
ROOT_OWNS = {"uid": 0, "name": "root"}
ME_OWNS = {"uid": 1000, "name": "me"}
SERVICE_OWNS = {"uid": 998, "name": "syncthing"}
LOST_OWNS = {"uid": 997, "name": None}
WHOLE: dict[str, t.Any] = {
    "account": NONE,
    "home": NONE,
    "identity_problem": None,
    "restore_problem": None,
    "disk_problem": None,
    "gui_group": {"name": None, "gid": None},
    "was_set_up": False,
}
ELSEWHERE = [{"user": "syncthing", "home": "/home/syncthing"}]
FILES = ("cert.pem", "key.pem", "config.xml")


def place(owner: dict[str, t.Any], files: dict[str, t.Any] | None = None, **changes: t.Any) -> dict[str, t.Any]:
    found = {"exists": True, "directory": True, "owner": owner, "mode": "0700", "empty": not files, "files": files or {}}
    return {**found, **changes}


def all_of(owner: dict[str, t.Any]) -> dict[str, t.Any]:
    return place(owner, dict.fromkeys(FILES, owner))


def refusals(variables: dict[str, t.Any] | None = None, **changes: t.Any) -> list[str]:
    found = {**WHOLE, **changes}
    return syncthing_host.refusals(
        {"syncthing": found}, {"syncthing_user": "syncthing", "syncthing_home": HOME, **(variables or {})}
    )


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, {}),  # a bare host
        ({}, {"account": SERVICE, "home": all_of(SERVICE_OWNS), "was_set_up": True}),  # each later run
        ({}, {"account": SERVICE}),  # created by a run that then died
        ({}, {"account": SERVICE, "home": place(SERVICE_OWNS)}),
        ({}, {"home": place(ROOT_OWNS)}),
        ({}, {"home": place(ROOT_OWNS, mode="0755", empty=True)}),  # a disk's own root
        ({"syncthing_user": "me"}, {"account": ME}),
        ({"syncthing_user": "me"}, {"account": ME, "home": place(ROOT_OWNS)}),
        ({"syncthing_user": "me"}, {"account": ME, "home": all_of(ME_OWNS), "was_set_up": True}),
        ({"syncthing_user": "me"}, {"account": ME, "home": place(ME_OWNS, empty=False)}),  # contains data of its owner, me
        ({"syncthing_user": "me"}, {"account": {**ME, "home": HOME}, "home": place(ME_OWNS, empty=False)}),
        ({}, {"account": {**SERVICE, "home": "/nonexistent"}, "home": place(SERVICE_OWNS)}),
        # A new identity that is requested, or an old one that is restored.
        ({"tailsync_accept": ["new_identity"]}, {"account": SERVICE, "was_set_up": True}),
        ({"syncthing_certificate": "-----BEGIN CERTIFICATE-----"}, {"account": SERVICE, "was_set_up": True}),
        ({"syncthing_certificate": "-----BEGIN CERTIFICATE-----"}, {"identity_problem": "key.pem is not there"}),
        # Moved intentionally, or together with the files of the old home.
        ({"tailsync_accept": ["new_identity"]}, {"account": SERVICE, "elsewhere": ELSEWHERE}),
        ({}, {"account": SERVICE, "home": all_of(SERVICE_OWNS), "elsewhere": ELSEWHERE}),
    ],
)
def test_ordinary_account_and_home_are_accepted(variables: dict[str, t.Any], found: dict[str, t.Any]) -> None:
    assert refusals(variables, **found) == []


@pytest.mark.parametrize(
    ("variables", "found", "words"),
    [
        ({"syncthing_user": "toor"}, {"account": {**ME, "uid": 0}}, ["syncthing_user is toor", "root by another name"]),
        ({"syncthing_user": "nfs"}, {"account": {**ME, "uid": 65534}}, ["nobody by another name"]),
        ({"syncthing_home": "/srv/a:b"}, {}, ["syncthing_home", "colon"]),
        ({}, {"home": place(ROOT_OWNS, directory=False)}, ["syncthing_home", "no directory"]),
        # The Syncthing of another account, also after syncthing_user was changed.
        (
            {"syncthing_user": "me"},
            {"account": ME, "home": all_of(SERVICE_OWNS)},
            ["belongs to syncthing", "set syncthing_user to"],
        ),
        ({"syncthing_user": "me"}, {"account": ME, "home": all_of(ROOT_OWNS)}, ["belongs to root", "chown -R me: "]),
        ({}, {"home": all_of(ME_OWNS)}, ["belongs to me", "still to be created", "set syncthing_user to me"]),
        # Installed again, with /var/lib kept.
        ({}, {"home": all_of(LOST_OWNS)}, ["the user ID 997, which has no account", "useradd --system --uid 997"]),
        ({}, {"home": place(ME_OWNS, empty=False)}, ["syncthing_home", "belongs to me", "directory of its own"]),
        ({}, {"home": place(ROOT_OWNS, empty=False)}, ["syncthing_home", "belongs to root"]),
        (
            {"syncthing_user": "me", "syncthing_home": "/export/home/me"},
            {"account": {**ME, "home": "/export/home/me/"}, "home": place(ME_OWNS, empty=False, mode="0755")},
            ["/export/home/me/.local/state/syncthing", "chmod 700"],
        ),
        ({}, {"identity_problem": "key.pem is empty"}, ["key.pem is empty"]),
        ({"syncthing_certificate": "x"}, {"restore_problem": "key.pem cannot be read"}, ["cannot be read"]),
        ({}, {"disk_problem": "the disk for /mnt/ssd is not mounted"}, ["syncthing_home", "the disk for /mnt/ssd"]),
        (
            {},
            {"account": SERVICE, "was_set_up": True},
            ["identity is not there any more", "syncthing_certificate", "new_identity"],
        ),
        ({}, {"account": SERVICE, "was_set_up": True, "home": place(SERVICE_OWNS)}, ["identity is not there any more"]),
        # Another home or user than before.
        ({}, {"account": SERVICE, "elsewhere": ELSEWHERE}, ["/home/syncthing", "a new device", "new_identity"]),
        (
            {"syncthing_user": "me"},
            {"account": ME, "elsewhere": ELSEWHERE},
            ["disable --now syncthing@syncthing", "syncthing_user"],
        ),
    ],
)
def test_account_or_home_of_others_is_refused_with_the_fix(
    variables: dict[str, t.Any], found: dict[str, t.Any], words: list[str]
) -> None:
    messages = "\n".join(refusals(variables, **found))
    assert messages
    assert all(word in messages for word in words), messages


def test_missing_group_of_the_web_interface_is_refused() -> None:
    found = {**WHOLE, "account": SERVICE}
    variables = {"syncthing_user": "syncthing", "syncthing_home": HOME, "syncthing_gui_group": "family"}
    there, missing = ({**found, "gui_group": {"name": "family", "gid": gid}} for gid in (1001, None))
    assert "syncthing_gui_group is family" in str(syncthing_host.refusals({"syncthing": missing}, variables))
    assert syncthing_host.refusals({"syncthing": there}, variables) == []
    assert syncthing_host.refusals({"syncthing": missing}, {**variables, "syncthing_gui_group": ""}) == []


def test_check_mode_does_not_need_the_directory_of_the_socket(short_path: pathlib.Path) -> None:
    address = str(short_path / "run" / "gui.sock")
    _listen.refuse_unbindable(address, str(short_path), check_mode=True)
    with pytest.raises(SyncthingError, match="there is no directory"):
        _listen.refuse_unbindable(address, str(short_path))


@pytest.fixture
def gathered(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., dict[str, t.Any]]:
    monkeypatch.setattr(syncthing, "DROP_IN", str(tmp_path / "{user}.conf"))

    def gather(home: pathlib.Path | None = None, user: str = getpass.getuser()) -> dict[str, t.Any]:
        params = {"syncthing_home": str(home or tmp_path / "home"), "syncthing_user": user}
        return syncthing.gather(lambda _command: (1, "", ""), params)

    return gather


def test_state_of_the_home_and_identity_is_gathered(gathered: t.Callable[..., dict[str, t.Any]], tmp_path: pathlib.Path) -> None:
    home = tmp_path / "home"
    assert gathered()["home"] == {"exists": False}
    home.mkdir(mode=0o750)
    assert gathered()["identity_problem"] is None
    (home / "lost+found").mkdir()
    assert gathered()["home"]["empty"] is True
    (home / "cert.pem").write_text("x", encoding="ascii")
    assert "key.pem is not there" in gathered()["identity_problem"]
    assert gathered()["restore_problem"] is None
    found = gathered()
    assert found["home"]["files"] == {"cert.pem": {"uid": os.getuid(), "name": getpass.getuser()}}
    assert found["home"]["mode"] == "0750"
    assert found["configured"] is False
    (home / "config.xml").write_text("x", encoding="ascii")
    assert gathered()["configured"] is True
    assert found["account"]["uid"] == os.getuid()
    assert found["disk_problem"] is None
    assert gathered(user="no-such-account-here")["account"] == {"exists": False}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ExecStart=/usr/bin/syncthing serve --home=HOME --no-browser\n", True),
        ('ExecStart=/usr/bin/syncthing serve "--home=HOME" --no-browser\n', True),
        ('ExecStart=/usr/bin/syncthing serve "--home=HOME2" --no-browser\n', False),
        ("[Service]\n", False),
    ],
)
def test_home_of_an_earlier_run_is_recognised_by_its_unit(
    text: str, expected: bool, gathered: t.Callable[..., dict[str, t.Any]], tmp_path: pathlib.Path
) -> None:
    home = tmp_path / "100%"
    (tmp_path / "me.conf").write_text(text.replace("HOME", str(home).replace("%", "%%")), encoding="utf-8")
    assert gathered(home, "me")["was_set_up"] is expected


def test_homes_of_earlier_runs_are_gathered(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncthing, "DROP_IN", str(tmp_path / "syncthing@{user}.service.d/50-tailsync.conf"))
    for user, home in (("syncthing", "/var/lib/syncthing"), ("me", "/home/me/sync thing 100%%")):
        place = tmp_path / f"syncthing@{user}.service.d" / "50-tailsync.conf"
        place.parent.mkdir()
        argument = f'"--home={home}"' if " " in home else f"--home={home}"
        place.write_text(f"[Service]\nExecStart=\nExecStart=/usr/bin/syncthing serve {argument} --no-browser --no-restart\n")
    params = {"syncthing_home": "/var/lib/syncthing/", "syncthing_user": "syncthing"}
    found = syncthing.gather(lambda _command: (1, "", ""), params)["elsewhere"]
    assert found == [{"user": "me", "home": "/home/me/sync thing 100%"}]


def test_directory_of_the_socket_is_gathered_from_the_unit(
    gathered: t.Callable[..., dict[str, t.Any]], tmp_path: pathlib.Path
) -> None:
    assert gathered(user="me")["gui_directory"] == ""
    line = f'ExecStartPre=+/usr/bin/install -d -m 0700 -o "me" {tmp_path}/run\n'
    (tmp_path / "me.conf").write_text(f"[Service]\nExecStartPre=-/bin/true /x\n{line}", encoding="utf-8")
    assert gathered(user="me")["gui_directory"] == "", "the directory no longer exists after a reboot with another unit"
    (tmp_path / "run").mkdir()
    assert gathered(user="me")["gui_directory"] == f"{tmp_path}/run"


def test_device_id_and_access_to_the_web_interface_are_gathered(
    gathered: t.Callable[..., dict[str, t.Any]], tmp_path: pathlib.Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert gathered()["device_id"] is None
    (home / "cert.pem").write_text("no certificate", encoding="ascii")
    assert gathered()["device_id"] is None
    body = base64.b64encode(b"a certificate").decode()
    (home / "cert.pem").write_text(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n", encoding="ascii")
    assert len(gathered()["device_id"]) == 63
    (tmp_path / "me.conf").write_text(f"ExecStartPre=+/usr/bin/install -d -m 0700 -o me {tmp_path}/run\n", encoding="utf-8")
    assert gathered(user="me")["gui_directory_access"] is None
    (tmp_path / "run").mkdir(mode=0o710)
    access = {"uid": os.getuid(), "gid": os.getgid(), "mode": "0710"}
    assert gathered(user="me")["gui_directory_access"] == access
    assert gathered()["gui_group"] == {"name": None, "gid": None}
    own = grp.getgrgid(os.getgid()).gr_name
    for name, gid in ((own, os.getgid()), ("no-such-group-here", None)):
        params = {"syncthing_home": str(home), "syncthing_user": "me", "syncthing_gui_group": name}
        assert syncthing.gather(lambda _command: (1, "", ""), params)["gui_group"] == {"name": name, "gid": gid}


@pytest.mark.parametrize(("manager", "refused"), [("apt", False), (None, False), ("dnf", True), ("pacman", True), ("apk", True)])
def test_host_without_apt_is_refused_by_name(manager: str | None, refused: bool) -> None:
    host = {"syncthing": WHOLE, "system": {"pkg_mgr": manager, "distribution": "Fedora"}}
    found = syncthing_host.refusals(host, {"syncthing_user": "syncthing", "syncthing_home": HOME})
    assert bool(found) is refused
    assert all("this host has Fedora, and the role syncthing installs Syncthing with apt" in text for text in found)
