# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The administrative API of the lab's coordinator has the forms of facts.json, and changes what the nodes see."""

from __future__ import annotations

import base64
import json
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request

import pytest
from control_facts import APIS
from tailscaled import Coordinator, Tailscaled, wait_for

FORMS = {
    "tailscale": "tailscale",
    "headscale": "headscale-0.28",
    "headscale-0.26": "headscale-0.26",
    "headscale-0.30": "headscale-0.30",
}
HEADSCALE = [manners for manners in FORMS if manners != "tailscale"]
V2 = ["tailscale", "headscale-0.30"]
TOKEN, CLIENT, SECRET = "token-of-a-person", "kCLIENT", "secret-of-the-client"
IDENTITY, AUDIENCE = "T1/kOIDC", "api.tailscale.com/T1/kOIDC"
KEYS = "/api/v2/tailnet/-/keys"


class Answer(t.NamedTuple):
    status: int
    kind: str
    text: str

    @property
    def body(self) -> t.Any:
        return json.loads(self.text) if self.text else None


class Api:
    def __init__(self, server: Coordinator, manners: str) -> None:
        self.url, self.facts = server.api_url, APIS[FORMS[manners]]

    def ask(self, method: str, path: str, body: t.Any = None, token: str = TOKEN, form: bool = False, kind: str = "") -> Answer:
        kind = kind or ("application/x-www-form-urlencoded" if form else "application/json")
        data = urllib.parse.urlencode(body).encode() if form else json.dumps(body).encode() if body is not None else None
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return Answer(answer.status, answer.headers.get_content_type(), answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers["Content-Type"], error.read().decode())

    def refuses(self, answer: Answer, name: str, value: str = "") -> bool:
        """Whether the answer is this recorded error."""
        found = self.facts["errors"][name]
        text = found["text"] if "text" in found else json.dumps(found["body"])
        filled = text.replace("{value}", value).replace("{tag}", value)
        wanted = (found["status"], found.get("content_type", self.facts["error_content_type"]))
        same = answer.text == filled if "text" in found else answer.body == json.loads(filled)
        assert same, answer
        return (answer.status, answer.kind) == wanted

    def form(self, name: str) -> t.Any:
        return self.facts["requests"][name]["answer"]


@pytest.fixture
def api(server: Coordinator, manners: str) -> Api:
    server.ask("api-token", TOKEN)
    server.ask("oauth-client", f"{CLIENT} {SECRET} tag:server")
    server.ask("oidc", f"{IDENTITY} {AUDIENCE} tag:server")
    server.ask("tags", "tag:server tag:other")
    return Api(server, manners)


def create_v2(*tags: str, **more: t.Any) -> dict[str, t.Any]:
    create = {"reusable": False, "ephemeral": False, "preauthorized": True, "tags": list(tags)}
    return {"capabilities": {"devices": {"create": create}}, "expirySeconds": 600, "description": "tailsync for nas", **more}


def create_v1(*tags: str, **more: t.Any) -> dict[str, t.Any]:
    expiration = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600))
    return {"user": "1", "reusable": False, "ephemeral": False, "expiration": expiration, "aclTags": list(tags), **more}


def jwt(audience: str, lifetime: int) -> str:
    claims = {"aud": audience, "exp": int(time.time()) + lifetime, "iss": "https://token.actions.example"}
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims, {}))


def only_key(server: Coordinator) -> dict[str, t.Any]:
    (found,) = server.get("keys")
    return dict(found)


@pytest.mark.parametrize("manners", V2)
def test_a_key_made_by_api_v2_joins_once_and_is_then_invalid(server: Coordinator, api: Api, node: Tailscaled) -> None:
    prefix = "" if api.facts is APIS["tailscale"] else "v2_"
    made = api.ask("POST", KEYS, create_v2("tag:server"))
    assert (made.status, sorted(made.body)) == (200, sorted(api.form(f"{prefix}create_key")))
    listed = api.ask("GET", KEYS).body["keys"]
    assert [sorted(one) for one in listed] == [sorted(api.form(f"{prefix}list_keys")["keys"][0])]
    node.login(server.url, made.body["key"], Hostname="nas")
    node.wait("Running")
    assert node.status()["Self"]["Tags"] == ["tag:server"]
    shown = api.ask("GET", f"{KEYS}/{made.body['id']}").body
    assert (shown["invalid"], "key" in shown, shown["description"]) == (True, False, "tailsync for nas")


@pytest.mark.parametrize("manners", V2)
def test_a_deleted_key_of_api_v2_lets_nobody_in(server: Coordinator, api: Api, node: Tailscaled) -> None:
    made = api.ask("POST", KEYS, create_v2("tag:server")).body
    deleted = api.ask("DELETE", f"{KEYS}/{made['id']}")
    assert (deleted.status, deleted.text.strip()) == (200, "" if api.facts is APIS["tailscale"] else "{}")
    assert only_key(server)["revoked"]
    node.login(server.url, made["key"])
    assert node.refusal()
    assert api.refuses(api.ask("DELETE", f"{KEYS}/k999"), "unknown_key" if api.facts is APIS["tailscale"] else "v2_unknown_key")


