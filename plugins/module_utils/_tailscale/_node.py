# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a node to what is declared: read, decide, send the smallest change, wait.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import datetime
import ipaddress
import time
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailnet import is_tailnet_address
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _prefs
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import (
    DaemonUnavailable,
    LocalAPI,
    NodeError,
)

POLL = 0.2  # seconds
DEFAULT_LOGIN_SERVER = "https://controlplane.tailscale.com"
# How tailscaled words a refused login in its health warnings (health/warnings.go, "login-state").
LOGIN_ERROR = "last login error was: "
# The warning of an earlier refusal may still stand when a new login has only begun.
STALE_AFTER = 5  # seconds
UNKNOWN_NODE = dict.fromkeys(
    (
        "backend_state",
        "id",
        "hostname",
        "dns_name",
        "magic_dns_suffix",
        "ipv4",
        "ipv6",
        "key_expiry",
        "key_expiry_days",
        "online",
        "version",
    )
)


def describe(status: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A node as the modules return it, from tailscaled's status."""
    own = status.get("Self") or {}
    addresses = status.get("TailscaleIPs") or []
    return {
        "backend_state": status.get("BackendState"),
        "id": own.get("ID"),
        "hostname": own.get("HostName"),
        "dns_name": (own.get("DNSName") or "").rstrip(".") or None,
        "magic_dns_suffix": (status.get("CurrentTailnet") or {}).get("MagicDNSSuffix"),
        "addresses": addresses,
        "ipv4": _first(addresses, 4),
        "ipv6": _first(addresses, 6),
        "tags": sorted(own.get("Tags") or []),
        "key_expiry": own.get("KeyExpiry"),
        "key_expiry_days": days_until(own.get("KeyExpiry"), datetime.datetime.now(datetime.timezone.utc)),
        "online": own.get("Online"),
        "version": status.get("Version"),
        "tun": bool(status.get("TUN")),
        "health": status.get("Health") or [],
    }


def days_until(expiry: str | None, now: datetime.datetime) -> int | None:
    """Whole days until a time in RFC 3339, negative when it is over; None without one."""
    if not expiry or expiry.startswith("0001"):  # Go's zero time
        return None
    # Fractions of a second have as many digits as Go likes, which Python before 3.11 does not read.
    end = datetime.datetime.strptime(expiry[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return (end - now).days


def warnings_of(node: t.Mapping[str, t.Any]) -> list[str]:
    """What will go wrong with this node one day, one sentence each."""
    if node.get("key_expiry_days") is None:
        return []
    return [
        f"the key of this node expires in {node['key_expiry_days']} days ({node['key_expiry']}): then it leaves the tailnet, and "
        "can only be reached from its LAN. Disable key expiry for it in the admin console, or let it join with a tag"
    ]


def describe_peers(status: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    peers = [
        {
            "hostname": peer.get("HostName"),
            "dns_name": (peer.get("DNSName") or "").rstrip(".") or None,
            "addresses": peer.get("TailscaleIPs") or [],
            "online": bool(peer.get("Online")),
            "os": peer.get("OS"),
            "tags": sorted(peer.get("Tags") or []),
        }
        for peer in (status.get("Peer") or {}).values()
    ]
    return sorted(peers, key=lambda peer: peer["dns_name"] or "")


def unknown_node() -> dict[str, t.Any]:
    """A node of which nothing is known: Tailscale is not installed."""
    return {**UNKNOWN_NODE, "addresses": [], "tags": [], "tun": False, "health": []}


def _first(addresses: t.Iterable[str], version: int) -> str | None:
    return next((address for address in addresses if ipaddress.ip_address(address).version == version), None)


class Runner:
    def __init__(self, api: LocalAPI, params: t.Mapping[str, t.Any], check_mode: bool, ssh_connection: str = "") -> None:
        """`ssh_connection` is sshd's SSH_CONNECTION: client address and port, server address and port."""
        self.api = api
        self.params = params
        self.check_mode = check_mode
        self.over_tailnet = any(is_tailnet_address(word) for word in ssh_connection.split())
        self.options = _prefs.declared(params)

    def run(self) -> dict[str, t.Any]:
        try:
            status = self._settled()
        except DaemonUnavailable:
            if not self.check_mode:
                raise
            # Before the package is installed a check can only say that everything is still to be done.
            return self._result({}, {}, joined=self.params["state"] == "present", node=unknown_node())
        prefs = self.api.prefs()
        if self.params["state"] == "absent":
            return self._leave(status, prefs)
        return self._present(status, prefs)

    def _present(self, status: dict[str, t.Any], prefs: dict[str, t.Any]) -> dict[str, t.Any]:
        state = status["BackendState"]
        self._name_exit_node(status)
        if state == "NeedsMachineAuth":
            raise NodeError(APPROVAL)
        joining = state == "NeedsLogin"
        after = {**_prefs.wanted(prefs, self.options), "WantRunning": True, "LoggedOut": False}
        if joining:
            self._require_key()
            after["ControlURL"] = self.params["login_server"] or DEFAULT_LOGIN_SERVER
            after["AdvertiseTags"] = self.params["tags"]
        else:
            self._refuse_what_cannot_change(status, prefs)
        edit = _prefs.masked(prefs, after)
        if not joining:
            self._refuse_to_cut_the_own_connection(prefs)
        if edit and self.check_mode:
            self.api.check_prefs(after)
        if (edit or joining) and not self.check_mode:
            if joining:
                self.api.start(self.params["auth_key"], after)
                self.api.login_interactive()
            else:
                self.api.edit_prefs(edit)
        if not self.check_mode:
            status = self._running(status)
        return self._result(
            {"state": state, **_prefs.view(prefs, self.options)},
            {"state": "Running", **_prefs.view(after, self.options)},
            joined=joining,
            node=describe(status),
        )

    def _leave(self, status: dict[str, t.Any], prefs: dict[str, t.Any]) -> dict[str, t.Any]:
        state = status["BackendState"]
        if state != "NeedsLogin" and not self.check_mode:
            self.api.logout()
            status = self._wait(lambda now: now["BackendState"] == "NeedsLogin", "log out")
        return self._result({"state": state}, {"state": "NeedsLogin"}, joined=False, node=describe(status))

    def _result(
        self, before: dict[str, t.Any], after: dict[str, t.Any], joined: bool, node: dict[str, t.Any]
    ) -> dict[str, t.Any]:
        return {
            "changed": joined or before != after,
            "joined": joined,
            "node": node,
            "requests": {"reads": self.api.reads, "writes": self.api.writes},
            "diff": {"before": before, "after": after},
        }

    def _require_key(self) -> None:
        if not self.params["auth_key"]:
            raise NodeError(
                "this node is logged out of its tailnet, and auth_key is empty: give one for this run "
                "(the role's variable is tailscale_auth_key); a node that is logged in needs none"
            )

    def _refuse_what_cannot_change(self, status: dict[str, t.Any], prefs: dict[str, t.Any]) -> None:
        """What would log the node out, and with it perhaps the connection that this run comes in by."""
        server, present = self.params["login_server"], prefs.get("ControlURL") or DEFAULT_LOGIN_SERVER
        if server and server.rstrip("/") != present.rstrip("/"):
            raise NodeError(
                f"login_server is {server}, but this node is logged in at {present}: log it out first, from a connection "
                "that does not need the tailnet (state: absent), or set login_server to where it is"
            )
        tags, own = self.params["tags"], (status.get("Self") or {}).get("Tags") or []
        if tags is not None and sorted(tags) != sorted(own):
            raise NodeError(
                f"tags are to be {sorted(tags)}, but this node joined with {sorted(own)}, and a node that changes its own tags "
                "is logged out: change them in the admin console, or log the node out and join again"
            )

    def _name_exit_node(self, status: dict[str, t.Any]) -> None:
        """Let exit_node be the peer's stable ID, whichever of its names or addresses was given."""
        given = self.options.get("exit_node")
        if not given:
            return
        peers = list((status.get("Peer") or {}).values())
        for peer in peers:
            names = {
                peer.get("ID"),
                peer.get("HostName"),
                (peer.get("DNSName") or "").rstrip("."),
                *(peer.get("TailscaleIPs") or []),
            }
            if given.rstrip(".") in names or (peer.get("DNSName") or "").split(".")[0] == given:
                self.options["exit_node"] = peer["ID"]
                return
        offers = sorted(peer.get("HostName", "") for peer in peers if peer.get("ExitNodeOption"))
        raise NodeError(
            f"exit_node is {given}, which is no peer of this node; peers that offer to be one: {', '.join(offers) or 'none'}"
        )

    def _refuse_to_cut_the_own_connection(self, prefs: dict[str, t.Any]) -> None:
        risky = _prefs.risky(prefs, self.options)
        if risky and self.over_tailnet and not self.params["accept_risk"]:
            raise NodeError(
                f"{' and '.join(risky)} would end the connection that this run came in by, which is over the tailnet: run it "
                "from the LAN or a console, or set accept_risk: true if you have another way in"
            )

    def _settled(self) -> dict[str, t.Any]:
        """The status once tailscaled has made up its mind after its start."""
        deadline = time.monotonic() + self.params["timeout"]
        while True:
            try:
                status = self.api.status(peers=bool(self.options.get("exit_node")))
            except DaemonUnavailable:
                # Right after the service's start the socket takes a moment; a check finds none and need not wait.
                if self.check_mode or time.monotonic() > deadline:
                    raise
            else:
                if status.get("BackendState") not in ("NoState", "Starting") or time.monotonic() > deadline:
                    return status
            time.sleep(POLL)

    def _running(self, status: dict[str, t.Any]) -> dict[str, t.Any]:
        return self._wait(_is_up, "come up", status)

    def _wait(
        self, done: t.Callable[[dict[str, t.Any]], bool], what: str, status: dict[str, t.Any] | None = None
    ) -> dict[str, t.Any]:
        started = time.monotonic()
        earlier = _refusal(status or {})
        while status is None or not done(status):
            status = self.api.status()
            refusal, waited = _refusal(status), time.monotonic() - started
            if refusal and (refusal != earlier or waited > STALE_AFTER):
                raise NodeError(
                    f"the control server refused auth_key: {refusal}. Make a new key (the role's variable is "
                    "tailscale_auth_key) and run again"
                )
            if status["BackendState"] == "NeedsMachineAuth":
                raise NodeError(APPROVAL)
            if done(status):
                break
            if waited > self.params["timeout"]:
                raise NodeError(self._too_long(what, status))
            time.sleep(POLL)
        return status

    def _too_long(self, what: str, status: dict[str, t.Any]) -> str:
        health = "; ".join(status.get("Health") or []) or "tailscaled gives no reason"
        hint = (
            " The control server neither took nor refused auth_key: is login_server right, and can the host reach it?"
            if status["BackendState"] == "NeedsLogin"
            else ""
        )
        return f"the node did not {what} within {self.params['timeout']} s: it is {status['BackendState']} ({health}).{hint}"


def _refusal(status: t.Mapping[str, t.Any]) -> str | None:
    """Why the control server refused the last login, if it did."""
    if status.get("BackendState") != "NeedsLogin":
        return None
    texts = (text.split(LOGIN_ERROR, 1)[1] for text in status.get("Health") or [] if LOGIN_ERROR in text)
    return next(texts, None)


def _is_up(status: t.Mapping[str, t.Any]) -> bool:
    return status["BackendState"] == "Running" and bool(status.get("TailscaleIPs"))


APPROVAL = (
    "the node is in the tailnet but waits for approval (NeedsMachineAuth): approve it in the admin console, "
    "or use a pre-approved auth key, and run again"
)
