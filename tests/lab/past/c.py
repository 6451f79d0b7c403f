# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts whose packages have a past: other apt sources, an interrupted dpkg, empty lists, a strict umask, locks that are held."""

from __future__ import annotations

import contextlib
import typing as t

import situations
from namespaces import LabError, execute

MIRROR = "http://172.31.77.3"
KEYRING = "/etc/apt/keyrings/tailscale.gpg"
SOURCES = """
mkdir -p /etc/apt/keyrings
python3 -c 'import sys, urllib.request as u; open(sys.argv[2], "wb").write(u.urlopen(sys.argv[1]).read())' "$1" "$2"
chmod 0644 "$2"
printf 'X-Repolib-Name: tailscale\\nTypes: deb\\nURIs: %s\\nSuites: trixie\\nComponents: main\\nSigned-By: %s\\n' "$3/" "$2" \
  >/etc/apt/sources.list.d/tailscale.sources
"""
# dpkg finds dpkg-deb by the path: this one hands over a part of the files, and waits to be killed with dpkg.
HALF = r"""
mkdir /tmp/half; cd /tmp/half; apt-get download -qq "$1" 2>/dev/null
cat >dpkg-deb <<'END'
#!/bin/sh
case "$*" in
*--fsys-tarfile*) /usr/bin/dpkg-deb "$@" | head -c 3000000; touch /tmp/half/reached; exec sleep 60 ;;
*) exec /usr/bin/dpkg-deb "$@" ;;
esac
END
chmod 0755 dpkg-deb
PATH=/tmp/half:$PATH setsid dpkg --unpack /tmp/half/*.deb >/dev/null 2>&1 & group=$!
timeout 20 sh -c 'until [ -e /tmp/half/reached ]; do sleep 0.1; done'
kill -9 "-$group"; wait || true; rm -r /tmp/half
ls /var/lib/dpkg/updates | grep -q '^[0-9]' && dpkg --audit | grep -q "$1"
"""
HOLD = """
import fcntl, sys, time
files = [open(path, "w") for path in sys.argv[2:]]
for file in files:
    fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(float(sys.argv[1]))
"""


def vendors_source(host: str, key: str = f"{MIRROR}/debian/keyring.gpg", uri: str = f"{MIRROR}/tailscale/stable/debian") -> None:
    """Tailscale's repository in deb822 form with its key in another file, exactly as the collection artis3n.tailscale has it."""
    situations.script(host, SOURCES, key, KEYRING, uri)


def contradiction(host: str) -> None:
    """Two sources of one repository with two keys, which have nothing to do with this collection."""
    for number in ("1", "2"):
        text = f"deb [signed-by=/usr/share/keyrings/{number}.gpg] http://old.example/debian trixie main"
        situations.script(host, 'echo "$1" >"/etc/apt/sources.list.d/old$2.list"', text, number)


def broken_repository(host: str) -> None:
    """A repository that is not there any more."""
    situations.script(host, 'echo "deb [trusted=yes] $1/nowhere trixie main" >/etc/apt/sources.list.d/nowhere.list', MIRROR)


def no_lists(host: str) -> None:
    """Package lists were never read, as in a container's or a fresh image."""
    situations.script(host, "rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin")


def no_keyrings(host: str) -> None:
    """The folder of repositories' keys is missing, as in Debian 11."""
    situations.script(host, "rm -rf /etc/apt/keyrings")


def killed_dpkg(host: str, name: str = "syncthing") -> None:
    """dpkg was killed while it unpacked a package: the package is half installed, and the journal is not merged."""
    situations.script(host, HALF, name)


def strict_umask(host: str) -> None:
    """Files that are made with sudo are root's alone."""
    situations.script(host, "echo 'Defaults umask=0077, umask_override' >/etc/sudoers.d/umask; chmod 0440 /etc/sudoers.d/umask")


def held(host: str, name: str = "ufw") -> None:
    """A package may not change, whether it is installed or not."""
    situations.script(host, 'apt-mark hold -qq "$1"', name)


def locked(host: str, seconds: str = "15", *paths: str) -> None:
    """A process holds the locks of lists and archives for a while, as apt-daily does; it goes on after this function returns."""
    files = paths or ("/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock")
    command = ["systemd-run", "--quiet", "--collect", "--unit=lab-locks", "/usr/bin/python3", "-c", HOLD, seconds, *files]
    execute(host, *command)
    situations.script(host, "timeout 10 sh -c 'until journalctl -qu lab-locks --since -20s | grep -q held; do sleep 0.2; done'")


def messy(host: str) -> None:
    """All of it that does not exclude one another."""
    steps: tuple[t.Callable[[str], None], ...] = (killed_dpkg, vendors_source, broken_repository, no_lists, strict_umask)
    for step in steps:
        step(host)


def clean(host: str) -> None:
    """What is left of the above, away."""
    with contextlib.suppress(LabError):
        situations.script(
            host, "cd /etc/apt/sources.list.d; rm -f old?.list nowhere.list /etc/sudoers.d/umask; apt-get update -qq"
        )
