# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the answers of an administrative API that are no success, and describe failed requests: pure functions.

Tailscale answers {"message", "data"}, Headscale until 0.29 {"code", "message", "details"} of gRPC, Headscale from 0.30 RFC 7807
({"title", "detail", "errors"}), OAuth's requests {"error", "error_description"}; a proxy in between HTML or plain text.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import json
import re
import typing as t
from urllib.parse import quote, quote_plus, urlsplit

Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)

LONGEST_REASON = 300
SHORTEST_SECRET = 6  # shorter texts would also be found in ordinary words
# The forms of the secrets of both servers, of identity tokens and of headers.
SECRET_FORMS = re.compile(
    r"\b[th]skey-[a-z]+-[\w.-]+|\beyJ[\w-]+\.[\w-]+(\.[\w-]*)?|(?<=Bearer )[^\s\"',;]{16,}|(?<=Basic )[^\s\"',;]{8,}"
)
MASK = "(secret)"
# gRPC's codes after which the request may have been executed: cancelled, deadline exceeded, internal, unavailable, data loss.
GRPC_DOUBT = (1, 4, 13, 14, 15)
NOT_IMPLEMENTED = 501
SERVER_ERROR = 500

# The innermost errors of urllib3 and of the operating system, by the name of the class or by a part of the text.
NETWORK = (
    ("NameResolutionError", "its name cannot be resolved"),
    ("Name or service not known", "its name cannot be resolved"),
    ("Temporary failure in name resolution", "its name cannot be resolved"),
    ("Connection refused", "the connection was refused"),
    ("No route to host", "there is no route to it"),
    ("Network is unreachable", "there is no route to it"),
    ("ConnectTimeout", "no connection in time"),
    ("ReadTimeout", "no answer in time"),
    ("ProxyError", "the proxy does not let the request through"),
    ("certificate verify failed", "its certificate is not accepted"),
    ("SSLError", "no TLS connection: is https:// right?"),
    ("Connection aborted", "it ended the connection without an answer"),
)


def reason(text: str) -> str:
    """The server's own words in the body of an answer, in one line; empty if there are none."""
    try:
        words = _words(json.loads(text))
    except ValueError:
        page = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        words = page.group(1) if page else "" if text.lstrip().startswith("<") else text
    return " ".join(words.split())


def _words(body: t.Any) -> str:
    if isinstance(body, str):
        return body
    if not isinstance(body, dict):
        return ""
    first = next((words for words in (_text(body.get(key)) for key in ("message", "detail", "error_description")) if words), "")
    more = [_text(part) for part in (*_list(body.get("errors")), *_data(body.get("data")))]
    found = list(dict.fromkeys(words for words in (first, *more) if words))
    if not found:
        found = [words for words in (_text(body.get("error")) or _words(body.get("error")), _text(body.get("title"))) if words][
            :1
        ]
    return ": ".join([*found[:1], "; ".join(found[1:])] if len(found) > 1 else found)


def _data(value: t.Any) -> list[t.Any]:
    """Tailscale's further errors: [{"user": …, "errors": [texts]}]."""
    return [part for entry in _list(value) if isinstance(entry, dict) for part in _list(entry.get("errors"))]


def _text(value: t.Any) -> str:
    if isinstance(value, dict):
        value = value.get("message")
    return value.strip() if isinstance(value, str) else ""


def _list(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else []


def may_be_done(status: int, text: str, path: str) -> bool:
    """Whether a request with this answer may have been executed nevertheless.

    An error below 500 is a plain no, and so is an error that the server's own code explains: Headscale until 0.29 answers 500 for
    a user that does not exist.
    """
    if status < SERVER_ERROR or status == NOT_IMPLEMENTED:
        return False
    try:
        body = json.loads(text)
    except ValueError:
        return True
    if not isinstance(body, dict):
        return True
    code = body.get("code")
    if isinstance(code, int) and "message" in body:
        return code in GRPC_DOUBT
    # In /api/v1 of Headscale 0.30 the last step is to store the key, so an error says that there is none.
    return not (path.startswith("/api/v1/") and status == SERVER_ERROR and {"title", "status", "detail"} <= set(body))


def without_secrets(text: str, secrets: t.Iterable[str]) -> str:
    """The text without these secrets, in the spellings that a server may repeat, and without anything in the form of one."""
    for secret in sorted({*secrets}, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            for spelling in (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]):
                text = text.replace(spelling, MASK)
    return SECRET_FORMS.sub(MASK, text)


def short(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} …"


def network_problem(error: BaseException) -> str:
    """What kept a request from being answered."""
    found = f"{type(error).__name__} {error!r}"
    words = next((words for part, words in NETWORK if part in found), None)
    return f"{type(error).__name__} ({words})" if words else type(error).__name__


def shown_url(url: str) -> str:
    """The URL without a user and a password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else url


def origin_of(url: str) -> str:
    """The scheme and the host of a URL; empty if it has none."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.scheme and parts.netloc else ""
