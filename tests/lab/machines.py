# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of a lab: their names, addresses and containers."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import secrets
import subprocess
import time
import typing as t

import artefacts
import package_mirror
from artefacts import CACHE, say
from namespaces import STATE, LabError, checked, container, execute, podman, podman_run

SUBNET4, SUBNET6 = "172.31.77", "fd77:7a11:5ec:"
DOMAIN = "tailnet.test"
HOSTS = ("nas", "pi", "vps")  # the default
# The last part of each machine's LAN address, IPv4 and IPv6 alike; hosts of other names count from FIRST_OTHER on.
FIXED = {"coordinator": 2, "mirror": 3, "laptop": 5, "outsider": 6, "nas": 11, "pi": 12, "vps": 13}
FIRST_OTHER = 21
IMAGE = "localhost/tailsync-lab"
CONTROL = f"http://{SUBNET4}.{FIXED['coordinator']}:8080"
ADMIN = f"http://{SUBNET4}.{FIXED['coordinator']}:8081"
MIRROR = f"http://{SUBNET4}.{FIXED['mirror']}"
# PID 1 of this machine may lack CAP_SYS_RESOURCE, and podman's own defaults then exceed the hard limits.
LIMITS = ("--ulimit", "nofile=20000:20000", "--ulimit", "nproc=30000:30000")
BOOT_TIMEOUT = 90  # seconds
REMOVAL_ATTEMPTS = 3
# Loop devices belong to the kernel and not to a namespace: each lab reserves its own range, and two for each host.
FIRST_LOOP, LOOPS_PER_LAB, LOOPS_PER_HOST = 512, 64, 2
LOOP_CTL_ADD, LOOP_CTL_REMOVE = 0x4C80, 0x4C81  # from <linux/loop.h>
INSTANCES = pathlib.Path("/proc/sys/fs/inotify/max_user_instances")
MIN_INSTANCES, INSTANCES_PER_MACHINE = 1024, 40


def hosts() -> tuple[str, ...]:
    """The names that this lab was started with; before that those of TAILSYNC_LAB_HOSTS, separated by blanks."""
    return tuple(name.partition("=")[0] for name in _hosts_and_suites())


def _hosts_and_suites() -> tuple[str, ...]:
    path = STATE / "hosts"
    if path.exists():
        return tuple(path.read_text(encoding="ascii").split())
    return tuple(os.environ.get("TAILSYNC_LAB_HOSTS", "").split()) or HOSTS


def suite(machine: str) -> str:
    """The release of Debian that a machine has: the one after its name (attic=bookworm), or the lab's."""
    return dict(name.partition("=")[::2] for name in _hosts_and_suites()).get(machine) or artefacts.SUITE


def remember_hosts(names: t.Sequence[str]) -> None:
    """Store the names of the lab's hosts; new names are added to those that it has."""
    before = _hosts_and_suites() if (STATE / "hosts").exists() or not names else ()
    (STATE / "hosts").write_text(" ".join(dict.fromkeys((*before, *names))), encoding="ascii")


def machines() -> dict[str, int]:
    """The last part of each machine's address, by the machine's name."""
    known = hosts()
    others = [name for name in known if name not in FIXED]
    return {
        **{name: last for name, last in FIXED.items() if name not in HOSTS or name in known},
        **{name: FIRST_OTHER + place for place, name in enumerate(others)},
    }


def remove(names: t.Iterable[str]) -> None:
    """Remove containers; podman fails at times because a process ends while it is inspected ("open pidfd")."""
    containers = [container(name) for name in sorted(names)]
    if not containers:
        return
    command = podman("rm", "--force", "--ignore", "--time", "0", *containers)
    for _attempt in range(REMOVAL_ATTEMPTS - 1):
        with contextlib.suppress(LabError):
            checked(command)
            return
        time.sleep(1)
    checked(command)


def running() -> set[str]:
    names = podman_run("ps", "--format", "{{.Names}}").split()
    return {machine for machine in machines() if container(machine) in names}


def existing() -> set[str]:
    names = podman_run("ps", "--all", "--format", "{{.Names}}").split()
    return {machine for machine in machines() if container(machine) in names}


def address(machine: str, family: int = 4) -> str:
    last = machines()[machine]
    return f"{SUBNET4}.{last}" if family == 4 else f"{SUBNET6}:{last:x}"


