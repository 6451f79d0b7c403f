# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create, find and revoke auth keys with the administrative API, Tailscale's or Headscale's.

Headscale has two forms: /api/v1 with its API key, and from 0.30 on /api/v2 in Tailscale's form, which its OAuth clients use.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import datetime
import typing as t
import zlib
from urllib.parse import quote

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._control import Control, Json, creating
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import ControlError

PREAUTHKEY = "/api/v1/preauthkey"
MOST_ASKED = 50  # keys whose description is asked for one by one
USER_ADVICE = "user (for the role tailscale_api_user) is the ID or the name of a Headscale user: see `headscale users list`"
NEEDS_USER = (
    "Headscale before 0.28 needs user (for the role tailscale_api_user), also together with tags: see `headscale users list`"
)
SECONDS = len("2026-11-24T12:00:00")
GONE = (404, 410)
NO_SUCH_METHOD = (405, 501)


@contextlib.contextmanager
def allowed(statuses: t.Container[int | None]) -> t.Iterator[Json]:
    """Do not fail if the server answers with one of these; what was found until then can be kept in the mapping."""
    found: Json = {}
    try:
        yield found
    except ControlError as error:
        if error.status not in statuses:
            raise


class TailscaleKeys:
    """Keys in Tailscale's API, and in /api/v2 of Headscale."""

    def __init__(self, control: Control, tailnet: str) -> None:
        self.control = control
        self.path = f"/api/v2/tailnet/{quote(tailnet, safe='')}/keys"

    def create(self, wanted: t.Mapping[str, t.Any]) -> Json:
        body = {
            "capabilities": {
                "devices": {
                    "create": {
                        "reusable": wanted["reusable"],
                        "ephemeral": wanted["ephemeral"],
                        "preauthorized": wanted["preauthorized"],
                        "tags": wanted["tags"],
                    }
                }
            },
            "expirySeconds": wanted["expiry"],
            "description": wanted["description"],
        }
        with creating(), _asking():
            answer = self.control.request("POST", self.path, repeatable=False, json=body)
            return {
                "key": self.control.field(answer, "key", "the new key"),
                "id": answer.get("id"),
                "expires": answer.get("expires"),
            }

    def revocable(self, key_id: str) -> bool:
        """Whether there is a valid key with this ID."""
        with allowed(GONE) as found:
            found.update(self._get(key_id))
        return bool(found) and not found.get("invalid")

    def revoke(self, key_id: str) -> None:
        with allowed(GONE):
            self.control.request("DELETE", self._of(key_id), repeatable=True)

    def described(self, description: str, but: str) -> list[str]:
        """The IDs of valid single-use keys with this description, but for one."""
        listed = self.control.request("GET", self.path, repeatable=True).get("keys")
        keys = (
            [key for key in listed if isinstance(key, dict) and key.get("id") not in (None, but)]
            if isinstance(listed, list)
            else []
        )
        # Tailscale's documented list has nothing but the IDs.
        keys = [key if "description" in key or "keyType" in key else self._details(str(key["id"])) for key in keys[:MOST_ASKED]]
        return [str(key["id"]) for key in keys if key.get("description") == description and _is_single_use(key)]

    def _details(self, key_id: str) -> Json:
        try:
            return {**self._get(key_id), "id": key_id}
        except ControlError:  # such as a key that this credential may not read
            return {"id": key_id}

    def _get(self, key_id: str) -> Json:
        return self.control.request("GET", self._of(key_id), repeatable=True)

    def _of(self, key_id: str) -> str:
        return f"{self.path}/{quote(key_id, safe='')}"


def _is_single_use(key: Json) -> bool:
    value: t.Any = key
    for part in ("capabilities", "devices", "create", "reusable"):
        value = value.get(part) if isinstance(value, dict) else None
    return value is False and not key.get("invalid")


def fraction_of(description: str) -> str:
    """A fraction of a second that stands for a description.

    Headscale's /api/v1 stores no description, so the expiry of a key tells what it was created for. Six digits, because its
    databases keep microseconds; the keys of others have nine. The last one is no zero, which Go would leave out.
    """
    number = zlib.crc32(description.encode())
    return f".{number // 9 % 100000:05d}{1 + number % 9}"


