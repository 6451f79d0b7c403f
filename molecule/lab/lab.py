# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test network: real systemd hosts, a real tailnet, and no way out.

Each lab lives in a network and mount namespace of its own, held by one sleeping process.
Nothing in it can reach anything outside, because outside does not exist there; and labs
with different names (environment variable TAILSYNC_LAB) run side by side with the same addresses.
What podman keeps lies in the lab's own folder, so that nothing of it is left on this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
import typing as t

import artefacts
from artefacts import CACHE, run, say

NAME = os.environ.get("TAILSYNC_LAB", "lab")
STATE = CACHE / "labs" / NAME
SUBNET4, SUBNET6 = "172.31.77", "fd77:7a11:5ec:"
DOMAIN = "tailnet.test"
# The last part of each machine's LAN address, IPv4 and IPv6 alike.
MACHINES = {"coordinator": 2, "mirror": 3, "laptop": 5, "outsider": 6, "nas": 11, "pi": 12, "vps": 13}
HOSTS = ("nas", "pi", "vps")
IMAGE = "localhost/tailsync-lab"
CONTROL = f"http://{SUBNET4}.{MACHINES['coordinator']}:8080"
ADMIN = f"http://{SUBNET4}.{MACHINES['coordinator']}:8081"
MIRROR = f"http://{SUBNET4}.{MACHINES['mirror']}"
# PID 1 of this machine may lack CAP_SYS_RESOURCE, and podman's own defaults then exceed the hard limits.
LIMITS = ("--ulimit", "nofile=20000:20000", "--ulimit", "nproc=30000:30000")
BOOT_TIMEOUT = 90  # seconds


class LabError(Exception):
    """Something the caller can act on."""


# --- the namespace that holds it all ------------------------------------------------------------


def holder() -> int | None:
    """The process that holds this lab's namespaces, if it lives."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((STATE / "holder.pid").read_text(encoding="ascii"))
        if b"tailsync-lab-holder" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return None


def start_holder() -> int:
    """Open the namespaces.

    On a machine with cgroup v1, podman's crun finds no cgroup it could use: a cgroup v2
    tree takes its place, in here only. And in here podman's usual places are the lab's own.
    """
    shutil.rmtree(STATE / "storage", ignore_errors=True)
    (STATE / "storage").mkdir()
    script = (
        "set -e; "
        "mkdir -p /var/lib/containers /run/containers /run/libpod /run/netns; "
        f"mount --bind {shlex.quote(str(STATE / 'storage'))} /var/lib/containers; "
        "for place in /run/containers /run/libpod /run/netns; do mount -t tmpfs tmpfs $place; done; "
        'if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then '
        "umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; fi; "
        "ip link set lo up; echo ready; exec >/dev/null; exec -a tailsync-lab-holder sleep infinity"
    )
    process = subprocess.Popen(
        ["unshare", "--mount", "--net", "bash", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # inherited, it would keep the caller's pipe open for as long as the lab lives
        start_new_session=True,
    )
    if process.stdout is None or process.stdout.readline() != b"ready\n":
        raise LabError("the lab's namespaces could not be opened")
    (STATE / "holder.pid").write_text(str(process.pid), encoding="ascii")
    return process.pid


def inside(*command: str, pid: int | None = None) -> list[str]:
    """The command line that runs a command in the lab's namespaces (and in the root folder)."""
    target = pid or holder()
    if target is None:
        raise LabError(f"the lab {NAME!r} is not up: lab.py up")
    return ["nsenter", "--target", str(target), "--mount", "--net", "--", *command]


def podman(*arguments: str) -> list[str]:
    return inside("podman", "--network-config-dir", str(STATE / "networks"), *arguments)


def checked(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command[-4:])}: {done.stderr.strip()}")
    return done.stdout.strip()


def podman_run(*arguments: str) -> str:
    return checked(podman(*arguments))


def container(machine: str) -> str:
    return f"tailsync-{NAME}-{machine}"


def execute(machine: str, *command: str, check: bool = True, **options: t.Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        podman("exec", "-i", container(machine), *command),
        text=True,
        capture_output=True,
        check=False,
        **options,
    )
    if check and done.returncode != 0:
        raise LabError(f"{machine}: {' '.join(command)}: {done.stdout}{done.stderr}")
    return done


