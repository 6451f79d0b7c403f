# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which SSH addresses of a host are tried, and which answers count: pure functions, for the controller.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import json
import shlex
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common.tailnet import first_label, is_tailnet_address, label_of

# A connection that is kept open to a host that has left the tailnet would hang whoever comes next, until TCP gives up
# after a quarter of an hour. Half a minute is more than tailscaled needs to restart.
ALIVE = ("-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3")
MARKER = "tailsync-ssh"
NODE_MARKER = "tailsync-node"
SOCKETS = (
    "/run/tailscale/tailscaled.sock",
    "/var/run/tailscale/tailscaled.sock",
    "/var/snap/tailscale/common/socket/tailscaled.sock",
)
STATUS_TIMEOUT = 5  # seconds
# Where an address comes from. The host's own is tried only to say what is missing.
NAME, CONTROLLER, INVENTORY, HOST = "name", "controller", "inventory", "host"


# --- where ssh goes -----------------------------------------------------------------------------


class Destination(t.NamedTuple):
    """Where `ssh HOST` goes, as `ssh -G HOST` tells it."""

    given: str
    hostname: str
    host_key_name: str  # what known_hosts has its key under
    port: str = "22"
    strict: str = "ask"
    known_hosts: tuple[str, ...] = ()

    def key_name(self, name: str) -> str:
        """What known_hosts calls another name of the same machine (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
        return name if self.port == "22" else f"[{name}]:{self.port}"

    def vouches(self, known_before: bool) -> bool:
        """Whether a login says that the machine is the one that known_hosts has a key of."""
        if not self.known_hosts or self.strict in ("no", "off", "false"):
            return False
        return known_before or self.strict != "accept-new"


def parse_ssh_settings(text: str, given: str) -> Destination:
    """Read the output of `ssh -G`; what it does not say falls back to the given host."""
    settings = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    hostname, port = settings.get("hostname", given), settings.get("port", "22")
    files = f"{settings.get('userknownhostsfile', '')} {settings.get('globalknownhostsfile', '')}".split()
    known_hosts = tuple(file for file in files if file not in ("/dev/null", "none"))
    # Without a file of the user's own, whoever comes is new.
    own = [file for file in settings.get("userknownhostsfile", "").split() if file in known_hosts]
    found = Destination(given, hostname, "", port, settings.get("stricthostkeychecking", "ask"), known_hosts if own else ())
    return found._replace(host_key_name=settings.get("hostkeyalias", found.key_name(hostname)))


def host_key_names(address: str, names: t.Iterable[str], destination: Destination) -> list[str]:
    """Under which names known_hosts may have the machine's key, the one of the inventory's address first.

    Who first logs in from another computer, when only the tailnet is let in, does it by the name in the tailnet, and
    has the key under that.
    """
    others = [destination.key_name(name) for name in (*names, address) if name]
    return list(dict.fromkeys([destination.host_key_name, *others]))


def alias_arguments(address: str, host_key_name: str, control_path: str = "") -> list[str]:
    """ssh arguments that go to another address of the same machine.

    HostName leaves the user's `Host` blocks in force, and HostKeyAlias holds the
    machine to the key it is already known by: no second fingerprint to accept,
    and no way for another machine to answer in its place.

    HostName stands at both ends, which to ssh means the same and to `without_alias` that it is ours.
    """
    control = ["-o", f"ControlPath={control_path}", *ALIVE] if control_path else []
    name = ["-o", f"HostName={address}"]
    return [*name, "-o", f"HostKeyAlias={host_key_name}", *control, *name]


def without_alias(arguments: str) -> str:
    """ssh's arguments without what an earlier search for an address has put behind them.

    To ssh the first of two values counts, so a second search would only ever find the first one's address.
    """
    words = shlex.split(arguments)
    for length in (8 + len(ALIVE), 6):
        tail = words[-length:]
        ours = len(tail) == length and tail[1].startswith("HostName=") and tail[3].startswith("HostKeyAlias=")
        if ours and tail[:2] == tail[-2:]:
            return shlex.join(words[:-length])
    return arguments


# --- what the controller's own tailscaled says --------------------------------------------------


class Peer(t.NamedTuple):
    name: str  # the first label of its MagicDNS name
    hostname: str  # what it calls itself, as a label
    dns_name: str
    addresses: tuple[str, ...]
    online: bool
    expired: bool


class Controller(t.NamedTuple):
    """The tailnet as the controller sees it; without a state, its tailscaled did not answer."""

    state: str = ""
    peers: tuple[Peer, ...] = ()
    suffix: str = ""

    def named(self, label: str) -> list[Peer]:
        """The machines of this name. One that is shared from another tailnet counts, after the tailnet's own."""
        found = [peer for peer in self.peers if label and peer.name == label]
        return sorted(found, key=lambda peer: not (self.suffix and peer.dns_name.endswith(f".{self.suffix}")))