@pytest.mark.parametrize("manners", ["tailscale"])
def test_tags_that_nobody_owns_are_refused_by_tailscale(api: Api) -> None:
    assert api.refuses(api.ask("POST", KEYS, create_v2("tag:nobody")), "bad_tags", "tag:nobody")


@pytest.mark.parametrize("manners", V2)
def test_an_oauth_client_gets_a_token_for_its_tags(server: Coordinator, api: Api) -> None:
    form = {"client_id": CLIENT, "client_secret": SECRET, "grant_type": "client_credentials"}
    got = api.ask("POST", "/api/v2/oauth/token", form, token="", form=True)
    assert (got.status, sorted(got.body)) == (200, sorted(api.form("oauth_token")))
    token = got.body["access_token"]
    assert api.ask("POST", KEYS, create_v2("tag:server"), token).status == 200
    tailscale = api.facts is APIS["tailscale"]
    others = api.ask("POST", KEYS, create_v2("tag:other"), token)
    assert api.refuses(others, "bad_tags" if tailscale else "v2_forbidden_tag", "tag:other")
    none = api.ask("POST", KEYS, create_v2(), token)
    assert api.refuses(none, "untagged_oauth_key" if tailscale else "v2_untagged_oauth_key")
    wrong = api.ask("POST", "/api/v2/oauth/token", {**form, "client_secret": "wrong"}, token="", form=True)
    assert api.refuses(wrong, "bad_client")
    assert [one["by_api"] for one in server.get("keys")] == [True]


@pytest.mark.parametrize("manners", ["tailscale"])
def test_an_oidc_token_is_exchanged_if_it_is_for_this_identity(api: Api) -> None:
    def exchange(token: str, client: str = IDENTITY) -> Answer:
        return api.ask("POST", "/api/v2/oauth/token-exchange", {"client_id": client, "jwt": token}, token="", form=True)

    got = exchange(jwt(AUDIENCE, 60))
    assert (got.status, sorted(got.body)) == (200, sorted(api.form("token_exchange")))
    assert api.ask("POST", KEYS, create_v2("tag:server"), got.body["access_token"]).status == 200
    wrong = [jwt(AUDIENCE, -60), jwt("another", 60), "nonsense", ""]
    assert all(api.refuses(exchange(token), "bad_jwt") for token in wrong)
    assert api.refuses(exchange(jwt(AUDIENCE, 60), "T1/another"), "bad_jwt")


@pytest.mark.parametrize("manners", FORMS)
def test_a_wrong_token_is_refused(api: Api, manners: str) -> None:
    path = KEYS if manners == "tailscale" else "/api/v1/user"
    assert api.refuses(api.ask("GET", path, token="wrong"), "unauthorized")


@pytest.mark.parametrize("manners", HEADSCALE)
def test_a_key_of_headscale_has_the_form_of_its_version_and_joins(server: Coordinator, api: Api, node: Tailscaled) -> None:
    made = api.ask("POST", "/api/v1/preauthkey", create_v1("tag:server"))
    key = made.body["preAuthKey"]
    assert (made.status, sorted(key)) == (200, sorted(api.form("create_key")["preAuthKey"]))
    assert key["key"].startswith(api.facts["features"]["key_prefix"])
    (listed,) = api.ask("GET", "/api/v1/preauthkey?user=1").body["preAuthKeys"]
    assert listed["key"].endswith("-***") == (api.facts["features"]["listed_keys"].startswith("masked"))
    node.login(server.url, key["key"], Hostname="nas")
    node.wait("Running")
    (listed,) = api.ask("GET", "/api/v1/preauthkey?user=1").body["preAuthKeys"]
    assert (listed["used"], listed["aclTags"]) == (True, ["tag:server"])
    (shown,) = api.ask("GET", "/api/v1/node").body["nodes"]
    assert sorted(shown) == sorted(api.form("list_nodes")["nodes"][0])
    assert (shown["givenName"], shown["online"], shown["id"]) == ("nas", True, "1")


@pytest.mark.parametrize("manners", HEADSCALE)
@pytest.mark.parametrize(
    ("given", "error", "value"),
    [
        ({"user": "alice"}, "user_by_name", "alice"),
        ({"user": "77"}, "unknown_user", ""),
        ({"aclTags": ["server"]}, "bad_tag", ""),
        ({"aclTags": ["tag:Server"]}, "capital_tag", ""),
        ({"aclTags": ["tag:a b"]}, "blank_tag", ""),
        ({"user": None}, "neither_user_nor_tags", ""),
    ],
)
def test_headscale_refuses_impossible_keys_in_the_form_of_its_version(
    server: Coordinator, api: Api, given: dict[str, t.Any], error: str, value: str
) -> None:
    if error not in api.facts["errors"]:
        error = "no_user"
    assert api.refuses(api.ask("POST", "/api/v1/preauthkey", create_v1(**given)), error, value)
    assert server.get("keys") == []


