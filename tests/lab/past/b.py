# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts on which a Syncthing of another kind was there first, each with a folder that it shares with the outsider's."""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

import machines
from situations import package, script, service

HERE = pathlib.Path(__file__).resolve().parent
STATE = "/home/admin/.local/state/syncthing"  # the home of Debian 13's Syncthing
CONFIG = "/home/admin/.config/syncthing"  # that of Syncthing before 1.27
# What differs between two snapshots while such a Syncthing works: its database, and a UDP socket for each of its searches.
ALIVE = re.compile(r"files: /home/admin/\.(local/state|config)/syncthing(/(index-.*|syncthing\.log))?:|ports: udp ")
# The user's own systemd, without PAM, which the lab's hosts do not have.
USER_MANAGER = """
id=$(id -u admin)
drop_in=/etc/systemd/system/user@$id.service.d
mkdir -p $drop_in
printf '[Service]\\nPAMName=\\nEnvironment=XDG_RUNTIME_DIR=/run/user/%s HOME=/home/admin\\n' $id >$drop_in/lab.conf
systemctl daemon-reload
systemctl start user@$id.service
runuser -u admin -- env XDG_RUNTIME_DIR=/run/user/$id systemctl --user enable -q --now syncthing.service
"""
# As cron does it: the program is no service's main process. An own home, as old instructions have it.
CRON = """
command -v cron >/dev/null && exit 1
cat >/usr/local/sbin/cron <<'END'
#!/bin/sh
runuser -u admin -- /usr/bin/syncthing serve --no-browser --home=/home/admin/.config/syncthing &
while :; do sleep 60; done
END
chmod 0755 /usr/local/sbin/cron
"""
# What dpkg knows of Syncthing 1.18, and all that the program does when it is called in the way of newer ones.
ANCIENT = """
root=$(mktemp -d)
mkdir -p $root/DEBIAN $root/usr/bin $root/lib/systemd/system
cat >$root/DEBIAN/control <<'END'
Package: syncthing
Version: 1.18.0~ds1-3
Architecture: all
Maintainer: The lab <lab@lab.test>
Description: decentralized file synchronization
END
cat >$root/usr/bin/syncthing <<'END'
#!/bin/sh
[ "$1" = --version ] && exec echo 'syncthing v1.18.0 "Fermium Flea" (go1.17.5 linux-amd64) debian@debian'
echo 'Usage: syncthing [options]'
exit 1
END
chmod 0755 $root/usr/bin/syncthing
dpkg-deb --root-owner-group -b $root /root/syncthing.deb >/dev/null
dpkg -i /root/syncthing.deb >/dev/null
rm -r $root /root/syncthing.deb
"""
ASK = """
import json, re, sys, time, urllib.request
text = open(sys.argv[1] + "/config.xml", encoding="utf-8").read()
key, gui = re.search("<apikey>(.*?)<", text)[1], re.search("<gui .*?<address>(.*?)<", text, re.S)[1]
def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{gui}/rest/{path}", data, {"X-API-Key": key}, method=method)
    return json.loads(urllib.request.urlopen(request, timeout=10).read() or "null")
print(json.dumps([call(*one) for one in json.load(sys.stdin)]))
"""


def ask(host: str, home: str, *calls: t.Sequence[t.Any]) -> list[t.Any]:
    """Send requests to the REST API of a Syncthing whose web interface is at a TCP port; return the answers."""
    answers: list[t.Any] = json.loads(script(host, 'exec python3 -c "$1" "$2"', ASK, home, input=json.dumps(calls)))
    return answers


def device_id(host: str, home: str = STATE) -> str:
    return str(ask(host, home, ("GET", "system/status"))[0]["myID"])


def own_syncthing(host: str, port: str = "22000") -> None:
    """The login user's own Syncthing at work, enabled, and by default listening everywhere."""
    package(host, "syncthing")
    script(host, "systemctl enable -q --now syncthing@admin")
    _listens(host)
    share(host, STATE, port)


def by_user_unit(host: str) -> None:
    """The same as a unit of the user's own systemd."""
    package(host, "syncthing")
    script(host, USER_MANAGER)
    _listens(host)
    share(host, STATE)


def by_cron(host: str) -> None:
    """The same without a unit of its own, started by another service, with the home of an earlier time."""
    package(host, "syncthing")
    script(host, CRON)
    service(host, "cron", "/usr/local/sbin/cron")
    _listens(host)
    share(host, CONFIG)


def published(host: str) -> None:
    """A container whose port 22000 is published as Docker does it: forwarded by a rule, without a process on the host."""
    package(host, "iptables")
    _docker(host, "start")


def no_longer_published(host: str) -> None:
    """The end of that container."""
    _docker(host, "stop")


def _docker(host: str, what: str) -> None:
    script(host, (HERE.parent / "docker_by_hand.sh").read_text(encoding="utf-8").replace("PORT=8080", "PORT=22000"), what)


def old_syncthing(host: str) -> None:
    """Syncthing 1.18 of Ubuntu 22.04 is installed."""
    script(host, ANCIENT)


def share(host: str, home: str, port: str = "22000") -> None:
    """Share /home/admin/diary, which has a file, with the outsider's Syncthing, which accepts connections at port 22001."""
    there = outsider()
    here = device_id(host, home)
    script(
        host, "install -d -o admin -g admin /home/admin/diary; echo monday | install -o admin /dev/stdin /home/admin/diary/1.txt"
    )
    _pair("outsider", STATE, here, f"tcp://{machines.address(host)}:{port}", f"/home/admin/{host}", host)
    own = {"listenAddresses": [f"tcp://:{port}"]} if port != "22000" else {}
    ask(host, home, ("PATCH", "config/options", own))
    _pair(host, home, there, f"tcp://{machines.address('outsider')}:22001", "/home/admin/diary", host)


def outsider() -> str:
    """The device ID of the outsider's Syncthing, which is started if it is not there."""
    script(
        "outsider",
        "exec 9>/run/lock/syncthing-of-lab; flock 9; systemctl -q is-active syncthing@admin && exit; "
        "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends syncthing >/dev/null 2>&1; "
        "systemctl start syncthing@admin; timeout 60 sh -c 'until ss -tln | grep -q :22000; do sleep 0.5; done'",
    )
    ask("outsider", STATE, ("PATCH", "config/options", {"listenAddresses": ["tcp://:22001"], "reconnectionIntervalS": 5}))
    return device_id("outsider")


def has_arrived(host: str, name: str) -> bool:
    """Whether the outsider has the file of the shared folder of the host."""
    return script("outsider", 'cat "$1" 2>/dev/null || true', f"/home/admin/{host}/{name}") != ""


def _pair(host: str, home: str, device: str, place: str, path: str, folder: str) -> None:
    folder_of = {"id": f"diary-{folder}", "path": path, "devices": [{"deviceID": device}], "fsWatcherDelayS": 1}
    ask(
        host,
        home,
        # Without a name, it would get that of its first connection, at any time.
        ("POST", "config/devices", {"deviceID": device, "name": "peer", "addresses": [place]}),
        ("POST", "config/folders", folder_of),
        ("PATCH", "config/options", {"reconnectionIntervalS": 5}),
    )


def _listens(host: str) -> None:
    script(host, "timeout 60 sh -c 'until ss -tln | grep -q :22000 && ss -tln | grep -q :8384; do sleep 0.5; done'")
