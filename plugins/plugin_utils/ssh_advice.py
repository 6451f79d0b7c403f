# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why no SSH address of a host answered, and what to do: pure functions, for the controller.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils.ssh_access import (
    CONTROLLER,
    INVENTORY,
    NAME,
    Controller,
    Destination,
)

# What ssh says, in the order in which one explains the others. The last is what a ProxyCommand leaves of any of them.
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
    error: str  # all that ssh said, or the objection to the machine that answered

    @property
    def kind(self) -> str:
        return next((kind for kind, pattern in SIGNS if re.search(pattern, self.error)), OTHER)


def shorten_ssh_error(text: str) -> str:
    """The line of an ssh failure that says why."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("ssh: ", "Host key", "kex_", "Connection ", "Permission "))]
    chosen = (telling or lines or ["no answer"])[-1]
    return chosen.removeprefix("Failed to connect to the host via ssh: ").strip()


def causes(
    attempts: t.Sequence[Attempt], controller: Controller, label: str, destination: Destination, command: t.Sequence[str] = ()
) -> list[str]:
    """The likely causes, one sentence each with what to do, by what was seen."""
    kinds = {attempt.kind for attempt in attempts}
    found = [
        _of_kind(kind, attempts, destination) for kind in (OTHER_MACHINE, OTHER_KEY, NEW_KEY, DENIED, REFUSED) if kind in kinds
    ]
    if label:
        found += _of_tailnet(attempts, controller, label, " ".join([*command, "status"]))
    found += [
        f"{attempt.address}, where the inventory says it is, does not answer: a host whose firewall lets only the tailnet in "
        "never answers there; any other must be on, and ansible_host right"
        for attempt in attempts
        if attempt.source == INVENTORY and attempt.kind == SILENT
    ]
    return [sentence for sentence in dict.fromkeys(found) if sentence]


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
            "answers, or the host was installed again; if you know that it was, log in once by hand after ssh-keygen -R "
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
    """What the controller's own place in the tailnet explains."""
    if not controller.state:
        return [
            f"This machine's own Tailscale does not answer ({command}): a host whose firewall lets only the tailnet in is "
            "reached from a machine in its tailnet; set tailsync_tailscale_command if the program is elsewhere"
        ]
    if controller.state != "Running":
        return [f"Tailscale on this machine is not connected (its state is {controller.state}): tailscale up"]
    peers = controller.named(label)
    if not peers:
        return [_not_there(controller, label)]
    if all(peer.expired for peer in peers):
        return [f"The key of {label} in the tailnet has expired: renew it, or disable its expiry, in the admin console"]
    if not any(peer.online for peer in peers):
        return [f"{label} is offline in the tailnet: is the machine on, and does Tailscale run on it?"]
    by_tailnet = {attempt.source: attempt.kind for attempt in attempts if attempt.source in (NAME, CONTROLLER)}
    found = []
    if by_tailnet.get(NAME) in (UNKNOWN_NAME, CLOSED):
        found.append(
            f"The name {label} leads nowhere from here although the tailnet has it: turn MagicDNS on on this controller "
            f"(tailscale set --accept-dns=true), or set ansible_host to {', '.join(peers[0].addresses[:1])}"
        )
    if by_tailnet.get(CONTROLLER, by_tailnet.get(NAME)) in (SILENT, CLOSED):
        found.append(
            f"The tailnet has {label} and lets no SSH of this machine through: is it on, does the access policy let it reach the "
            "host's SSH port (a grant or ACL), is shields_up off on the host, and does its sshd listen on the tailnet address?"
        )
    return found


def _not_there(controller: Controller, label: str) -> str:
    renamed = next((peer for peer in controller.peers if peer.hostname == label and peer.name != label), None)
    if renamed:
        where = ", ".join(renamed.addresses[:1])
        return (
            f"The tailnet has no machine {label}; one that calls itself so is {renamed.name} there ({where}): set "
            f"tailscale_hostname: {renamed.name} for this host, or give it its name back in the admin console"
        )
    return (
        f"The tailnet of this machine has no machine {label}: the host has not joined it yet, has another name there "
        "(tailscale_hostname), or the access policy hides it"
    )


def unlasting(address: str, label: str) -> str:
    """What to say when the host answers at an address that only it has told."""
    return (
        f"{label} answers at {address}, which only the host itself has told, so the next run would not find it: set ansible_host "
        f"to {address}, or turn MagicDNS on on this controller (tailscale set --accept-dns=true)"
    )