# --- loop devices -------------------------------------------------------------------------------


def loops(machine: str) -> list[str]:
    """The loop devices of a host: mount names one (`-o loop=…`), since no program in the host can find a free one."""
    first = first_loop() + hosts().index(machine) * LOOPS_PER_HOST
    return [f"/dev/loop{number}" for number in range(first, first + LOOPS_PER_HOST)]


def first_loop() -> int:
    """The first loop device of this lab: the lowest range that no other lab has reserved."""
    path = STATE / "loops"
    with (CACHE / "labs" / ".loops").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            taken = {int(other.read_text(encoding="ascii")) for other in STATE.parent.glob("*/loops")}
            free = next(first for first in range(FIRST_LOOP, 1 << 20, LOOPS_PER_LAB) if first not in taken)
            path.write_text(str(free), encoding="ascii")
        return int(path.read_text(encoding="ascii"))


def provide_loops(machine: str) -> list[str]:
    """Make the kernel create the loop devices; return none where it cannot."""
    paths = loops(machine)
    try:
        with pathlib.Path("/dev/loop-control").open("rb") as control:
            for path in paths:
                if not pathlib.Path(path).exists():
                    fcntl.ioctl(control, LOOP_CTL_ADD, int(path.removeprefix("/dev/loop")))
    except OSError as error:
        say(f"no loop devices for {machine}: {error}")
    return [path for path in paths if pathlib.Path(path).exists()]


def remove_loops() -> None:
    if not (STATE / "loops").exists():
        return
    for path in (path for machine in hosts() for path in loops(machine) if pathlib.Path(path).exists()):
        subprocess.run(["losetup", "--detach", path], stderr=subprocess.DEVNULL, check=False)
        with pathlib.Path("/dev/loop-control").open("rb") as control:
            try:
                fcntl.ioctl(control, LOOP_CTL_REMOVE, int(path.removeprefix("/dev/loop")))
            except OSError as error:
                say(f"{path} stays: {error}")


# --- containers ---------------------------------------------------------------------------------


