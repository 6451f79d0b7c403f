# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: three bare hosts, one command, and what came of it.

What it shows at the end is asked of the hosts themselves, not of the collection under show.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import time
import typing as t

import lab
import machines
from artefacts import say
from namespaces import LabError, execute

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
DOORS = {22: "SSH", 8384: "Syncthing's web interface", 22000: "Syncthing's sync protocol"}
KNOCK_TIMEOUT = 2  # seconds
ARRIVAL_TIMEOUT = 60  # seconds
GREETING = "/srv/sync/shared/hello-from-nas.txt"
PHOTO = "/srv/sync/photos/cat-on-the-beach.txt"
# Runs on a host: its own view of its connections. The API key stays where it is.
ASK_SYNCTHING = """
import http.client, json, re, socket
key = re.search("<apikey>(.+)</apikey>", open("/var/lib/syncthing/config.xml").read()).group(1)
def get(path):
    connection = http.client.HTTPConnection("localhost", timeout=5)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect("/run/syncthing/gui.sock")
    connection.request("GET", "/rest/" + path, headers={"X-API-Key": key})
    return json.load(connection.getresponse())
names = {device["deviceID"]: device["name"] for device in get("config/devices")}
own = get("system/status")["myID"]
print(json.dumps([
    [names.get(key, key), one["connected"], one["address"], one["type"], one.get("crypto", "")]
    for key, one in get("system/connections")["connections"].items() if key != own
]))
"""


class DemoError(Exception):
    """What the demonstration could not show."""


def knock() -> dict[tuple[str, int, int], bool]:
    """The outsider tries each host's doors on the LAN, all at once."""
    doors = [(host, family, port) for host in machines.hosts() for family in (4, 6) for port in DOORS]
    script = "".join(
        f"(nc -z -w {KNOCK_TIMEOUT} {machines.address(host, family)} {port} && echo {host} {family} {port}) & "
        for host, family, port in doors
    )
    answer = execute("outsider", "sh", "-c", f"{script} wait")
    opened = {tuple(line.split()) for line in answer.stdout.splitlines()}
    return {(host, family, port): (host, str(family), str(port)) in opened for host, family, port in doors}


def show_doors(found: t.Mapping[tuple[str, int, int], bool]) -> None:
    for port, what in DOORS.items():
        words = []
        for host in machines.hosts():
            open_over = [f"IPv{family}" for family in (4, 6) if found[host, family, port]]
            words.append(f"{host} {'OPEN over ' + ' and '.join(open_over) if open_over else 'closed'}")
        print(f"    {port:>5}  {what:<26} {', '.join(words)}")


def run_site() -> None:
    command = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), "-i", "inventories/lab", "site.yml"]
    done = subprocess.run(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise DemoError(f"{' '.join(['ansible-playbook', *command[1:]])} failed; what it said is above")


def write(host: str, path: str, text: str) -> None:
    """As Syncthing's user, as somebody who works on the host would."""
    script = 'test -e "$0" || echo "$1" > "$0"'
    execute(host, "runuser", "-u", "syncthing", "--", "sh", "-c", script, path, text)


def wait_for_file(host: str, command: str, what: str) -> str:
    deadline = time.monotonic() + ARRIVAL_TIMEOUT
    while time.monotonic() < deadline:
        done = execute(host, "sh", "-c", command, check=False)
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.strip()
        time.sleep(0.3)
    raise DemoError(f"{what} did not arrive on {host} within {ARRIVAL_TIMEOUT} s")


def show_files() -> None:
    print(f"  nas writes {GREETING}")
    write("nas", GREETING, "Hello from nas.")
    written = time.monotonic()
    for host in ("pi", "vps"):
        text = wait_for_file(host, f"cat {GREETING}", "the greeting")
        print(f"    {host:<4} has it after {time.monotonic() - written:.1f} s: {text!r}")
    print(f"  nas writes {PHOTO}; vps is given no trust, so it must hold ciphertext only")
    write("nas", PHOTO, "A cat on a beach.")
    text = wait_for_file("pi", "cat /srv/photos/cat-on-the-beach.txt", "the photo")
    print(f"    pi   has it: {text!r}")
    # The folder holds an encrypted token from the start; a file lies in a folder of two letters.
    find = "cd /srv/sync/photos && find . -path './?.syncthing-enc/*' -type f | head -1"
    stored = wait_for_file("vps", find, "the photo")
    print(f"    vps  has it as {stored[:70]}")
    if execute("vps", "grep", "-r", "-i", "-l", "cat on a beach", "/srv/sync/photos", check=False).stdout:
        raise DemoError("vps can read the photo")


def show_connections() -> None:
    for host in machines.hosts():
        own = json.loads(execute(host, "tailscale", "status", "--json").stdout)
        paths = {
            address: peer.get("CurAddr") or f"relay {peer.get('Relay')}"
            for peer in (own.get("Peer") or {}).values()
            for address in peer["TailscaleIPs"]
        }
        for name, connected, address, kind, crypto in json.loads(execute(host, "python3", "-c", ASK_SYNCTHING).stdout):
            if not connected:
                print(f"    {host:<4} -> {name:<6} not connected" + (" (a phone; there is none here)" if name == "phone" else ""))
                continue
            way = paths.get(address.rsplit(":", 1)[0].strip("[]"), "an unknown way")
            print(f"    {host:<4} -> {name:<6} {address:<24} {kind}, {crypto.split('-')[0]}; WireGuard by {way}")


def main() -> None:
    started = time.monotonic()
    lab.up()
    before = knock()
    if any(before.values()):
        say("before: what an outsider on the same LAN finds")
        show_doors(before)
    say("ansible-playbook -i inventories/lab site.yml")
    run_site()
    say("files")
    show_files()
    say("who is connected to whom, over which address and how")
    show_connections()
    say("after: what the outsider finds")
    after = knock()
    show_doors(after)
    if any(after.values()):
        raise DemoError("a door is open to the outsider")
    say(f"done in {time.monotonic() - started:.0f} s. Look around, and clean up:")
    for command, what in (
        ("make demo-shell HOST=nas", "a shell on a host (nas, pi, vps, laptop, outsider); try: tailscale status"),
        ("make demo", "again: quick, and it changes nothing"),
        ("make demo-down", "remove all of it"),
    ):
        print(f"    {command:<26} {what}")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # in order with what ansible-playbook prints
    try:
        main()
    except (DemoError, LabError, subprocess.SubprocessError) as error:
        sys.exit(f"demo: {error}")
