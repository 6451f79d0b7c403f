# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Select the SSH addresses of a host to try, and decide which answers to accept: pure functions, for the controller.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import json
import shlex
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common.tailnet import first_label, is_tailnet_address, label_of

# An open connection to a host that has left the tailnet would block the next task until TCP gives up after a quarter of an
# hour. Half a minute is more than tailscaled needs to restart.
KEEPALIVE = ("-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3")
MARKER = "tailsync-ssh"
NODE_MARKER = "tailsync-node"
SOCKETS = (
    "/run/tailscale/tailscaled.sock",
    "/var/run/tailscale/tailscaled.sock",
    "/var/snap/tailscale/common/socket/tailscaled.sock",
)
STATUS_TIMEOUT = 5  # seconds
# Ansible prints the whole answer at -vvv, and who opens that address first has the node.
NO_LOGIN_ADDRESS = 's|"AuthURL": *"[^"]*"|"AuthURL": ""|'
# The source of an address. Addresses from the host itself are tried only for the error message.
NAME, CONTROLLER, INVENTORY, HOST = "name", "controller", "inventory", "host"


# --- ssh's destination --------------------------------------------------------------------------


class Destination(t.NamedTuple):
    """The destination of `ssh HOST`, from `ssh -G HOST`."""

    given: str
    hostname: str
    host_key_name: str  # the name of its key in known_hosts
    port: str = "22"
    strict: str = "ask"
    known_hosts: tuple[str, ...] = ()
    proxied: bool = False  # by ProxyJump or ProxyCommand

    def key_name(self, name: str) -> str:
        """The form of another name of the same machine in known_hosts (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
        return name if self.port == "22" else f"[{name}]:{self.port}"

    def verifies_machine(self, known_before: bool) -> bool:
        """Whether a login proves that the machine has the key in known_hosts."""
        if not self.known_hosts or self.strict in ("no", "off", "false"):
            return False
        return known_before or self.strict != "accept-new"


def parse_ssh_settings(text: str, given: str) -> Destination:
    """Parse the output of `ssh -G`; missing values default to the given host."""
    settings = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    hostname, port = settings.get("hostname", given), settings.get("port", "22")
    files = f"{settings.get('userknownhostsfile', '')} {settings.get('globalknownhostsfile', '')}".split()
    known_hosts = tuple(file for file in files if file not in ("/dev/null", "none"))
    # Without a file of the user, every host key is new.
    own = [file for file in settings.get("userknownhostsfile", "").split() if file in known_hosts]
    found = Destination(given, hostname, "", port, settings.get("stricthostkeychecking", "ask"), known_hosts if own else ())
    proxied = any(settings.get(name, "none") != "none" for name in ("proxyjump", "proxycommand"))
    return found._replace(host_key_name=settings.get("hostkeyalias", found.key_name(hostname)), proxied=proxied)


def host_key_names(address: str, names: t.Iterable[str], destination: Destination) -> list[str]:
    """The names that known_hosts may have the machine's key under, the one of the inventory's address first.

    A user who first logs in from another computer, when only the tailnet is allowed, uses the name in the tailnet, and
    has the key under that name.
    """
    others = [destination.key_name(name) for name in (*names, address) if name]
    return list(dict.fromkeys([destination.host_key_name, *others]))


def alias_arguments(address: str, host_key_name: str, control_path: str = "") -> list[str]:
    """ssh arguments for another address of the same machine.

    With HostName the user's `Host` blocks still apply. With HostKeyAlias the machine must have its known host key: the user
    need not accept a second fingerprint, and no other machine can answer in its place.

    HostName is at both ends. For ssh this makes no difference; `without_alias` recognizes our arguments by it.
    """
    control = ["-o", f"ControlPath={control_path}", *KEEPALIVE] if control_path else []
    name = ["-o", f"HostName={address}"]
    return [*name, "-o", f"HostKeyAlias={host_key_name}", *control, *name]


def without_alias(arguments: str) -> str:
    """ssh's arguments without those that an earlier search for an address has appended.

    ssh uses the first of several values, so a second search would find only the address of the first one.
    """
    words = shlex.split(arguments)
    for length in (8 + len(KEEPALIVE), 6):
        tail = words[-length:]
        ours = len(tail) == length and tail[1].startswith("HostName=") and tail[3].startswith("HostKeyAlias=")
        if ours and tail[:2] == tail[-2:]:
            return shlex.join(words[:-length])
    return arguments


# --- the controller's own tailscaled ------------------------------------------------------------


class Peer(t.NamedTuple):
    name: str  # the first label of its MagicDNS name
    hostname: str  # its own host name, as a label
    dns_name: str
    addresses: tuple[str, ...]
    online: bool
    expired: bool
    last_seen: str = ""
    id: str = ""


class Controller(t.NamedTuple):
    """The tailnet from the controller's view; the state is empty if its tailscaled did not answer."""

    state: str = ""
    peers: tuple[Peer, ...] = ()
    suffix: str = ""
    online: bool = True  # whether its control server keeps it up to date
    expired: bool = False  # its own key

    def named(self, label: str) -> list[Peer]:
        """The machines with this name. Machines shared from another tailnet come after the tailnet's own."""
        found = [peer for peer in self.peers if label and peer.name == label]
        return sorted(found, key=lambda peer: not (self.suffix and peer.dns_name.endswith(f".{self.suffix}")))


