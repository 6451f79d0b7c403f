# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Explain why no SSH address of a host answered, and give advice: pure functions, for the controller.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils.ssh_access import (
    CONTROLLER,
    HOST,
    INVENTORY,
    NAME,
    Controller,
    Destination,
    Peer,
)

# The kinds of ssh's errors, in order of precedence. CLOSED is the only sign that a ProxyCommand leaves of other errors.
UNKNOWN_NAME, NEW_KEY, OTHER_KEY, DENIED, REFUSED, SILENT, CLOSED, OTHER_MACHINE, OTHER = (
    "unknown name",
    "new key",
    "other key",
    "denied",
    "refused",
    "silent",
    "closed",
    "other machine",
    "other",
)
SIGNS = (
    (OTHER_MACHINE, r"another machine answered|answered that does not say|machine that answered is"),
    (OTHER_KEY, r"HOST IDENTIFICATION HAS CHANGED|Host key for .* has changed"),
    (NEW_KEY, r"No \S+ host key is known|Host key verification failed"),
    (DENIED, r"Permission denied|Too many authentication failures"),
    (UNKNOWN_NAME, r"Could not resolve hostname|[Nn]ame or service not known|nodename nor servname|failure in name resolution"),
    (REFUSED, r"Connection refused"),
    (SILENT, r"timed out|[Tt]imeout|No route to host|[Nn]etwork is unreachable"),
    (CLOSED, r"Connection (closed|reset)|kex_exchange_identification"),
)


class Attempt(t.NamedTuple):
    address: str
    source: str
    error: str  # ssh's whole output, or the objection to the machine that answered

    @property
    def kind(self) -> str:
        return next((kind for kind, pattern in SIGNS if re.search(pattern, self.error)), OTHER)


def shorten_ssh_error(text: str) -> str:
    """The line of an ssh failure that gives the reason."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("ssh: ", "Host key", "kex_", "Connection ", "Permission "))]
    chosen = (telling or lines or ["no answer"])[-1]
    return chosen.removeprefix("Failed to connect to the host via ssh: ").strip()


def causes(
    attempts: t.Sequence[Attempt], controller: Controller, label: str, destination: Destination, command: t.Sequence[str] = ()
) -> list[str]:
    """The likely causes, one message each with advice, from the attempts and the controller's tailnet."""
    kinds = {attempt.kind for attempt in attempts}
    found = [
        _of_kind(kind, attempts, destination) for kind in (OTHER_MACHINE, OTHER_KEY, NEW_KEY, DENIED, REFUSED) if kind in kinds
    ]
    if label:
        found += _of_tailnet(attempts, controller, label, " ".join([*command, "status"]))
    found += [
        f"{attempt.address}, the address in the inventory, does not answer: a host whose firewall allows only the tailnet "
        "never answers there; any other must be on, and ansible_host right"
        for attempt in attempts
        if attempt.source == INVENTORY and attempt.kind == SILENT
    ]
    return [message for message in dict.fromkeys(found) if message]


def _of_kind(kind: str, attempts: t.Sequence[Attempt], destination: Destination) -> str:
    first = next(attempt for attempt in attempts if attempt.kind == kind)
    if kind == OTHER_MACHINE:
        return (
            "The name or address belongs to another machine: remove or rename that one in the tailnet's admin console, set "
            "tailscale_hostname to the name that this host has there, or correct ansible_host"
        )
    if kind == OTHER_KEY:
        return (
            f"The host key at {first.address} is not the one that ssh knows as {destination.host_key_name}: another machine "
            "answers, or the host was installed again; if it was, log in once by hand after ssh-keygen -R "
            f"'{destination.host_key_name}'"
        )
    if kind == NEW_KEY:
        return (
            f"ssh knows no host key for {destination.host_key_name} (known_hosts): log in once by hand from this machine, with "
            f"ssh {first.address}, and compare the fingerprint"
        )
    if kind == DENIED:
        return f"{first.address} refuses the login: check ansible_user and its key, and the access policy if it is Tailscale SSH"
    return f"Nothing listens at port {destination.port} of {first.address}: check sshd on the host, and ansible_port"


