# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare a host with a pre-existing configuration: `situations.py NAME HOST [ARGUMENT...]`.

Without arguments it lists the situations. Each one is a function that takes a host's name, for the
scenarios and for experiments by hand on a running lab.
"""

from __future__ import annotations

import importlib
import inspect
import pathlib
import subprocess
import sys
import tempfile
import typing as t

import machines
from namespaces import LabError, execute

HERE = pathlib.Path(__file__).resolve().parent
UNIT = """[Unit]
After=network.target
[Service]
ExecStart={command}
Restart=always
[Install]
WantedBy=multi-user.target
"""
FORWARD = """
import socket, sys, threading
def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
    for end in (a, b):
        end.close()
host, port = sys.argv[2].rsplit(":", 1)
server = socket.create_server(("0.0.0.0", int(sys.argv[1])))
while True:
    client, _peer = server.accept()
    try:
        target = socket.create_connection((host, int(port)), 10)
        target.settimeout(None)
    except OSError:
        client.close()
        continue
    for pair in ((client, target), (target, client)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""
LISTEN = """
import socket, sys, threading
ports = [int(port) for port in sys.argv[1:]]
def serve(port):
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        server.accept()[0].close()
for port in ports:
    threading.Thread(target=serve, args=(port,)).start()
"""


def script(host: str, text: str, *arguments: str, **options: t.Any) -> str:
    return str(execute(host, "sh", "-ec", text, "sh", *arguments, **options).stdout)


def service(host: str, name: str, command: str) -> None:
    """Install a unit that is started at boot."""
    text = UNIT.format(command=command)
    script(
        host, f"cat >/etc/systemd/system/{name}.service; systemctl daemon-reload; systemctl enable -q --now {name}", input=text
    )


def package(host: str, *names: str) -> None:
    install = "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends"
    script(host, f'{install} "$@" >/dev/null 2>&1', *names)


# --- accounts and files -------------------------------------------------------------------------


def own_files(host: str) -> None:
    """The login user has own files."""
    script(
        host,
        "install -d -o admin -g admin -m 0750 /home/admin/documents; echo 'a letter' >/home/admin/documents/letter.txt; "
        "chown admin:admin /home/admin/documents/letter.txt; chmod 0640 /home/admin/documents/letter.txt",
    )


def other_users(host: str) -> None:
    """Another user has a home and another folder."""
    script(
        host,
        "useradd --create-home --shell /bin/bash alice; chmod 0700 /home/alice; echo diary >/home/alice/diary.txt; "
        "mkdir -p /srv/alice; echo photo >/srv/alice/photo.jpg; chown -R alice:alice /home/alice /srv/alice; "
        "mkdir -p /srv/sync; chmod 0755 /srv/sync",
    )


# --- disks --------------------------------------------------------------------------------------


def shared_root(host: str) -> None:
    """Share mounts as on a real host, unlike in a container: running services see a disk that is mounted later."""
    script(host, "mount --make-rshared /")


def disk(host: str, name: str = "usb", megabytes: str = "16") -> None:
    """A file system that can be mounted, and is in no fstab or unit."""
    with tempfile.TemporaryDirectory() as folder:
        image = pathlib.Path(folder, "image")
        with image.open("wb") as file:
            file.truncate(int(megabytes) << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, stdin=subprocess.DEVNULL)
        subprocess.run(
            [*_podman(host), "sh", "-c", f"mkdir -p /var/lib/disks && cat >/var/lib/disks/{name}.img"],
            input=image.read_bytes(),
            check=True,
        )


def _podman(host: str) -> list[str]:
    return [sys.executable, str(HERE / "lab.py"), "exec", host, "--"]


def plug(host: str, name: str, where: str, number: str = "0") -> None:
    """Mount a disk by hand, as udisks or an administrator does."""
    loop = machines.loops(host)[int(number)]
    script(host, f"mkdir -p {where}; mount -o loop={loop} /var/lib/disks/{name}.img {where}", timeout=30)


def unplug(host: str, where: str) -> None:
    """Unmount the disk."""
    script(host, f"umount {where} 2>/dev/null || ! mountpoint -q {where}", timeout=30)


# --- networks and packet filters ----------------------------------------------------------------


def cloud_rules(host: str) -> None:
    """The rules of a cloud image: they allow SSH from anywhere and reject the rest, in front of all later rules."""
    package(host, "iptables")
    script(
        host,
        "iptables -A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT; iptables -A INPUT -p icmp -j ACCEPT; "
        "iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT; "
        "iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited; "
        "iptables -A FORWARD -j REJECT --reject-with icmp-host-prohibited",
    )


def harmless_rules(host: str) -> None:
    """The rules that Docker, libvirt, LXD and fail2ban add to the packet filter of an ordinary host."""
    package(host, "iptables")
    docker = (HERE / "docker_by_hand.sh").read_text(encoding="utf-8")
    execute(host, "sh", "-c", docker, "docker", "start")
    script(
        host,
        """
for bridge in virbr0:192.168.122.1/24 lxdbr0:10.158.0.1/24; do
  ip link add ${bridge%%:*} type bridge; ip address add ${bridge#*:} dev ${bridge%%:*}; ip link set ${bridge%%:*} up
done
for chain in LIBVIRT_INP LIBVIRT_OUT LIBVIRT_FWI LIBVIRT_FWO LIBVIRT_FWX; do iptables -N $chain; done
for port in 53 67; do
  for protocol in udp tcp; do
    iptables -A LIBVIRT_INP -i virbr0 -p $protocol --dport $port -j ACCEPT
    iptables -A LIBVIRT_OUT -o virbr0 -p $protocol --dport $port -j ACCEPT
  done
done
iptables -A LIBVIRT_FWO -s 192.168.122.0/24 -i virbr0 -j ACCEPT
iptables -A LIBVIRT_FWO -i virbr0 -j REJECT --reject-with icmp-port-unreachable
iptables -A LIBVIRT_FWI -d 192.168.122.0/24 -o virbr0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A LIBVIRT_FWI -o virbr0 -j REJECT --reject-with icmp-port-unreachable
iptables -A LIBVIRT_FWX -i virbr0 -o virbr0 -j ACCEPT
iptables -I INPUT -j LIBVIRT_INP; iptables -I OUTPUT -j LIBVIRT_OUT
for chain in FWX FWI FWO; do iptables -I FORWARD -j LIBVIRT_$chain; done
lxd='-m comment --comment "generated for LXD network lxdbr0"'
for rule in 'INPUT -i lxdbr0 -p tcp --dport 53' 'INPUT -i lxdbr0 -p udp --dport 53' 'INPUT -i lxdbr0 -p udp --dport 67' \
  'OUTPUT -o lxdbr0 -p tcp --sport 53' 'FORWARD -o lxdbr0' 'FORWARD -i lxdbr0'; do
  eval iptables -I $rule $lxd -j ACCEPT
done
iptables -N f2b-sshd
iptables -A f2b-sshd -s 198.51.100.7/32 -j REJECT --reject-with icmp-port-unreachable
iptables -A f2b-sshd -j RETURN
iptables -I INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
""",
    )


def listener(host: str, name: str, *ports: str) -> None:
    """A service with a given name that listens on every interface, such as `smbd 445`."""
    script(host, f"cp /usr/bin/python3 /usr/local/sbin/{name}; cat >/usr/local/lib/{name}.py", input=LISTEN)
    service(host, name, f"/usr/local/sbin/{name} /usr/local/lib/{name}.py {' '.join(ports)}")


def forwarder(host: str, port: str = "8090", target: str = "") -> None:
    """Forward the control server's port on a managed host, like a control server that users run themselves."""
    script(host, "cat >/usr/local/lib/forwarder.py", input=FORWARD)
    target = target or machines.CONTROL.removeprefix("http://")
    service(host, "headscale", f"/usr/bin/python3 /usr/local/lib/forwarder.py {port} {target}")


def second_tailscaled(host: str, name: str = "") -> None:
    """A Tailscale that no package manager knows, with its own state and socket, and SSH over it."""
    package(host, "iptables")
    script(
        host,
        "cd /root; apt-get download -qq tailscale 2>/dev/null; dpkg-deb -x tailscale_*.deb /opt/tailscale; rm tailscale_*.deb; "
        "mkdir -p /var/lib/ts2",
    )
    run = "/opt/tailscale/usr/sbin/tailscaled --statedir=/var/lib/ts2 --socket=/run/ts2.sock --tun=tailscale0 --port=41641"
    service(host, "ts2", f"/usr/bin/env TS_NO_LOGS_NO_SUPPORT=true {run}")
    join = f"--login-server={machines.CONTROL} --auth-key=file:/dev/stdin --hostname={name or host} --timeout=30s"
    script(
        host,
        f"until [ -S /run/ts2.sock ]; do sleep 0.2; done; /opt/tailscale/usr/bin/tailscale --socket=/run/ts2.sock up {join}",
        input=machines.auth_key(),
    )


def taken_name(host: str, name: str = "") -> None:
    """An older machine with the host's name is in the tailnet, and offline."""
    second_tailscaled(host, name)
    script(
        host,
        "systemctl disable -q --now ts2; rm -rf /etc/systemd/system/ts2.service /var/lib/ts2 /opt/tailscale; "
        "systemctl daemon-reload",
    )


SITUATIONS: dict[str, t.Callable[..., None]] = {
    function.__name__: function
    for function in (
        *(own_files, other_users, shared_root, disk, plug, unplug, cloud_rules, harmless_rules),
        *(listener, forwarder, second_tailscaled, taken_name),
    )
}


def collected() -> dict[str, t.Callable[..., None]]:
    """The situations of this file and of the folder past."""
    found = dict(SITUATIONS)
    for path in sorted((HERE / "past").glob("*.py")):
        module = importlib.import_module(f"past.{path.stem}")
        own = [one for one in vars(module).values() if inspect.isfunction(one) and one.__module__ == module.__name__]
        found.update({function.__name__: function for function in own})
    return found


def main() -> int:
    known = collected()
    if len(sys.argv) < 3:
        for name, function in known.items():
            print(f"{name:18} {' '.join(inspect.signature(function).parameters):30} {(function.__doc__ or '').splitlines()[0]}")
        return 2
    known[sys.argv[1]](*sys.argv[2:])
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"situations: {error}")