def parse_controller(text: str) -> Controller:
    """Parse `tailscale status --json`; any other text gives an empty result."""
    status = _object(_json(text))
    peers = _object(status.get("Peer")).values()
    suffix = _object(status.get("CurrentTailnet")).get("MagicDNSSuffix")
    own = _object(status.get("Self"))
    return Controller(
        _text(status.get("BackendState")),
        tuple(_peer(_object(peer)) for peer in (status.get("Self"), *peers)),
        _text(suffix).strip("."),
        own.get("Online") is not False,
        own.get("Expired") is True,
    )


def tailnet_addresses(controller: Controller, label: str) -> list[str]:
    """One address for each machine with this name; IPv4 if it has one, because a controller may have no IPv6."""
    found = []
    for peer in controller.named(label) if controller.state == "Running" else []:
        found += [*[one for one in peer.addresses if ":" not in one], *peer.addresses][:1]
    return found


def _peer(given: dict[str, t.Any]) -> Peer:
    dns_name, hostname = _text(given.get("DNSName")).strip("."), label_of(_text(given.get("HostName")))
    addresses, last_seen = given.get("TailscaleIPs"), _text(given.get("LastSeen"))
    return Peer(
        first_label(dns_name) or hostname,
        hostname,
        dns_name,
        tuple(one for one in addresses if _is_address(one)) if isinstance(addresses, list) else (),
        given.get("Online") is True,
        given.get("Expired") is True,
        last_seen if not last_seen.startswith("0001") else "",  # Go's zero time
        _text(given.get("ID")),
    )


# --- the machine that answered ------------------------------------------------------------------


class Node(t.NamedTuple):
    """The node of a tailscaled on the machine."""

    name: str  # empty if it is logged out
    addresses: tuple[str, ...]


class Answer(t.NamedTuple):
    client: str
    server: str
    nodes: tuple[Node, ...] = ()
    port: int | None = None  # of the host's SSH server

    @property
    def over_tailnet(self) -> bool:
        """Whether the login arrived over the tailnet. The node's own addresses decide: some providers use Tailscale's range."""
        own = {one for node in self.nodes for one in node.addresses}
        server = self.server.split("%", 1)[0]
        return server in own if own else is_tailnet_address(server)


def login_command(sockets: t.Iterable[str]) -> str:
    """The command that a login runs to get the connection's addresses and the machine's nodes, without privileges."""
    listed = " ".join(shlex.quote(socket) for socket in dict.fromkeys([*sockets, *SOCKETS]))
    python = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.settimeout(4); s.connect(sys.argv[1]); "
        's.sendall(b"GET /localapi/v0/status?peers=false HTTP/1.0\\r\\nHost: local-tailscaled.sock\\r\\n\\r\\n"); '
        'text = b"".join(iter(lambda: s.recv(65536), b"")); '
        'sys.stdout.write(text.partition(b"\\r\\n\\r\\n")[2].decode())'
    )
    script = (
        f'echo {MARKER} "$SSH_CONNECTION"; PATH=$PATH:/usr/bin:/usr/local/bin:/snap/bin; '
        f'wait=; if command -v timeout >/dev/null 2>&1; then wait="timeout {STATUS_TIMEOUT}"; fi; '
        f"for socket in {listed}; do "
        f'[ -S "$socket" ] || continue; echo; echo {NODE_MARKER}; '
        "if command -v tailscale >/dev/null 2>&1; then "
        '$wait tailscale --socket="$socket" status --json --peers=false 2>/dev/null; '
        f'else $wait python3 -c {shlex.quote(python)} "$socket" 2>/dev/null; fi | sed {shlex.quote(NO_LOGIN_ADDRESS)}; '
        "done; exit 0"
    )
    return f"/bin/sh -c {shlex.quote(script)}"


