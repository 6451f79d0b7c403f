# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""tailscale_auth_key and tailscale_device at the coordinator's API, in the manners of each control server."""

from __future__ import annotations

import base64
import json
import time
import typing as t

import pytest
from module_call import ModuleFailed, call
from tailscaled import Coordinator, Tailscaled, wait_for

ALL = ("tailscale", "headscale-0.26", "headscale", "headscale-0.30")
CLIENT, IDENTITY, AUDIENCE = "kCLIENT", "T1/kOIDC", "api.tailscale.com/T1/kOIDC"
pytestmark = pytest.mark.parametrize("manners", ALL, indirect=True)


class Api(t.NamedTuple):
    server: Coordinator
    api: str
    token: str
    secret: str

    def key(self, **options: t.Any) -> dict[str, t.Any]:
        return self._call("tailscale_auth_key", **{"tags": ["tag:server"], **options})

    def revoke(self, key_id: str) -> bool:
        return bool(self.key(state="absent", id=key_id)["changed"])

    def remove(self, name: str) -> dict[str, t.Any]:
        return self._call("tailscale_device", name=name)

    def _call(self, module: str, **options: t.Any) -> dict[str, t.Any]:
        user = {"user": "1"} if self.api == "headscale" and module == "tailscale_auth_key" else {}
        secret = {} if {"oauth_client_secret", "oidc"} & set(options) else {"api_token": self.token}
        return call(module, **{"api": self.api, "base_url": self.server.api_url, **secret, **user, **options})

    @property
    def valid(self) -> list[str]:
        """The IDs of the keys with which a machine could join."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 2))
        return [key["id"] for key in self.server.get("keys") if not key["used"] and not key["revoked"] and key["expires"] > now]


@pytest.fixture
def api(server: Coordinator, manners: str) -> Api:
    start = "tskey" if manners == "tailscale" else "hskey"
    made = Api(server, manners.partition("-")[0], f"{start}-api-k1-0123456789abcdef", f"{start}-client-k1-0123456789abcdef")
    server.ask("api-token", made.token)
    server.ask("oauth-client", f"{CLIENT} {made.secret} tag:server")
    server.ask("oidc", f"{IDENTITY} {AUDIENCE} tag:server")
    server.ask("tags", "tag:server tag:other")
    return made


def test_node_joins_with_a_key_that_is_then_used(api: Api, node: Tailscaled) -> None:
    made = api.key()
    node.login(api.server.url, made["key"], Hostname="nas", AdvertiseTags=["tag:server"] if api.api == "tailscale" else [])
    assert node.wait("Running") == "Running"
    assert api.valid == []
    assert not api.revoke(made["id"]), "a used key is revoked"


def test_revoked_key_lets_no_node_join(api: Api, node: Tailscaled) -> None:
    made, kept = api.key(), api.key()
    assert api.revoke(made["id"])
    assert api.valid == [kept["id"]]
    assert not api.revoke(made["id"])
    node.login(api.server.url, made["key"], Hostname="nas")
    assert node.refusal()


def test_key_of_an_interrupted_run_is_replaced(api: Api) -> None:
    mine, other = (api.key(description=f"for {name}", replace=True)["id"] for name in ("nas", "pi"))
    made = api.key(description="for nas", replace=True)
    assert (made["revoked"], sorted(api.valid)) == ([mine], sorted([other, made["id"]]))


def test_refusal_has_the_servers_reason(api: Api) -> None:
    wrong = {"user": "99"} if api.api == "headscale" else {"tags": ["tag:unknown"]}
    with pytest.raises(ModuleFailed, match="user not found" if api.api == "headscale" else "invalid or not permitted") as failure:
        api.key(**wrong)
    assert "may have been created" not in str(failure.value)
    assert api.valid == []


def test_machine_that_is_offline_is_removed(api: Api, node: Tailscaled) -> None:
    node.login(api.server.url, api.key()["key"], Hostname="nas", AdvertiseTags=["tag:server"] if api.api == "tailscale" else [])
    node.wait("Running")
    with pytest.raises(ModuleFailed, match=r"^nas is online in the tailnet"):
        api.remove("nas")
    node.stop()
    wait_for(lambda: not api.server.node("nas")["online"], "the node to be offline")  # type: ignore[index]
    assert [device["name"] for device in api.remove("nas")["devices"]] == ["nas"]
    assert (api.server.node("nas"), api.remove("nas")["changed"]) == (None, False)


def test_oauth_client_makes_and_revokes_a_key_where_there_are_some(api: Api, manners: str) -> None:
    if manners in ("headscale", "headscale-0.26"):
        with pytest.raises(ModuleFailed, match=r"no OAuth clients, which came with version 0\.30"):
            api.key(oauth_client_secret=api.secret)
        return
    made = api.key(oauth_client_secret=api.secret)
    assert api.valid == [made["id"]]
    assert api.key(oauth_client_secret=api.secret, state="absent", id=made["id"])["changed"]
    assert api.valid == []


def test_oidc_token_makes_a_key_at_tailscale_only(api: Api) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"aud": AUDIENCE, "exp": int(time.time()) + 60}).encode()).decode().rstrip("=")
    oidc = {"client_id": IDENTITY, "token": f"eyJhbGciOiJub25lIn0.{claims}.x"}
    if api.api == "headscale":
        with pytest.raises(ModuleFailed, match="exchanges no OIDC tokens"):
            api.key(oidc=oidc)
        return
    made = api.key(oidc=oidc)["id"]
    assert api.valid == [made]
