# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""tailscale_auth_key prints no secret, whatever the control server answers."""

from __future__ import annotations

import json
import pathlib
import typing as t
from urllib.parse import quote

import pytest
from control_double import KEY_OF_HEADSCALE, SECRET, TOKEN, ControlServer
from module_call import ModuleFailed, call, printed

Scripted = t.Tuple[int, t.Dict[str, str], str]  # noqa: UP006


@pytest.fixture
def server() -> t.Iterator[ControlServer]:
    made = ControlServer()
    yield made
    made.close()


def mint(server: ControlServer, **options: t.Any) -> dict[str, t.Any]:
    return call("tailscale_auth_key", **{"base_url": server.url, "api_token": TOKEN, "tags": ["tag:server"], **options})


ECHOES = {
    "message": '{"message": "you sent %s"}',
    "detail": '{"title": "no", "status": 403, "detail": "%s", "errors": [{"message": "%s"}]}',
    "oauth": '{"error": "invalid", "error_description": "%s"}',
    "text": "Authorization: Bearer %s",
    "html": "<html><title>%s</title>%s</html>",
    "list": '["%s"]',
    "key": '{"%s": 1}',
    "late": '{"message": "' + "x" * 280 + '%s"}',
}


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize("body", list(ECHOES.values()), ids=list(ECHOES))
def test_received_token_is_in_no_output(server: ControlServer, status: int, body: str) -> None:
    granted: Scripted = (200, {}, json.dumps({"access_token": "r3c31ved-T0ken/+="}))
    server.script = [granted, (status, {"Retry-After": "999"}, body.replace("%s", "r3c31ved-T0ken/+="))]
    output = printed("tailscale_auth_key", base_url=server.url, oauth_client_secret=SECRET, tags=["tag:server"])
    assert json.loads(output)["failed"]
    assert "T0ken" not in output
    assert "r3c31ved" not in output


@pytest.mark.parametrize(
    "spelling",
    [TOKEN, quote(f"{TOKEN}/+"), f"Basic {'YWxhZGRpbjpvcGVu' * 2}", "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl", KEY_OF_HEADSCALE],
    ids=["token", "quoted", "basic", "jwt", "headscale"],
)
def test_secrets_are_recognised_by_their_form(server: ControlServer, spelling: str) -> None:
    server.script = [(400, {}, json.dumps({"message": f"no <{spelling}>"}))]
    with pytest.raises(ModuleFailed, match=r"refused it \(400: no <") as failure:
        mint(server, api_token="another-token")
    assert spelling.removeprefix("Basic ") not in str(failure.value)


def test_password_of_a_netrc_file_does_not_replace_the_token(
    server: ControlServer, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password other\n", encoding="ascii")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    mint(server)
    assert server.credentials[0] == f"Bearer {TOKEN}"


def test_redirected_request_names_the_address(server: ControlServer) -> None:
    server.script = [(301, {"Location": "https://me:secret@other.example.org/api?token=secret"}, "")]
    with pytest.raises(ModuleFailed, match=r"redirects to https://other\.example\.org \(301\): set base_url") as failure:
        mint(server, api_token=TOKEN)
    assert "secret" not in str(failure.value)