def parse_answer(text: str) -> Answer | str:
    """Parse client and server address in sshd's SSH_CONNECTION ("client port server port"), and the nodes."""
    connection, *nodes = text.split(MARKER, 1)[-1].split(NODE_MARKER)
    found = parse_connection(connection.split("\n", 1)[0])
    if found is None:
        return "the host's sshd does not set SSH_CONNECTION"
    return found._replace(nodes=_nodes(nodes))


def parse_connection(text: str) -> Answer | None:
    """Parse a value of SSH_CONNECTION; None if it is none."""
    words = text.split()
    if len(words) < 4:
        return None
    return Answer(words[0], words[2], port=int(words[3]) if words[3].isdigit() else None)


def parse_local_answer(text: str) -> Answer:
    """Parse the nodes of the machine that runs Ansible. It needs no login."""
    return Answer("", "", _nodes(text.split(NODE_MARKER)[1:]))


def _nodes(texts: t.Iterable[str]) -> tuple[Node, ...]:
    return tuple(dict.fromkeys(node for node in map(_node, texts) if node))


def _node(text: str) -> Node | None:
    status = _object(_json(text))
    if not status:
        return None
    own = _peer(_object(status.get("Self")))
    member = status.get("HaveNodeKey") is True or bool(own.dns_name)
    addresses = status.get("TailscaleIPs")
    listed = tuple(one for one in addresses if _is_address(one)) if isinstance(addresses, list) else ()
    return Node(own.name if member else "", listed or (own.addresses if member else ()))


# --- accepted answers ---------------------------------------------------------------------------


class Wanted(t.NamedTuple):
    """The machine that is wanted; without a label any machine is accepted. Slow facts are gathered only if they matter."""

    label: str
    others: t.Callable[[], t.Mapping[str, str]] = dict  # the other hosts of the inventory, by their labels
    addresses: t.Callable[[], t.Collection[str]] = list  # its addresses in the controller's own tailscaled


def node_name(answer: Answer, label: str) -> str | None:
    """The name of the machine that answered; the wanted one if it has several."""
    names = [node.name for node in answer.nodes if node.name]
    return label if label in names else next(iter(names), None)


def objection(source: str, answer: Answer, verified: bool, wanted: Wanted) -> str | None:
    """The reason why the machine that answered is not accepted, because it is or may be another one; else None."""
    name = node_name(answer, wanted.label)
    if not wanted.label or name == wanted.label:
        return None
    if source == INVENTORY:
        # A machine without a name has not joined yet: it is a first run.
        return _objection_to_declared(name, verified, wanted) if name else None
    if name:
        return f"another machine answered: its own Tailscale says that it is {name}"
    if verified or answer.server in wanted.addresses():
        return None
    return "a machine answered that does not say which node it is, and its host key is not checked"


def _objection_to_declared(name: str, verified: bool, wanted: Wanted) -> str | None:
    """The objection to a machine at an address of the inventory, whatever its name in the tailnet is."""
    known = wanted.others()
    if name in known:
        return f"another machine answered: its own Tailscale says that it is {name}, which is {known[name]} of the inventory"
    if verified:
        return None
    return (
        f"the machine that answered is {name} in its tailnet, and its host key is not checked, so it may not be the wanted "
        f"one. Set tailscale_hostname: {name} if it is, or let ssh check host keys"
    )


# --- parsing untrusted values -------------------------------------------------------------------


def _json(text: str) -> t.Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _object(value: t.Any) -> dict[str, t.Any]:
    return value if isinstance(value, dict) else {}


def _text(value: t.Any) -> str:
    return value if isinstance(value, str) else ""


def _is_address(value: t.Any) -> bool:
    try:
        ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return True