def running() -> set[str]:
    names = podman_run("ps", "--format", "{{.Names}}").split()
    return {machine for machine in MACHINES if container(machine) in names}


def existing() -> set[str]:
    names = podman_run("ps", "--all", "--format", "{{.Names}}").split()
    return {machine for machine in MACHINES if container(machine) in names}


# --- machines -----------------------------------------------------------------------------------


def address(machine: str, family: int = 4) -> str:
    last = MACHINES[machine]
    return f"{SUBNET4}.{last}" if family == 4 else f"{SUBNET6}:{last:x}"


def create(machine: str, *options: str, command: t.Sequence[str]) -> None:
    """Start a container.

    Without podman's own cgroups every systemd in a container would take the same cgroup for
    its root, and remove the others' services from it; so each container is started from a
    cgroup of its own, which its private cgroup namespace then shows as the root.
    """
    own_cgroup = f"/sys/fs/cgroup/{container(machine)}"
    enter = f'mkdir -p {own_cgroup} && echo $$ > {own_cgroup}/cgroup.procs && exec "$@"'
    command_line = podman(
        "run",
        "--detach",
        *("--name", container(machine), "--hostname", machine),
        *("--network", "lan", "--ip", address(machine), "--ip6", address(machine, 6)),
        *("--cgroups=disabled", "--cgroupns=private", *LIMITS),
        *options,
        image_name(),
        *command,
    )
    split = command_line.index("podman")
    checked([*command_line[:split], "sh", "-c", enter, "sh", *command_line[split:]])


def create_host(machine: str) -> None:
    create(
        machine,
        "--systemd=always",
        *("--cap-add", "NET_ADMIN,NET_RAW,SYS_ADMIN", "--device", "/dev/net/tun"),
        command=["/sbin/init"],
    )


def create_coordinator() -> None:
    create(
        "coordinator",
        *("--volume", f"{artefacts.programs()}:/srv:ro"),
        command=["/srv/coordinator", "--address", address("coordinator"), "--domain", DOMAIN],
    )


def create_mirror() -> None:
    create(
        "mirror",
        *("--volume", f"{artefacts.mirror() / 'www'}:/srv:ro"),
        command=["python3", "-m", "http.server", "--directory", "/srv", "80"],
    )


def image_name() -> str:
    return f"{IMAGE}:{artefacts.host_image().name.removeprefix('image-')}"


def provide_image() -> None:
    if subprocess.run(podman("image", "exists", image_name()), check=False).returncode != 0:
        say("importing the hosts' image")
        podman_run("import", "--quiet", str(artefacts.host_image() / "image.tar"), image_name())


