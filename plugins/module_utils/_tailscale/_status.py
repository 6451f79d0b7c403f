# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluate tailscaled's status of a node (tailscale.com/ipn/ipnstate): pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import datetime
import ipaddress
import typing as t

Status = t.Mapping[str, t.Any]

# The text for a failed login in tailscaled's health warnings (health/warnings.go, "login-state").
LOGIN_ERROR = "last login error was: "
# Beginnings of errors that are no answer of the control server; tailscaled then tries again (control/controlclient/direct.go).
NO_ANSWER = ("fetch control key", "getNoiseClient", "context ", "register request: ", "node registration rate limited")
ANSWER = "register request: http 4"
UNKNOWN_NODE = dict.fromkeys(
    (
        "backend_state",
        "id",
        "hostname",
        "dns_name",
        "magic_dns_suffix",
        "tailnet",
        "ipv4",
        "ipv6",
        "key_expiry",
        "key_expiry_days",
        "online",
        "version",
    )
)


def describe(status: Status) -> dict[str, t.Any]:
    """Describe a node in the form that the modules return, from tailscaled's status."""
    own = status.get("Self") or {}
    tailnet = status.get("CurrentTailnet") or {}
    addresses = status.get("TailscaleIPs") or []
    days = days_until(own.get("KeyExpiry"), _now())
    return {
        "backend_state": status.get("BackendState"),
        "logged_in": has_login(status),
        "id": own.get("ID") or None,
        "hostname": own.get("HostName"),
        "dns_name": _without_dot(own.get("DNSName")),
        "magic_dns_suffix": tailnet.get("MagicDNSSuffix"),
        "tailnet": tailnet.get("Name"),
        "addresses": addresses,
        "ipv4": _first(addresses, 4),
        "ipv6": _first(addresses, 6),
        "tags": tags_of(status),
        "key_expiry": None if days is None else own["KeyExpiry"],
        "key_expiry_days": days,
        "key_expired": days is not None and days < 0,
        "online": own.get("Online"),
        "version": status.get("Version"),
        "tun": bool(status.get("TUN")),
        "health": sorted(status.get("Health") or []),  # tailscaled gives them in any order
    }


def unknown_node() -> dict[str, t.Any]:
    """The description of a node without any known values, for a host without Tailscale."""
    return {**UNKNOWN_NODE, "logged_in": False, "key_expired": False, "addresses": [], "tags": [], "tun": False, "health": []}


def describe_peers(status: Status) -> list[dict[str, t.Any]]:
    peers = [
        {
            "id": peer.get("ID"),
            "hostname": peer.get("HostName"),
            "dns_name": _without_dot(peer.get("DNSName")),
            "addresses": peer.get("TailscaleIPs") or [],
            "online": bool(peer.get("Online")),
            "last_seen": _moment(peer.get("LastSeen")),
            "os": peer.get("OS"),
            "tags": sorted(peer.get("Tags") or []),
            "routes": sorted(peer.get("PrimaryRoutes") or []),
            "exit_node_option": bool(peer.get("ExitNodeOption")),
            "key_expired": bool(peer.get("Expired")),
        }
        for peer in peers_of(status)
    ]
    return sorted(peers, key=lambda peer: peer["dns_name"] or "")


def peers_of(status: Status) -> list[dict[str, t.Any]]:
    return list((status.get("Peer") or {}).values())


def routes_of(status: Status) -> list[str]:
    """The routes that nodes of the tailnet, this one included, serve according to the control server; 0.0.0.0/0 is an exit node.

    Its own approved route a node may learn only with its next start (Headscale 0.29), its peers at once.
    """
    found = set()
    for node in (status.get("Self") or {}, *peers_of(status)):
        own = set(node.get("TailscaleIPs") or [])
        found |= {route for route in node.get("AllowedIPs") or [] if route.partition("/")[0] not in own}
    return sorted(found)


def tags_of(status: Status) -> list[str]:
    return sorted((status.get("Self") or {}).get("Tags") or [])


def node_key(status: Status) -> str:
    """The public node key, which changes with each login."""
    return str((status.get("Self") or {}).get("PublicKey") or "")


def node_id(status: Status) -> str:
    """The node's stable ID, which is its number at Headscale; empty if it has no network map."""
    return str((status.get("Self") or {}).get("ID") or "")


def has_login(status: Status) -> bool:
    """Whether the node has logged in, even if the login has expired or was refused since."""
    return bool(status.get("HaveNodeKey"))


def is_up(status: Status) -> bool:
    return status["BackendState"] == "Running" and bool(status.get("TailscaleIPs"))


def is_connected(status: Status) -> bool:
    """Whether the node is up, and its control server has answered its present login."""
    return is_up(status) and bool((status.get("Self") or {}).get("Online")) and login_error(status) is None


def is_cut_off(status: Status) -> bool:
    """Whether the node is up with what it knew before, and has no connection to its control server."""
    return is_up(status) and (status.get("Self") or {}).get("Online") is False


def login_error(status: Status) -> str | None:
    """The error of the last login; None if there is none."""
    texts = (text.split(LOGIN_ERROR, 1)[1] for text in status.get("Health") or [] if LOGIN_ERROR in text)
    return next(texts, None)


def refusal(status: Status) -> str | None:
    """The control server's answer to the last login, if it refused the login; else None."""
    error = login_error(status)
    return error if error and (error.startswith(ANSWER) or not error.startswith(NO_ANSWER)) else None


def login_is_over(status: Status) -> bool:
    """Whether the node's login is no longer valid. For its expiry, tailscaled's own state counts."""
    over = status["BackendState"] == "NeedsLogin" or bool((status.get("Self") or {}).get("Expired")) or is_asked_to_log_in(status)
    return has_login(status) and (over or refusal(status) is not None)


def is_asked_to_log_in(status: Status) -> bool:
    """Whether the control server waits for a user to log the node in, and gives it no network map before."""
    return bool(status.get("AuthURL")) and not (status.get("Self") or {}).get("Online")


def days_until(expiry: str | None, now: datetime.datetime) -> int | None:
    """Whole days until a time in RFC 3339, negative if it is in the past; None without a time."""
    if not expiry or expiry.startswith("0001"):  # Go's zero time
        return None
    # Go writes fractions of a second with any number of digits, which Python before 3.11 cannot parse.
    end = datetime.datetime.strptime(expiry[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return (end - now).days


def warnings_of(node: t.Mapping[str, t.Any]) -> list[str]:
    """Warnings about the expiry of this node's key."""
    days, when = node.get("key_expiry_days"), node.get("key_expiry")
    if days is None:
        return []
    way = "Disable key expiry for it in the admin console, or let it join with a tag"
    if days < 0:
        return [f"the key of this node has expired ({when}), so its peers do not connect to it until it logs in again. {way}"]
    left = {0: "within a day", 1: "in 1 day"}.get(days, f"in {days} days")
    return [
        f"the key of this node expires {left} ({when}): then it leaves the tailnet, and can only be reached from its LAN. {way}"
    ]


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _moment(text: str | None) -> str | None:
    return text if text and not text.startswith("0001") else None  # Go's zero time


def _without_dot(name: str | None) -> str | None:
    return (name or "").rstrip(".") or None


def _first(addresses: t.Iterable[str], version: int) -> str | None:
    return next((address for address in addresses if ipaddress.ip_address(address).version == version), None)