@pytest.mark.parametrize("manners", HEADSCALE)
def test_an_expired_key_of_headscale_lets_nobody_in(server: Coordinator, api: Api, node: Tailscaled, manners: str) -> None:
    key = api.ask("POST", "/api/v1/preauthkey", create_v1()).body["preAuthKey"]
    expire = {"user": "1", "key": key["key"]} if manners == "headscale-0.26" else {"id": key["id"]}
    assert api.ask("POST", "/api/v1/preauthkey/expire", expire).body == {}
    node.login(server.url, key["key"])
    assert "authkey expired" in node.refusal()
    if manners != "headscale-0.26":
        assert api.ask("DELETE", f"/api/v1/preauthkey?id={key['id']}").body == {}
        assert server.get("keys") == []
        unknown = api.ask("DELETE", "/api/v1/preauthkey?id=99")
        assert unknown.status == 200 or api.refuses(unknown, "unknown_key")


@pytest.mark.parametrize("manners", ["headscale-0.30"])
def test_the_new_headscale_takes_json_only(api: Api) -> None:
    assert api.refuses(api.ask("POST", "/api/v1/preauthkey", create_v1(), kind="text/plain"), "no_content_type")


@pytest.mark.parametrize("manners", HEADSCALE)
def test_headscales_api_changes_a_node(server: Coordinator, api: Api, node: Tailscaled) -> None:
    node.login(server.url, server.ask("key", "- tags=tag:server"), Hostname="nas", AdvertiseRoutes=["10.7.0.0/24"])
    node.wait("Running")
    assert api.ask("POST", "/api/v1/node/1/rename/attic").body["node"]["givenName"] == "attic"
    assert api.ask("POST", "/api/v1/node/1/tags", {"tags": ["tag:other"]}).status == 200
    routes = api.ask("POST", "/api/v1/node/1/approve_routes", {"routes": ["10.7.0.0/24"]}).body["node"]
    assert (routes["approvedRoutes"], routes["availableRoutes"]) == (["10.7.0.0/24"], ["10.7.0.0/24"])
    wait_for(lambda: node.status()["Self"]["Tags"] == ["tag:other"], "the other tag")
    assert api.ask("POST", "/api/v1/node/1/expire").body["node"]["expiry"]
    node.wait("NeedsLogin")
    assert api.ask("POST", "/api/v1/node/1/expire", {"disableExpiry": True}).body["node"]["expiry"] is None
    assert api.ask("DELETE", "/api/v1/node/1").body == {}
    assert api.refuses(api.ask("DELETE", "/api/v1/node/1"), "unknown_node")
    assert server.get("nodes") == []


@pytest.mark.parametrize("manners", V2)
def test_devices_of_api_v2_have_the_recorded_form_and_are_deleted(server: Coordinator, api: Api, node: Tailscaled) -> None:
    prefix = "" if api.facts is APIS["tailscale"] else "v2_"
    node.login(server.url, server.ask("key", "-"), Hostname="nas")
    node.wait("Running")
    (device,) = api.ask("GET", "/api/v2/tailnet/-/devices?fields=all").body["devices"]
    assert {*device, "lastSeen"} == set(api.form(f"{prefix}list_devices")["devices"][0])
    assert "lastSeen" not in device, "it is online"
    assert device["nodeId"] == node.status()["Self"]["ID"]
    node.stop()
    wait_for(lambda: "lastSeen" in api.ask("GET", f"/api/v2/device/{device['nodeId']}").body, "the device is offline")
    assert api.ask("DELETE", f"/api/v2/device/{device['nodeId']}").status == 200
    assert api.refuses(api.ask("DELETE", f"/api/v2/device/{device['nodeId']}"), f"{prefix}unknown_device")
    assert server.get("nodes") == []


@pytest.mark.parametrize("manners", ["headscale"])
def test_requests_are_counted_and_headscales_api_is_on_its_own_port_too(server: Coordinator, api: Api) -> None:
    api.ask("GET", "/api/v1/user?name=bob")
    api.url = server.url
    assert [user["id"] for user in api.ask("GET", "/api/v1/user?name=bob").body["users"]] == ["2"]
    assert api.ask("GET", "/api/v2/tailnet/-/keys").status == 404
    assert [(one["method"], one["status"]) for one in server.get("requests")] == [("GET", 200), ("GET", 200), ("GET", 404)]