def set_up(machine: str) -> None:
    """What a freshly installed machine has from its administrator: a key to log in with, and a package source."""
    public = (STATE / "id_ed25519.pub").read_text(encoding="ascii")
    keyring = (artefacts.mirror() / "keyring.gpg").read_bytes()
    subprocess.run(
        podman("exec", "-i", container(machine), "tee", "/usr/share/keyrings/lab.gpg"),
        input=keyring,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    script = f"""
set -e
install -d -m 700 -o admin -g admin /home/admin/.ssh
cat > /home/admin/.ssh/authorized_keys
chown admin:admin /home/admin/.ssh/authorized_keys
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
echo 'deb [signed-by=/usr/share/keyrings/lab.gpg] {MIRROR}/debian {artefacts.SUITE} main' > /etc/apt/sources.list
echo 'nameserver {address("coordinator")}' > /etc/resolv.conf
# Ask no other machine for names: there is none here that would know.
echo 'options timeout:1 attempts:1' >> /etc/resolv.conf
mkdir -p /etc/systemd/system/tailscaled.service.d
printf '[Service]\\nEnvironment=TS_NO_LOGS_NO_SUPPORT=true\\n' > /etc/systemd/system/tailscaled.service.d/lab.conf
systemctl daemon-reload
ls /etc/ssh/ssh_host_ed25519_key >/dev/null 2>&1 || ssh-keygen -A >/dev/null
systemctl reset-failed ssh
systemctl restart ssh
apt-get update -qq
"""
    execute(machine, "sh", "-c", script, input=public)


def wait_for_boot(machine: str) -> None:
    deadline = time.monotonic() + BOOT_TIMEOUT
    state = ""
    while time.monotonic() < deadline:
        state = execute(machine, "systemctl", "is-system-running", check=False).stdout.strip()
        if state in ("running", "degraded"):
            return
        time.sleep(0.3)
    raise LabError(f"{machine} did not boot within {BOOT_TIMEOUT} s: {state or 'no answer'}")


def wait_for(url: str) -> None:
    deadline = time.monotonic() + BOOT_TIMEOUT
    code = f"import urllib.request; urllib.request.urlopen({url!r}, timeout=2)"
    while execute("mirror", "python3", "-c", code, check=False).returncode != 0:
        if time.monotonic() > deadline:
            raise LabError(f"no answer from {url} within {BOOT_TIMEOUT} s")
        time.sleep(0.2)


def join_laptop() -> None:
    """The administrator's own machine is in the tailnet already."""
    script = f"""
set -e
install -m 644 /usr/share/keyrings/lab.gpg /usr/share/keyrings/tailscale-archive-keyring.gpg
keyring=/usr/share/keyrings/tailscale-archive-keyring.gpg
echo "deb [signed-by=$keyring] {MIRROR}/tailscale/stable/debian {artefacts.SUITE} main" > /etc/apt/sources.list.d/tailscale.list
apt-get update -qq
command -v tailscale >/dev/null || apt-get install -y -qq tailscale >/dev/null 2>&1
tailscale up --login-server={CONTROL} --auth-key=file:/dev/stdin --hostname=laptop --timeout=30s --force-reauth --reset
"""
    execute("laptop", "sh", "-c", script, input=auth_key())


def write_known_hosts() -> None:
    """The hosts' keys under their LAN addresses only, as an administrator has them before the first run."""
    lines = []
    for machine in HOSTS:
        public = execute(machine, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").stdout.split()[:2]
        lines.append(f"{address(machine)} {' '.join(public)}\n")
    (STATE / "known_hosts").write_text("".join(lines), encoding="ascii")


def auth_key() -> str:
    path = STATE / "auth_key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(f"tskey-auth-lab{secrets.token_hex(20)}", encoding="ascii")
    return path.read_text(encoding="ascii")


def refuse_a_way_out() -> None:
    for machine in sorted(running()):
        for family in ("-4", "-6"):
            route = execute(machine, "ip", family, "route", "show", "default").stdout.strip()
            if route:
                raise LabError(f"{machine} has a way out of the lab ({route}); nothing may run like this")


# --- what the command line offers ---------------------------------------------------------------


def build() -> None:
    """Everything that takes long, so that what comes after needs no network."""
    artefacts.install_machine_packages()
    artefacts.mirror()
    for suite in artefacts.SYNCTHING_SUITES:
        artefacts.syncthing(suite)
    for suite in artefacts.UFW_SUITES:
        artefacts.ufw(suite)


def up() -> None:
    artefacts.install_machine_packages()
    artefacts.mirror()
    STATE.mkdir(parents=True, exist_ok=True)
    if holder() is None:
        (STATE / "networks").mkdir(exist_ok=True)
        start_holder()
    if not (STATE / "id_ed25519").exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", STATE / "id_ed25519")
    provide_image()
    if subprocess.run(podman("network", "exists", "lan"), check=False).returncode != 0:
        podman_run(
            *("network", "create", "--internal", "--disable-dns"),
            *("--subnet", f"{SUBNET4}.0/24", "--ipv6", "--subnet", f"{SUBNET6}:/64"),
            "lan",
        )
    boot(set(MACHINES) - running())


def boot(missing: set[str]) -> None:
    """Start what is not running: what was there before as it was, the rest bare."""
    if not missing:
        return
    say(f"starting {', '.join(name for name in MACHINES if name in missing)}")
    for machine in sorted(missing & existing()):
        podman_run("rm", "--force", "--time", "0", container(machine))
    if "coordinator" in missing:
        create_coordinator()
    if "mirror" in missing:
        create_mirror()
    systemd_machines = [machine for machine in MACHINES if machine in missing - {"coordinator", "mirror"}]
    for machine in systemd_machines:
        create_host(machine)
    wait_for(f"{ADMIN}/nodes")
    wait_for(MIRROR)
    for machine in systemd_machines:
        wait_for_boot(machine)
        set_up(machine)
    refuse_a_way_out()
    if "coordinator" in missing:
        coordinator("require-key", auth_key())
    if missing & {"coordinator", "laptop"}:
        join_laptop()
    if missing & set(HOSTS):
        write_known_hosts()


def reset() -> None:
    """Bare hosts, and a coordinator that has never seen them."""
    up()
    gone = {*HOSTS, "coordinator"}
    forget_connections()
    podman_run("rm", "--force", "--time", "0", *(container(machine) for machine in gone))
    boot(gone)


def down() -> None:
    capture_stop()
    pid = holder()
    if pid is not None:
        for machine in sorted(existing()):
            podman_run("rm", "--force", "--time", "0", container(machine))
        # Their files go with them; find sees to it that the innermost are removed first.
        cgroups = ("find", "/sys/fs/cgroup", "-depth", "-type", "d", "-path", f"*/{container('*')}", "-delete")
        subprocess.run(inside(*cgroups), stderr=subprocess.DEVNULL, check=False)
        os.kill(pid, signal.SIGTERM)
    shutil.rmtree(STATE, ignore_errors=True)


def coordinator(action: str, value: str = "") -> str:
    code = (
        "import sys, urllib.request; "
        "data = sys.stdin.buffer.read() if sys.argv[2] == 'POST' else None; "
        "print(urllib.request.urlopen(urllib.request.Request(sys.argv[1], data=data, method=sys.argv[2]), timeout=10)"
        ".read().decode(), end='')"
    )
    method = "GET" if action == "nodes" else "POST"
    return str(execute("mirror", "python3", "-c", code, f"{ADMIN}/{action}", method, input=value).stdout)


def forget_connections() -> None:
    """ssh keeps connections open for a while; one to a machine that is gone would hang who comes next."""
    shutil.rmtree(STATE / "cp", ignore_errors=True)


def reboot(machine: str) -> None:
    forget_connections()
    podman_run("restart", "--time", "5", container(machine))
    # podman writes /etc/resolv.conf anew, as a host's own network set-up does at boot.
    wait_for_boot(machine)


def capture_start(path: pathlib.Path) -> None:
    """Record every frame of the LAN's bridge, which sees what the hosts say to each other."""
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
            machine: {"running": machine in alive, "ipv4": address(machine), "ipv6": address(machine, 6)} for machine in MACHINES
        },
    }


