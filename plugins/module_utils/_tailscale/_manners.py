# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In what Tailscale's control server and Headscale differ for a node that logs in: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

TAILSCALE = "tailscale"
HEADSCALE = "headscale"
DEFAULT_LOGIN_SERVER = "https://controlplane.tailscale.com"
SYNONYMS = (DEFAULT_LOGIN_SERVER, "https://login.tailscale.com")
PREFIXES = {"tskey-": TAILSCALE, "hskey-": HEADSCALE}
# Secrets that users confuse with an auth key, of both servers.
NOT_AUTH_KEYS = {
    "tskey-api-": "an API token of Tailscale",
    "tskey-client-": "the secret of an OAuth client of Tailscale",
    "tskey-webhook-": "the secret of a webhook of Tailscale",
    "tskey-scim-": "a SCIM key of Tailscale",
    "hskey-api-": "an API key of Headscale",
    "hskey-client-": "the secret of an OAuth client of Headscale",
    "hskey-oauthtok-": "an access token of Headscale",
    "hskey-authreq-": "the ID of a login that waits for headscale auth register",
    "file:": "the name of a file",
}
# What tailscaled says after Headscale has accepted a key for a node that it still counts as expired.
STILL_EXPIRED = "server says NodeKeyExpired"
# What Headscale says at tailscaled's next attempt, if that key was a single-use key.
SPENT = "already used"


def manners(auth_key: str | None, login_server: str | None) -> str:
    """Whose manners the control server has: by the kind of the key, else by the server. Older Headscales' keys have no prefix."""
    for start, whose in PREFIXES.items():
        if (auth_key or "").startswith(start):
            return whose
    return TAILSCALE if not login_server or same_server(login_server, DEFAULT_LOGIN_SERVER) else HEADSCALE


def same_server(one: str, other: str) -> bool:
    one, other = one.rstrip("/"), other.rstrip("/")
    return one == other or (one in SYNONYMS and other in SYNONYMS)


def not_an_auth_key(auth_key: str) -> str | None:
    """What an auth_key is that no control server accepts as one, with advice; None if it may be one."""
    for start, what in NOT_AUTH_KEYS.items():
        if auth_key.startswith(start):
            return (
                f"{what}, with which no node can join: create an auth key (one of Tailscale begins with tskey-auth-, one of "
                "Headscale with hskey-auth-; the module tailscale_auth_key creates one)"
            )
    return None


def advertised(tags: t.Sequence[str] | None, whose: str) -> dict[str, t.Any]:
    """The preference of the tags that a login asks for. Headscale gives the tags of the key, and refuses a login that asks."""
    if whose == HEADSCALE:
        return {"AdvertiseTags": []}
    return {} if tags is None else {"AdvertiseTags": list(tags)}


def retagging(tags: t.Sequence[str], node_id: str) -> str:
    """How the tags of a node in a Headscale are changed, which no login can do."""
    node_id = node_id or "ID"
    if not tags:
        return (
            "Headscale takes the last tag from no node: delete the node on the server (headscale nodes delete --identifier "
            f"{node_id}), and let it join anew with an auth key without tags, or set tags (for the role tailscale_tags) to those "
            "of the node"
        )
    return (
        f"no login changes the tags of a node in Headscale: run on the server headscale nodes tag --identifier {node_id} --tags "
        f"{','.join(tags)}, or set tags (for the role tailscale_tags) to those of the node"
    )


def other_tags(tags: t.Sequence[str], node_id: str, whose: str) -> str:
    """What to do if a control server gave a node other tags than declared at its login."""
    if whose == HEADSCALE:
        return (
            "Headscale gives a new node the tags of its key, and a known node those that it had. For the next node make a key "
            f"with exactly these tags. For this one, {retagging(tags, node_id)}"
        )
    return (
        "a key brings its own tags, and only an owner of other tags may assign them (tagOwners in the access policy). Make a key "
        "with exactly these tags, or set tags (for the role tailscale_tags) to those of the node"
    )


def refused_key(answer: str, whose: str, node_id: str, tagged: bool | None) -> str:
    """What to do if a control server refused a login; `tagged` is None if the node does not know whether it has tags."""
    again = "Make a new key (the role's variable is tailscale_auth_key) and run again"
    expired = STILL_EXPIRED in answer
    if whose != HEADSCALE or not (expired or (SPENT in answer and tagged is not False)):
        return again
    find = "" if node_id else "find its ID on the server with headscale nodes list, "
    cure = (
        "Headscale (0.29 does so) keeps the expiry that a logout or headscale nodes expire sets for a node with tags, and takes "
        f"a key without letting the node in: {find}run there headscale nodes expire --identifier {node_id or 'ID'} --disable, "
        "and run again with a new key"
    )
    return cure if expired else f"{again}. If the key was new: {cure}"
