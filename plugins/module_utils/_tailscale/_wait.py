# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Goals to wait for, and the conditions to stop waiting: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import LoginFailed, NodeError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._manners import refused_key
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._plan import APPROVAL
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._status import (
    Status,
    has_login,
    is_asked_to_log_in,
    is_connected,
    is_up,
    login_error,
    login_is_over,
    node_id,
    node_key,
    refusal,
    tags_of,
)

# How long to wait for values that come with the first network map or soon after it.
SETTLE_TIMEOUT = 5  # seconds
IS_IT_RIGHT = "is login_server (for the role tailscale_login_server) right, and can the host reach it?"


class Goal(t.NamedTuple):
    """A state of the node to wait for; `what` is a verb phrase for messages."""

    what: str
    reached: t.Callable[[Status], bool]
    server: str | None = None  # the control server of a login
    earlier: str | None = None  # the refusal of the login before, which tailscaled may still show at first
    may_need_approval: bool = True
    advice: t.Callable[[str], str] = str  # what to do about a refusal of the login


# A node whose login was refused and that has no network map stays NoState.
STARTED = Goal("finish its start", lambda now: now.get("BackendState") not in ("NoState", "Starting") or refusal(now) is not None)
UP = Goal("come up", lambda now: is_up(now) or login_is_over(now))
LOGGED_OUT = Goal("log out", lambda now: now["BackendState"] == "NeedsLogin" and not has_login(now), may_need_approval=False)


def logged_in(before: Status, server: str, whose: str) -> Goal:
    """The goal of a new login at a control server with the manners of `whose`."""
    node = node_id(before)
    tagged = bool(tags_of(before)) if node else None
    return Goal(
        "log in",
        is_connected,
        server=server,
        earlier=refusal(before),
        advice=lambda answer: refused_key(answer, whose, node, tagged),
    )


def begun(before: Status) -> t.Callable[[Status], bool]:
    """Whether tailscaled has begun a login. Until then it may show the connection that it had as if it were the new one."""
    key = node_key(before)
    return lambda now: node_key(now) != key or not is_connected(now)


def decided(before: Status) -> t.Callable[[Status], bool]:
    """Whether a start without a key has led somewhere. At first tailscaled may still show the login error of before."""
    error = login_error(before)
    return lambda now: is_connected(now) or is_asked_to_log_in(now) or login_error(now) not in (None, error)


def failure(goal: Goal, status: Status, waited: float, timeout: float) -> NodeError | None:
    """The reason to stop waiting for the goal; None to continue."""
    no = refusal(status)
    if goal.server and no and (no != goal.earlier or waited > SETTLE_TIMEOUT):
        return LoginFailed(f"the control server refused auth_key: {no}. {goal.advice(no)}")
    if status["BackendState"] == "NeedsMachineAuth" and goal.may_need_approval:
        return NodeError(APPROVAL)
    if waited > timeout:
        return (LoginFailed if goal.server else NodeError)(_too_long(goal, status, timeout))
    return None


def _too_long(goal: Goal, status: Status, timeout: float) -> str:
    error = login_error(status)
    if error and refusal(status) is None:
        server = goal.server or "of this node"
        after = "Run again" if goal.server else "tailscaled continues to try; run again"
        return (
            f"the node did not {goal.what} within {timeout} s, because the control server {server} did not answer it ({error}): "
            f"is it up, {IS_IT_RIGHT} {after} when it answers"
        )
    health = "; ".join(sorted(status.get("Health") or [])) or "tailscaled gives no reason"
    hint = (
        f" The control server neither accepted nor refused auth_key: {IS_IT_RIGHT}"
        if status["BackendState"] == "NeedsLogin" and goal.server
        else ""
    )
    return f"the node did not {goal.what} within {timeout} s: it is {status['BackendState']} ({health}).{hint}"