def proxy(host: str, port: str) -> t.NoReturn:
    """SSH's way in: from the laptop, over the LAN or the tailnet, whichever the name leads to."""
    command = podman("exec", "-i", container("laptop"), "nc", host, port)
    os.execvp(command[0], command)


def shell(machine: str) -> t.NoReturn:
    command = podman("exec", "-it", container(machine), "bash", "-l")
    os.execvp(command[0], command)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("build", help="build what the lab is made of")
    actions.add_parser("up", help="boot what is not running; again: quick")
    actions.add_parser("reset", help="bare hosts, and a coordinator that has never seen them")
    actions.add_parser("down", help="remove everything that up started")
    actions.add_parser("status", help="what runs, as JSON")
    actions.add_parser("auth-key", help="the key that the coordinator demands")
    one = actions.add_parser("exec", help="run a command on a machine: exec nas -- uptime")
    one.add_argument("machine", choices=MACHINES)
    one.add_argument("command", nargs=argparse.REMAINDER)
    for name, text in (("shell", "log in to a machine"), ("reboot", "restart a machine")):
        one = actions.add_parser(name, help=text)
        one.add_argument("machine", choices=MACHINES)
    one = actions.add_parser("proxy", help="connect stdin and stdout to a port, from the laptop")
    one.add_argument("host")
    one.add_argument("port")
    one = actions.add_parser("coordinator", help="ask or tell the coordinator, see coordinator/main.go")
    one.add_argument("request")
    one.add_argument("value", nargs="?", default="")
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
        "up": up,
        "reset": reset,
        "down": down,
        "status": lambda: print(json.dumps(status(), indent=2)),
        "auth-key": lambda: print(auth_key()),
        "reboot": lambda: reboot(given.machine),
        "coordinator": lambda: print(coordinator(given.request, given.value), end=""),
        "capture": lambda: capture_start(given.path) if given.what == "start" else capture_stop(),
    }
    simple[given.action]()
    return 0


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
    except (LabError, subprocess.CalledProcessError) as error:
        print(f"lab: {error}", file=sys.stderr)
        sys.exit(1)
