# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An unprivileged user finds no secret of Syncthing and cannot connect to it: by file, socket, port, process, log or unit."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from dirty_fixtures import put
from testinfra.host import Host

HOME = "/var/lib/syncthing"
# Runs as the Unix user nobody, with the secrets on stdin, one a line.
LOOK = """
import json, os, socket, subprocess, sys
secrets = sys.stdin.buffer.read().split()
found, readable = [], []
def search(path):
    try:
        with open(path, "rb") as file:
            text = file.read(4 << 20)
    except OSError:
        return
    if path.startswith(HOMES):
        readable.append(path)
    found.extend([path, secret.decode()] for secret in secrets if secret in text)
HOMES = ("/var/lib/syncthing", "/home/admin/.local", "/srv/sync/private")
for top in ("/etc", "/run", "/var", "/home", "/srv", "/root", "/opt", "/tmp"):
    for folder, below, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                search(path)
for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("cmdline", "environ"):
        search(f"/proc/{pid}/{name}")
for command in (["journalctl", "--no-pager"], ["systemctl", "show", "*syncthing*"], ["systemctl", "cat", "syncthing@*"]):
    text = subprocess.run(command, capture_output=True).stdout
    found.extend([" ".join(command), secret.decode()] for secret in secrets if secret in text)
endpoints = []
for folder in ("/run/syncthing", "/var/lib/syncthing"):
    for name in ("gui.sock",):
        with socket.socket(socket.AF_UNIX) as end:
            if end.connect_ex(os.path.join(folder, name)) == 0:
                endpoints.append(os.path.join(folder, name))
for port in (8384,):
    with socket.socket() as end:
        if end.connect_ex(("127.0.0.1", port)) == 0:
            endpoints.append(port)
print(json.dumps({"found": found, "readable": readable, "endpoints": endpoints}))
"""


@pytest.fixture(scope="module")
def search(again: t.Any, lab_hosts: dict[str, Host]) -> t.Callable[[list[str]], dict[str, t.Any]]:
    host = lab_hosts["neighbour"]
    host.check_output("install -d -o syncthing -g syncthing -m 0700 /srv/sync/private; echo x >/srv/sync/private/letter")
    put("neighbour", "/usr/local/lib/look.py", LOOK.encode())

    def look(secrets: list[str]) -> dict[str, t.Any]:
        put("neighbour", "/root/secrets", "\n".join(secrets).encode(), "0600")
        who = "setpriv --reuid=nobody --regid=nogroup --clear-groups"
        return dict(json.loads(host.check_output(f"{who} python3 /usr/local/lib/look.py </root/secrets")))

    return look


def test_unprivileged_user_finds_no_secret_and_no_open_endpoint(search: t.Any, lab_hosts: dict[str, Host]) -> None:
    config = lab_hosts["neighbour"].check_output(f"cat {HOME}/config.xml")
    key = re.search("<apikey>(.+?)</apikey>", config)
    assert key, config
    assert "a-password-for-the-photos" in config, "otherwise the search for it proves nothing"
    seen = search([key.group(1), "a-password-for-the-photos"])
    assert seen == {"found": [], "readable": [], "endpoints": []}


def test_search_finds_a_world_readable_secret(search: t.Any, lab_hosts: dict[str, Host]) -> None:
    lab_hosts["neighbour"].check_output("echo something-open >/etc/something-open")
    assert search(["something-open"])["found"] == [["/etc/something-open", "something-open"]]