def create(machine: str, *options: str, command: t.Sequence[str]) -> None:
    """Start a container.

    Without podman's cgroups every systemd in a container would use the same cgroup as
    its root, and remove the services of the others from it. So each container is started from
    its own cgroup, which its private cgroup namespace then shows as the root.
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
        image_name(suite(machine)),
        *command,
    )
    split = command_line.index("podman")
    checked([*command_line[:split], "sh", "-c", enter, "sh", *command_line[split:]])


def create_host(machine: str) -> None:
    create(
        machine,
        "--systemd=always",
        *("--cap-add", "NET_ADMIN,NET_RAW,SYS_ADMIN", "--device", "/dev/net/tun"),
        *(f"--device={path}" for path in (provide_loops(machine) if machine in hosts() else ())),
        command=["/sbin/init"],
    )


def create_coordinator() -> None:
    create(
        "coordinator",
        *("--volume", f"{artefacts.coordinator().parent}:/srv:ro"),
        command=["/srv/coordinator", "--address", address("coordinator"), "--domain", DOMAIN],
    )


def create_mirror() -> None:
    create(
        "mirror",
        *("--volume", f"{package_mirror.mirror() / 'www'}:/srv:ro"),
        command=["python3", "-m", "http.server", "--directory", "/srv", "80"],
    )


def image_name(of: str) -> str:
    return f"{IMAGE}:{artefacts.host_image(of).name.removeprefix('image-')}"


def provide_images() -> None:
    for of in sorted({suite(machine) for machine in machines()}):
        if subprocess.run(podman("image", "exists", image_name(of)), check=False).returncode != 0:
            say(f"importing the hosts' image ({of})")
            podman_run("import", "--quiet", str(artefacts.host_image(of) / "image.tar"), image_name(of))


def set_up(machine: str) -> None:
    """Configure what the administrator of a new machine does: an SSH key to log in with, and a package source."""
    public = (STATE / "id_ed25519.pub").read_text(encoding="ascii")
    keyring = (package_mirror.mirror() / "keyring.gpg").read_bytes()
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
echo 'deb [signed-by=/usr/share/keyrings/lab.gpg] {MIRROR}/debian {suite(machine)} main' > /etc/apt/sources.list
echo 'nameserver {address("coordinator")}' > /etc/resolv.conf
# Fail soon: there is no other name server in the lab.
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
        if not state and machine not in running():
            raise LabError(f"{machine} ended while it booted: {describe_failed_boot(machine)}")
        time.sleep(0.3)
    raise LabError(f"{machine} did not boot within {BOOT_TIMEOUT} s ({state or 'no answer'}): {describe_failed_boot(machine)}")


def describe_failed_boot(machine: str) -> str:
    """Describe a machine that did not boot: its exit code, its last output, and the inotify instances in use."""
    state = podman_run("inspect", "--format", "{{.State.Status}}, exit code {{.State.ExitCode}}", container(machine))
    last_output = podman_run("logs", "--tail", "5", container(machine)).strip() or "nothing"
    used, limit = instances_in_use(), INSTANCES.read_text(encoding="ascii").strip()
    return (
        f"the container is {state}; its last output: {last_output}\n"
        f"{used} inotify instances of {limit} are in use: if they are nearly all, "
        f"raise fs.inotify.max_user_instances or remove other labs. Then `lab.py up` starts the rest."
    )


def wait_for(url: str) -> None:
    deadline = time.monotonic() + BOOT_TIMEOUT
    code = f"import urllib.request; urllib.request.urlopen({url!r}, timeout=2)"
    while execute("mirror", "python3", "-c", code, check=False).returncode != 0:
        if time.monotonic() > deadline:
            raise LabError(f"no answer from {url} within {BOOT_TIMEOUT} s")
        time.sleep(0.2)


def join_laptop() -> None:
    """Let the administrator's own machine join the tailnet."""
    script = f"""
set -e
install -m 644 /usr/share/keyrings/lab.gpg /usr/share/keyrings/tailscale-archive-keyring.gpg
keyring=/usr/share/keyrings/tailscale-archive-keyring.gpg
echo "deb [signed-by=$keyring] {MIRROR}/tailscale/stable/debian {artefacts.SUITE} main" > /etc/apt/sources.list.d/tailscale.list
apt-get update -qq
command -v tailscale >/dev/null || apt-get install -y -qq tailscale >/dev/null 2>&1
# As a new machine: one that was in another tailnet would send its old key, and the answer to that would end the login.
systemctl stop tailscaled
rm -rf /var/lib/tailscale
ip neighbour flush all  # a new coordinator has another MAC address at the same place
systemctl start tailscaled
tailscale up --login-server={CONTROL} --auth-key=file:/dev/stdin --hostname=laptop --timeout=30s
"""
    execute("laptop", "sh", "-c", script, input=auth_key())


def write_known_hosts() -> None:
    """Write the hosts' keys for their LAN addresses only, as an administrator has them before the first run."""
    lines = []
    for machine in hosts():
        public = execute(machine, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").stdout.split()[:2]
        lines.append(f"{address(machine)} {' '.join(public)}\n")
    (STATE / "known_hosts").write_text("".join(lines), encoding="ascii")


def auth_key() -> str:
    path = STATE / "auth_key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(f"tskey-auth-lab{secrets.token_hex(20)}", encoding="ascii")
    return path.read_text(encoding="ascii")


def refuse_default_routes() -> None:
    for machine in sorted(running()):
        for family in ("-4", "-6"):
            route = execute(machine, "ip", family, "route", "show", "default").stdout.strip()
            if route:
                raise LabError(f"{machine} has a way out of the lab ({route}); nothing may run like this")


def instances_in_use() -> int:
    """Count the inotify instances of this user's processes."""
    used = 0
    for link in pathlib.Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # the process or file no longer exists
            used += str(link.readlink()) == "anon_inode:inotify"
    return used


def check_instances() -> None:
    """Check that inotify instances are left: each systemd needs some, and ends without a message if there is none."""
    limit = int(INSTANCES.read_text(encoding="ascii"))
    needed = max(MIN_INSTANCES, instances_in_use() + INSTANCES_PER_MACHINE * len(machines()))
    if limit >= needed:
        return
    try:
        INSTANCES.write_text(str(needed), encoding="ascii")
    except OSError as error:
        raise LabError(
            f"fs.inotify.max_user_instances is {limit}, which is too few for this lab: "
            f"run `sysctl fs.inotify.max_user_instances={needed}` on the machine itself"
        ) from error
    say(f"fs.inotify.max_user_instances is {needed} now; {limit} was too few for the lab's hosts")
