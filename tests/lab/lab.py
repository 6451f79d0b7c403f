# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test network: real systemd hosts, a real tailnet, and no route to the outside.

Each lab has its own network and mount namespace, held by one sleeping process.
Machines in it have no interface to the outside; and labs
with different names (environment variable TAILSYNC_LAB) run side by side with the same addresses.
podman's storage is in the lab's own folder, so that nothing of it is left on this machine.

A lab has the hosts nas, pi and vps, or those that `up` names (or the environment variable
TAILSYNC_LAB_HOSTS): `lab.py up attic cellar`. `cellar=bookworm` names the release of Debian that a host is to have.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import typing as t

import artefacts
import package_mirror
from artefacts import run, say
from machines import (
    ADMIN,
    MIRROR,
    SUBNET4,
    SUBNET6,
    address,
    auth_key,
    check_instances,
    create_coordinator,
    create_host,
    create_mirror,
    existing,
    hosts,
    join_laptop,
    machines,
    provide_images,
    refuse_default_routes,
    remember_hosts,
    remove,
    remove_loops,
    running,
    set_up,
    wait_for,
    wait_for_boot,
    write_known_hosts,
)
from namespaces import NAME, STATE, LabError, container, execute, holder, inside, podman, podman_run, start_holder

# Runs on the mirror: sends a request to the coordinator's admin interface, and prints the answer.
ASK = """
import sys, urllib.error, urllib.request
url, method = sys.argv[1:]
data = sys.stdin.buffer.read() if method == "POST" else None
try:
    print(urllib.request.urlopen(urllib.request.Request(url, data=data, method=method), timeout=10).read().decode(), end="")
except urllib.error.HTTPError as error:
    sys.exit(error.read().decode().strip())
"""


# --- actions of the command line ----------------------------------------------------------------


def build() -> None:
    """Build everything that takes long, so that later actions need no network."""
    artefacts.install_machine_packages()
    package_mirror.mirror()
    artefacts.coordinator()
    for suite in artefacts.SYNCTHING_SUITES:
        artefacts.syncthing(suite)
    for suite in artefacts.UFW_SUITES:
        artefacts.ufw(suite)


def up(names: t.Sequence[str] = ()) -> None:
    check_instances()
    artefacts.install_machine_packages()
    package_mirror.mirror()
    STATE.mkdir(parents=True, exist_ok=True)
    remember_hosts(names)
    if holder() is None:
        (STATE / "networks").mkdir(exist_ok=True)
        start_holder()
    if not (STATE / "id_ed25519").exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", STATE / "id_ed25519")
    provide_images()
    if subprocess.run(podman("network", "exists", "lan"), check=False).returncode != 0:
        podman_run(
            *("network", "create", "--internal", "--disable-dns"),
            *("--subnet", f"{SUBNET4}.0/24", "--ipv6", "--subnet", f"{SUBNET6}:/64"),
            "lan",
        )
    boot(set(machines()) - running())


def boot(missing: set[str]) -> None:
    """Start the missing machines as bare ones; running machines are left as they are."""
    complete = STATE / "complete"  # missing if an earlier boot was cut off
    whole = complete.exists()
    if not missing and whole:
        return
    complete.unlink(missing_ok=True)
    say(f"starting {', '.join(name for name in machines() if name in missing)}" if missing else "finishing an earlier start")
    if missing & set(hosts()):
        (STATE / "known_hosts").unlink(missing_ok=True)  # a missing key gives a clearer message than an old one
    remove(missing & existing())
    if "coordinator" in missing:
        create_coordinator()
    if "mirror" in missing:
        create_mirror()
    systemd_machines = [machine for machine in machines() if machine in missing - {"coordinator", "mirror"}]
    halfway = [] if whole else [machine for machine in machines() if machine not in missing | {"coordinator", "mirror"}]
    for machine in systemd_machines:
        create_host(machine)
    wait_for(f"{ADMIN}/nodes")
    wait_for(MIRROR)
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(make_ready, [*systemd_machines, *halfway]))
    refuse_default_routes()
    if "coordinator" in missing or not whole:
        for tailnet in ("", "other/"):
            coordinator(f"{tailnet}key", f"{auth_key()} reusable")
    if missing & {"coordinator", "laptop"} or not whole:
        with contextlib.suppress(LabError):  # a new coordinator does not know it
            coordinator("delete", "laptop")
        join_laptop()
    if missing & set(hosts()) or not whole:
        write_known_hosts()
    complete.touch()


def make_ready(machine: str) -> None:
    wait_for_boot(machine)
    set_up(machine)


def reset() -> None:
    """Make the hosts bare, and start a new coordinator that does not know them."""
    up()
    replaced = {*hosts(), "coordinator"}
    forget_connections()
    (STATE / "complete").unlink()
    remove(replaced)
    boot(replaced)


def down() -> None:
    capture_stop()
    pid = holder()
    if pid is not None:
        remove(existing())
        # Removing a cgroup removes its files; find -depth removes the innermost cgroups first.
        cgroups = ("find", "/sys/fs/cgroup", "-depth", "-type", "d", "-path", f"*/{container('*')}", "-delete")
        subprocess.run(inside(*cgroups), stderr=subprocess.DEVNULL, check=False)
        os.kill(pid, signal.SIGTERM)
        remove_loops()
    shutil.rmtree(STATE, ignore_errors=True)