def _of_tailnet(attempts: t.Sequence[Attempt], controller: Controller, label: str, command: str) -> list[str]:
    """The causes that the controller's own view of the tailnet explains."""
    if not controller.state:
        return [
            f"This machine's own Tailscale does not answer ({command}): a host whose firewall allows only the tailnet can be "
            "reached only from a machine in its tailnet; set tailsync_tailscale_command if the program is elsewhere"
        ]
    if controller.state != "Running":
        return [_not_connected(controller)]
    found = []
    if not controller.online:
        found.append(
            f"This machine's own Tailscale has no connection to its control server ({command}), so what it knows of {label} may "
            "be out of date, and a host that has started since may be missing from the tailnet: is the control server up?"
        )
    peers = controller.named(label)
    if not peers:
        return [*found, _not_there(controller, label, any(attempt.source == HOST for attempt in attempts))]
    if all(peer.expired for peer in peers):
        return [*found, _expired(label, peers[0])]
    if not any(peer.online for peer in peers):
        since = max(peer.last_seen for peer in peers)
        return [
            *found,
            f"{label} is offline in the tailnet{since and f' since {since}'}: is the machine on, does Tailscale run on it, and "
            "can it reach the control server?",
        ]
    by_tailnet = {attempt.source: attempt.kind for attempt in attempts if attempt.source in (NAME, CONTROLLER)}
    if by_tailnet.get(NAME) in (UNKNOWN_NAME, CLOSED):
        found.append(
            f"This machine cannot resolve the name {label}, although the tailnet has it: turn MagicDNS on on this controller "
            f"(tailscale set --accept-dns=true), or set ansible_host to {', '.join(peers[0].addresses[:1])}"
        )
    if by_tailnet.get(CONTROLLER, by_tailnet.get(NAME)) in (SILENT, CLOSED):
        found.append(
            f"The tailnet has {label}, but this machine cannot reach its SSH port: is it on, does the access policy allow that "
            "port (a grant or ACL), is shields_up off on the host, and does its sshd listen on the tailnet address?"
        )
    return found


def _not_connected(controller: Controller) -> str:
    """The message for a controller that is itself not in the tailnet."""
    if controller.state == "NeedsMachineAuth":
        return "This machine waits for approval in its tailnet: approve it in the admin console"
    why = ", because the key of its node has expired" if controller.expired else ""
    return f"Tailscale on this machine is not connected (its state is {controller.state}){why}: tailscale up"


def _expired(label: str, peer: Peer) -> str:
    return (
        f"The key of {label} in the tailnet has expired: renew it, or disable its expiry, in the admin console (Headscale: "
        f"`headscale nodes expire --identifier {peer.id or 'ID'} --disable`), or log it in again over the LAN or a console"
    )


def _not_there(controller: Controller, label: str, joined: bool) -> str:
    """The message for a node that is missing; `joined` if the host itself has named its address in a tailnet."""
    renamed = next((peer for peer in controller.peers if peer.hostname == label and peer.name != label), None)
    if renamed:
        where = ", ".join(renamed.addresses[:1])
        state = " and its key has expired" if renamed.expired else "" if renamed.online else " and it is offline"
        return (
            f"The tailnet has no machine {label}; a machine with that host name is called {renamed.name} there ({where}){state}: "
            f"set tailscale_hostname: {renamed.name} for this host, or rename it in the admin console (Headscale: `headscale "
            f"nodes rename --identifier {renamed.id or 'ID'} {label}`)"
        )
    if joined:
        return (
            f"The tailnet of this machine has no machine {label}, although the host itself is in a tailnet: its node was deleted "
            "at the control server (then restart tailscaled on the host, and log it in again with a key), it is in another "
            "tailnet than this machine, or the access policy hides it from this machine"
        )
    return (
        f"The tailnet of this machine has no machine {label}: the host has not joined it yet, was deleted there, has another "
        "name there (tailscale_hostname), or the access policy hides it"
    )


def temporary_address(address: str, label: str) -> str:
    """The message for a host that answers at an address that is known only from itself."""
    return (
        f"{label} answers at {address}, which is known only from the host itself, so the next run would not find it: set "
        f"ansible_host to {address}, or turn MagicDNS on on this controller (tailscale set --accept-dns=true)"
    )
