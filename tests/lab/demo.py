# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: three bare hosts, one command, and the resulting network.

The state that it shows at the end comes from the hosts themselves, not from the collection.
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
PORTS = {22: "SSH", 8384: "Syncthing's web interface", 22000: "Syncthing's sync protocol"}
CONNECT_TIMEOUT = 2  # seconds
ARRIVAL_TIMEOUT = 60  # seconds
GREETING = "/srv/sync/shared/hello-from-nas.txt"
PHOTO = "/srv/sync/photos/cat-on-the-beach.txt"
# Runs on a host and prints Syncthing's connections. The API key does not leave the host.
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
    """A part of the demonstration failed."""


def scan() -> dict[tuple[str, int, int], bool]:
    """Let the outsider try the ports of all hosts on the LAN, all at the same time."""
    endpoints = [(host, family, port) for host in machines.hosts() for family in (4, 6) for port in PORTS]
    script = "".join(
        f"(nc -z -w {CONNECT_TIMEOUT} {machines.address(host, family)} {port} && echo {host} {family} {port}) & "
        for host, family, port in endpoints
    )
    answer = execute("outsider", "sh", "-c", f"{script} wait")
    opened = {tuple(line.split()) for line in answer.stdout.splitlines()}
    return {(host, family, port): (host, str(family), str(port)) in opened for host, family, port in endpoints}


def show_ports(found: t.Mapping[tuple[str, int, int], bool]) -> None:
    for port, what in PORTS.items():
        words = []
        for host in machines.hosts():
            open_over = [f"IPv{family}" for family in (4, 6) if found[host, family, port]]
            words.append(f"{host} {'OPEN over ' + ' and '.join(open_over) if open_over else 'closed'}")
        print(f"    {port:>5}  {what:<26} {', '.join(words)}")


def run_site() -> None:
    command = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), "-i", "inventories/lab", "site.yml"]
    done = subprocess.run(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise DemoError(f"{' '.join(['ansible-playbook', *command[1:]])} failed; its output is above")


def write(host: str, path: str, text: str) -> None:
    """Write a file as Syncthing's user, if it does not exist."""
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
    print(f"  nas writes {PHOTO}; vps is untrusted, so it must hold only ciphertext")
    write("nas", PHOTO, "A cat on a beach.")
    text = wait_for_file("pi", "cat /srv/photos/cat-on-the-beach.txt", "the photo")
    print(f"    pi   has it: {text!r}")
    # The folder contains an encrypted token from the start; a file is stored in a folder with a name of one letter.
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
            path = paths.get(address.rsplit(":", 1)[0].strip("[]"), "an unknown path")
            print(f"    {host:<4} -> {name:<6} {address:<24} {kind}, {crypto.split('-')[0]}; WireGuard by {path}")


def main() -> None:
    started = time.monotonic()
    lab.up()
    before = scan()
    if any(before.values()):
        say("before: ports that an outsider on the same LAN can reach")
        show_ports(before)
    say("ansible-playbook -i inventories/lab site.yml")
    run_site()
    say("files")
    show_files()
    say("connections between the hosts, with address and transport")
    show_connections()
    say("after: ports that the outsider can reach")
    after = scan()
    show_ports(after)
    if any(after.values()):
        raise DemoError("a port is open to the outsider")
    say(f"done in {time.monotonic() - started:.0f} s. Look around, and clean up:")
    for command, what in (
        ("make demo-shell HOST=nas", "a shell on a host (nas, pi, vps, laptop, outsider); try: tailscale status"),
        ("make demo", "run it again: quick, and changes nothing"),
        ("make demo-down", "remove the demonstration"),
    ):
        print(f"    {command:<26} {what}")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # in order with what ansible-playbook prints
    try:
        main()
    except (DemoError, LabError, subprocess.SubprocessError) as error:
        sys.exit(f"demo: {error}")