class HeadscaleKeys:
    """Keys in Headscale's /api/v1."""

    def __init__(self, control: Control, user: str | None, now: datetime.datetime) -> None:
        self.control = control
        self.user = user
        self.now = now

    def create(self, wanted: t.Mapping[str, t.Any]) -> Json:
        mark = fraction_of(wanted["description"]) if wanted["replace"] else ""
        expires = (self.now + datetime.timedelta(seconds=wanted["expiry"])).strftime(f"%Y-%m-%dT%H:%M:%S{mark}Z")
        body: Json = {
            "reusable": wanted["reusable"],
            "ephemeral": wanted["ephemeral"],
            "expiration": expires,
            "aclTags": wanted["tags"],
        }
        user = self._user_id()
        if user:
            body["user"] = user
        with creating(), _advising(USER_ADVICE if user else NEEDS_USER):
            found = self.control.request("POST", PREAUTHKEY, repeatable=False, json=body).get("preAuthKey")
            answer = found if isinstance(found, dict) else {}
            key = self.control.field(answer, "key", "the new key")
        created = answer.get("createdAt")
        if isinstance(created, str) and expires[:SECONDS] <= created[:SECONDS]:
            raise ControlError(
                f"the key expired at {expires}, but for {self.control.shown} it is {created[:SECONDS]}Z already, so no machine "
                "can join with it: set the clock of the machine that runs this module, or of the control server"
            )
        return {"key": key, "id": answer.get("id"), "expires": answer.get("expiration") or expires}

    def revocable(self, key_id: str) -> bool:
        """Whether a machine could still join with the key of this ID."""
        key = self._find(key_id)
        return key is not None and not (key.get("used") and not key.get("reusable")) and not self._is_expired(key)

    def revoke(self, key_id: str) -> None:
        """Delete the key, or expire it if machines have joined with it: whether one of them is ephemeral is known by its key.

        Headscale 0.26 and 0.27 cannot delete a key and know it by its text, which their list contains.
        """
        key = self._find(key_id)
        if key is None:
            return
        text = key.get("key")
        if isinstance(text, str):
            self.control.secrets.add(text)
        if not key.get("used") and self._delete(key_id):
            return
        owner = key.get("user")
        body = {"id": key_id, "user": owner.get("id") if isinstance(owner, dict) else None, "key": text}
        wanted = ("id",) if isinstance(text, str) and text.endswith("***") else ("user", "key")
        self.control.request("POST", f"{PREAUTHKEY}/expire", repeatable=True, json={name: body[name] for name in wanted})

    def described(self, description: str, but: str) -> list[str]:
        """The IDs of valid single-use keys that were created to be replaced with this description, but for one."""
        mark = f"{fraction_of(description)}Z"
        return [
            str(key["id"])
            for key in self._list()
            if key.get("id") not in (None, but)
            and str(key.get("expiration")).endswith(mark)
            and not (key.get("used") or key.get("reusable") or self._is_expired(key))
        ]

    def _delete(self, key_id: str) -> bool:
        """Delete the key; false if this Headscale has no such request."""
        with allowed(NO_SUCH_METHOD) as found:
            with allowed(GONE):  # another run may have deleted it
                self.control.request("DELETE", f"{PREAUTHKEY}?id={quote(key_id, safe='')}", repeatable=True)
            found["deleted"] = True
        return bool(found)

    def _find(self, key_id: str) -> Json | None:
        return next((key for key in self._list() if str(key.get("id")) == key_id), None)

    def _list(self) -> list[Json]:
        user = self._user_id()
        query = f"?user={user}" if user else ""  # needed until 0.27
        with _advising():
            listed = self.control.request("GET", f"{PREAUTHKEY}{query}", repeatable=True).get("preAuthKeys")
        return [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []

    def _is_expired(self, key: Json) -> bool:
        # Compared as text up to the second, since both are in UTC.
        expiration = str(key.get("expiration") or "")[:SECONDS]
        return not expiration.startswith("0001") and bool(expiration) and expiration <= self.now.strftime("%Y-%m-%dT%H:%M:%S")

    def _user_id(self) -> str | None:
        """The ID of the user, who may be named by it or by a name."""
        if self.user and not self.user.isdecimal():
            self.user = self._look_up(self.user)
        return self.user

    def _look_up(self, name: str) -> str:
        for key in ("name", "email"):
            listed = self.control.request("GET", f"/api/v1/user?{key}={quote(name, safe='')}", repeatable=True).get("users")
            users = [user for user in listed if isinstance(user, dict)] if isinstance(listed, list) else []
            ids = [str(user["id"]) for user in users if user.get(key) == name and user.get("id")]
            if len(ids) > 1:
                raise ControlError(
                    f"{self.control.shown} has {len(ids)} users of the {key} {name}: set user to an ID. {USER_ADVICE}"
                )
            if ids:
                return ids[0]
        raise ControlError(f"{self.control.shown} has no user {name}: {USER_ADVICE}")


@contextlib.contextmanager
def _asking() -> t.Iterator[None]:
    """Ask after a refusal whether the server has another API."""
    try:
        yield
    except ControlError as error:
        if error.status not in GONE or "page not found" not in str(error):
            raise
        raise type(error)(f"{error}. If this is a Headscale, set api (for the role tailscale_api) to headscale") from None


@contextlib.contextmanager
def _advising(advice: str = USER_ADVICE) -> t.Iterator[None]:
    """Add to a refusal because of the user how a user is named."""
    try:
        yield
    except ControlError as error:
        if "user not found" not in str(error) and "field user" not in str(error) and "invalid user id" not in str(error):
            raise
        raise type(error)(f"{error}. {advice[0].upper()}{advice[1:]}") from None