def parse_controller(text: str) -> Controller:
    """Read `tailscale status --json`; what is no such thing says nothing."""
    status = _object(_json(text))
    peers = _object(status.get("Peer")).values()
    suffix = _object(status.get("CurrentTailnet")).get("MagicDNSSuffix")
    return Controller(
        _text(status.get("BackendState")),
        tuple(_peer(_object(peer)) for peer in (status.get("Self"), *peers)),
        _text(suffix).strip("."),
    )


def tailnet_addresses(controller: Controller, label: str) -> list[str]:
    """One address for each machine of this name; IPv4 if it has one, because a controller may have no IPv6."""
    found = []
    for peer in controller.named(label) if controller.state == "Running" else []:
        found += [*[one for one in peer.addresses if ":" not in one], *peer.addresses][:1]
    return found


def _peer(given: dict[str, t.Any]) -> Peer:
    dns_name, hostname = _text(given.get("DNSName")).strip("."), label_of(_text(given.get("HostName")))
    addresses = given.get("TailscaleIPs")
    return Peer(
        first_label(dns_name) or hostname,
        hostname,
        dns_name,
        tuple(one for one in addresses if _is_address(one)) if isinstance(addresses, list) else (),
        given.get("Online") is True,
        given.get("Expired") is True,
    )


# --- who has answered ---------------------------------------------------------------------------


class Node(t.NamedTuple):
    """What a tailscaled on the machine says of itself."""

    name: str  # empty if it is logged out
    addresses: tuple[str, ...]


class Answer(t.NamedTuple):
    client: str
    server: str
    nodes: tuple[Node, ...] = ()

    @property
    def over_tailnet(self) -> bool:
        """Some providers give their customers addresses of the range that Tailscale uses, so the node's own say goes first."""
        own = {one for node in self.nodes for one in node.addresses}
        server = self.server.split("%", 1)[0]
        return server in own if own else is_tailnet_address(server)


def question(sockets: t.Iterable[str]) -> str:
    """The command that a login runs: which connection this is, and which node the machine is, without any rights."""
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
        f'else $wait python3 -c {shlex.quote(python)} "$socket" 2>/dev/null; fi; '
        "done; exit 0"
    )
    return f"/bin/sh -c {shlex.quote(script)}"


def parse_answer(text: str) -> Answer | str:
    """Client and server address out of sshd's SSH_CONNECTION ("client port server port"), and what the nodes said."""
    connection, *nodes = text.split(MARKER, 1)[-1].split(NODE_MARKER)
    words = connection.split("\n", 1)[0].split()
    if len(words) < 4:
        return "the host's sshd does not set SSH_CONNECTION"
    return Answer(words[0], words[2], tuple(dict.fromkeys(node for node in map(_node, nodes) if node)))


def _node(text: str) -> Node | None:
    status = _object(_json(text))
    if not status:
        return None
    own = _peer(_object(status.get("Self")))
    member = status.get("HaveNodeKey") is True or bool(own.dns_name)
    addresses = status.get("TailscaleIPs")
    listed = tuple(one for one in addresses if _is_address(one)) if isinstance(addresses, list) else ()
    return Node(own.name if member else "", listed or (own.addresses if member else ()))


# --- which answer counts ------------------------------------------------------------------------


class Wanted(t.NamedTuple):
    """Whom a login is meant for; without a label any machine will do. What takes time is asked for only if it decides."""

    label: str
    others: t.Callable[[], t.Mapping[str, str]] = dict  # the other hosts of the inventory, by their labels
    addresses: t.Callable[[], t.Collection[str]] = list  # by which the controller's own tailscaled knows it


def node_name(answer: Answer, label: str) -> str | None:
    """The name of the machine that answered: the wanted one, if it has several."""
    names = [node.name for node in answer.nodes if node.name]
    return label if label in names else next(iter(names), None)


def objection(source: str, answer: Answer, vouched: bool, wanted: Wanted) -> str | None:
    """Why the machine that answered is not, or may not be, the one that is meant."""
    name = node_name(answer, wanted.label)
    if not wanted.label or name == wanted.label:
        return None
    if source == INVENTORY:
        # Without a name it is a first run.
        return _objection_to_declared(name, vouched, wanted) if name else None
    if name:
        return f"another machine answered: its own Tailscale says that it is {name}"
    if vouched or answer.server in wanted.addresses():
        return None
    return "a machine answered that does not say which node it is, and its host key is not checked"


def _objection_to_declared(name: str, vouched: bool, wanted: Wanted) -> str | None:
    """The inventory says that it is here, under whatever name it has had until now."""
    known = wanted.others()
    if name in known:
        return f"another machine answered: its own Tailscale says that it is {name}, which is {known[name]} of the inventory"
    if vouched:
        return None
    return (
        f"the machine that answered is {name} in its tailnet, and its host key is not checked, so that nothing says it is the "
        f"one that is meant. Set tailscale_hostname: {name} if it is, or let ssh check host keys"
    )


# --- reading what may be anything ---------------------------------------------------------------


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
