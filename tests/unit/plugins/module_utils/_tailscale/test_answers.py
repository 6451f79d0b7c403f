# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of all control servers are read: the server's reason, and whether the request may have been executed."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _answers
from control_facts import APIS
from hypothesis import given
from hypothesis import strategies as st

# gRPC's code 13 is also that of an interrupted request, and creating a user is no request of ours.
OTHERS = {"user_exists"}
RECORDED = [(api, name, error) for api, facts in APIS.items() for name, error in facts["errors"].items() if name not in OTHERS]


def texts(value: t.Any) -> t.Iterator[str]:
    """The texts that explain an error, in any of the forms."""
    if isinstance(value, dict):
        for key in ("message", "detail", "error_description"):
            yield from [value[key]] if key in value else []
        for key in ("errors", "data"):
            yield from (text for part in value.get(key, []) for text in texts(part))
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize(("api", "name", "error"), RECORDED, ids=[f"{api}-{name}" for api, name, _error in RECORDED])
def test_each_recorded_error_is_a_no_with_all_of_its_reasons(api: str, name: str, error: dict[str, t.Any]) -> None:
    body = error["text"] if "text" in error else json.dumps(error["body"])
    reason = _answers.reason(body)
    wanted = [error["text"].strip()] if "text" in error else list(texts(error["body"]))
    assert [text for text in wanted if " ".join(text.split()) not in reason] == []
    assert "{" not in reason.replace("{value}", "").replace("{tag}", ""), "JSON is shown"
    path = "/api/v2/tailnet/-/keys" if api == "tailscale" or name.startswith("v2_") else "/api/v1/preauthkey"
    assert not _answers.may_be_done(error["status"], body, path)


@pytest.mark.parametrize(
    ("status", "body", "path"),
    [
        (500, '{"message": "internal error"}', "/api/v2/tailnet/-/keys"),
        (500, '{"message": "setting auth key description", "status": 500}', "/api/v2/tailnet/-/keys"),
        (500, '{"code": 13, "message": "stream terminated", "details": []}', "/api/v1/preauthkey"),
        (500, '{"code": 4, "message": "context deadline exceeded", "details": []}', "/api/v1/preauthkey"),
        (502, "<html><head><title>502 Bad Gateway</title></head></html>", "/api/v1/preauthkey"),
        (503, "", "/api/v1/preauthkey"),
        (504, '{"title": "Gateway Timeout", "status": 504, "detail": "upstream"}', "/api/v1/preauthkey"),
        (500, "[]", "/api/v1/preauthkey"),
    ],
)
def test_request_may_have_been_executed_only_in_doubt(status: int, body: str, path: str) -> None:
    assert _answers.may_be_done(status, body, path)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("<html><head><title>502\nBad Gateway</title></head><body>nginx</body></html>", "502 Bad Gateway"),
        ("<html></html>", ""),
        ("404 page not found\n", "404 page not found"),
        ('{"title": "Not Found", "status": 404}', "Not Found"),
        ('{"error": "invalid_client"}', "invalid_client"),
        ('{"error": {"message": "no"}}', "no"),
        ('{"message": "bad", "errors": ["first", {"message": "second"}, {"location": "x"}, "bad"]}', "bad: first; second"),
        ('{"errors": [{"message": "only"}]}', "only"),
        ('{"message": {"message": "inner"}}', "inner"),
        ('{"message": 5, "detail": null, "errors": 7, "data": [1, {"errors": "no list"}]}', ""),
        ('"text"', "text"),
        ("[1]", ""),
        ("", ""),
    ],
)
def test_reason_is_found_in_any_form(body: str, reason: str) -> None:
    assert _answers.reason(body) == reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["message", "detail", "errors", "data", "title", "error", "code"]) | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(JSON, st.integers(min_value=400, max_value=599))
def test_any_answer_is_read(body: t.Any, status: int) -> None:
    text = json.dumps(body)
    assert "\n" not in _answers.reason(text)
    _answers.may_be_done(status, text, "/api/v1/preauthkey")


@pytest.mark.parametrize(
    ("url", "shown", "origin"),
    [
        ("https://me:pass@hs.example.org:8443/x", "https://hs.example.org:8443/x", "https://hs.example.org:8443"),
        ("https://hs.example.org", "https://hs.example.org", "https://hs.example.org"),
        ("hs.example.org", "hs.example.org", ""),
    ],
)
def test_password_in_a_url_is_not_shown(url: str, shown: str, origin: str) -> None:
    assert (_answers.shown_url(url), _answers.origin_of(url)) == (shown, origin)