def coordinator(action: str, value: str = "") -> str:
    method = "GET" if action.removeprefix("other/") in ("nodes", "keys", "registrations", "requests") else "POST"
    done = execute("mirror", "python3", "-c", ASK, f"{ADMIN}/{action}", method, input=value, check=False)
    if done.returncode != 0:
        raise LabError(f"coordinator {action} {value}: {done.stderr.strip()}")
    return str(done.stdout)


def forget_connections() -> None:
    """Close the connections that ssh keeps open; one to a removed machine would make the next run hang."""
    shutil.rmtree(STATE / "cp", ignore_errors=True)


def reboot(machine: str) -> None:
    forget_connections()
    podman_run("restart", "--time", "5", container(machine))
    # podman writes /etc/resolv.conf again, as a host's own network set-up does at boot.
    wait_for_boot(machine)


def capture_start(path: pathlib.Path) -> None:
    """Record every frame on the LAN's bridge, which carries all traffic between the hosts."""
    capture_stop()
    path.parent.mkdir(parents=True, exist_ok=True)
    bridge = podman_run("network", "inspect", "lan", "--format", "{{.NetworkInterface}}")
    process = subprocess.Popen(
        inside("tcpdump", "-i", bridge, "-U", "-n", "-Z", "root", "-w", str(path.resolve())),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in process.stderr or ():
        if "listening on" in line:
            break
    else:
        raise LabError("tcpdump did not start")
    (STATE / "capture.pid").write_text(str(process.pid), encoding="ascii")


def capture_stop() -> None:
    path = STATE / "capture.pid"
    if path.exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(path.read_text(encoding="ascii")), signal.SIGINT)
            time.sleep(0.5)
        path.unlink()


def status() -> dict[str, t.Any]:
    if holder() is None:
        return {"up": False, "machines": {}}
    alive = running()
    return {
        "up": True,
        "machines": {
            machine: {"running": machine in alive, "ipv4": address(machine), "ipv6": address(machine, 6)}
            for machine in machines()
        },
    }


def proxy(host: str, port: str) -> t.NoReturn:
    """Connect from the laptop, over the LAN or the tailnet, depending on the address that the name resolves to.

    Not with `podman exec`: ssh could not end that nc, whose connection would then stay open, without a login, until sshd's
    LoginGraceTime; with ten such connections sshd refuses some of the next (MaxStartups).
    """
    laptop = podman_run("inspect", "--format", "{{.State.Pid}}", container("laptop"))
    command = inside("nc", host, port, pid=int(laptop))
    os.execvp(command[0], command)


def shell(machine: str) -> t.NoReturn:
    command = podman("exec", "-it", container(machine), "bash", "-l")
    os.execvp(command[0], command)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("build", help="build the programs, images and packages that the lab needs")
    one = actions.add_parser("up", help="boot the machines that are not running")
    one.add_argument("hosts", nargs="*", help="names of the hosts; default nas, pi and vps")
    actions.add_parser("reset", help="make the hosts bare, with a new coordinator")
    actions.add_parser("down", help="remove everything that up started")
    actions.add_parser("status", help="print the machines and their addresses as JSON")
    actions.add_parser("auth-key", help="print a reusable auth key of the coordinator")
    one = actions.add_parser("exec", help="run a command on a machine: exec nas -- uptime")
    one.add_argument("machine", choices=machines())
    one.add_argument("command", nargs=argparse.REMAINDER)
    for name, text in (("shell", "log in to a machine"), ("reboot", "restart a machine")):
        one = actions.add_parser(name, help=text)
        one.add_argument("machine", choices=machines())
    one = actions.add_parser("proxy", help="connect stdin and stdout to a port, from the laptop")
    one.add_argument("host")
    one.add_argument("port")
    one = actions.add_parser("coordinator", help="send a request to the coordinator, see coordinator/main.go")
    one.add_argument("request")
    one.add_argument("value", nargs="?", default="")
    one.add_argument("--stdin", action="store_true", help="read the value, such as a secret, from stdin")
    one = actions.add_parser("capture", help="record the LAN")
    one.add_argument("what", choices=("start", "stop"))
    one.add_argument("path", type=pathlib.Path, nargs="?")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    if given.action in ("exec", "shell", "proxy"):
        return enter(given)
    simple: dict[str, t.Callable[[], object]] = {
        "build": build,
        "up": lambda: up(given.hosts),
        "reset": reset,
        "down": down,
        "status": lambda: print(json.dumps(status(), indent=2)),
        "auth-key": lambda: print(auth_key()),
        "reboot": lambda: reboot(given.machine),
        "coordinator": lambda: print(coordinator(given.request, sys.stdin.read() if given.stdin else given.value), end=""),
        "capture": lambda: capture_start(given.path) if given.what == "start" else capture_stop(),
    }
    with locked() if given.action in ("up", "reset", "down", "reboot") else contextlib.nullcontext():
        simple[given.action]()
    return 0


@contextlib.contextmanager
def locked() -> t.Iterator[None]:
    """Lock the lab, so that two processes do not start and stop its machines at the same time."""
    STATE.parent.mkdir(parents=True, exist_ok=True)
    with (STATE.parent / f".{NAME}.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def enter(given: argparse.Namespace) -> int:
    if given.action == "proxy":
        proxy(given.host, given.port)
    if given.action == "shell":
        shell(given.machine)
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    return subprocess.run(podman("exec", "-i", container(given.machine), *command), check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (LabError, subprocess.SubprocessError) as error:
        print(f"lab: {error}", file=sys.stderr)
        sys.exit(1)
