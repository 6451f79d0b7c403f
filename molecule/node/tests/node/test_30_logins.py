# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins that end, fail, wait and move, all over the LAN."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from testinfra.host import Host

CONTROL = "http://172.31.77.2:8080"  # tests/lab/coordinator/main.go
OTHER_CONTROL = "http://172.31.77.2:8082"


@pytest.fixture(autouse=True)
def _as_usual(tell: t.Any, key: str) -> t.Iterator[None]:
    yield
    for request, value in (
        ("pause", "false"),
        ("require-approval", "false"),
        ("require-key", key),
        ("tags", "tag:server tag:other"),
    ):
        tell(request, value)


def in_days(days: int) -> str:
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days, hours=1)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def joining(key: str, **options: t.Any) -> dict[str, t.Any]:
    return {"auth_key": key, "login_server": CONTROL, "timeout": 20, **options}


def test_a_key_that_will_expire_is_warned_of_with_its_days(take: t.Any, tell: t.Any) -> None:
    tell("key-expiry", f"{in_days(10)} pi")
    outcome = take({"pi": [{"node": {"hostname": "pi"}}, {"info": True}]})
    same, answer = outcome.of("pi")
    assert not same["changed"]
    assert "the key of this node expires in 10 days" in " ".join(outcome.output.split())
    assert (answer["node"]["key_expiry_days"], answer["node"]["key_expired"]) == (10, False)
    assert answer.get("warnings", []) == []
    assert {peer["dns_name"] for peer in answer["peers"]} == {"laptop.tailnet.test", "nas.tailnet.test", "vps.tailnet.test"}
    tell("key-expiry", "never pi")
    assert "WARNING" not in take({"pi": [{"node": {"hostname": "pi"}}]}).output


def test_an_expired_key_takes_a_new_login_with_a_key_and_never_over_the_tailnet(
    take: t.Any, tell: t.Any, key: str, status: t.Any, eyes: dict[str, Host], eventually: t.Any
) -> None:
    address = status("pi")["TailscaleIPs"]
    tell("key-expiry", f"{in_days(-1)} pi")
    # Others reach it all the same, once they have taken in the change.
    assert eventually(lambda: eyes["laptop"].run("ping -c 1 -W 1 %s", address[0]).rc == 0, 30)
    (refused,) = take({"pi": [{"node": joining(key)}]}, tailnet=True).of("pi")
    assert "its key has expired. A new login would end the connection of this run" in refused["msg"]
    steps = [
        {"info": True},
        {"node": {}},
        {"node": joining(key), "check": True},
        {"node": joining(key)},
        {"node": {"hostname": "pi"}},
    ]
    answer, keyless, check, real, again = take({"pi": steps}).of("pi")
    assert (answer["node"]["backend_state"], answer["node"]["logged_in"], answer["node"]["key_expired"]) == (
        "NeedsLogin",
        True,
        True,
    )
    assert "has expired" in " ".join(answer["warnings"])
    assert "because its key has expired. That takes a new login, and auth_key is empty" in keyless["msg"]
    assert (check["joined"], real["joined"], check["diff"]) == (True, True, real["diff"])
    assert (again["changed"], again["requests"]) == (False, {"reads": 2, "writes": 0})
    assert status("pi")["TailscaleIPs"] == address, "it is another node now"


def test_approval_is_reported_as_what_it_is(take: t.Any, tell: t.Any, key: str) -> None:
    tell("require-approval", "true")
    steps: list[dict[str, t.Any]] = [{"node": {"state": "absent"}, "check": True}, *[{"node": {"state": "absent"}}] * 2]
    check, left, again, joined, waiting = take({"pi": [*steps, {"node": joining(key)}, {"node": {}}]}).of("pi")
    assert (check["changed"], left["changed"], again["changed"]) == (True, True, False)
    assert check["diff"] == left["diff"]
    assert left["node"]["backend_state"] == "NeedsLogin"
    for outcome in (joined, waiting):
        assert "waits for approval (NeedsMachineAuth): approve it in the admin console" in outcome["msg"]
    tell("approve", "")
    (approved,) = take({"pi": [{"node": {}}]}).of("pi")
    assert approved["node"]["backend_state"] == "Running"


def test_a_silent_coordinator_is_waited_for_so_long_and_the_next_run_finishes(
    take: t.Any, tell: t.Any, key: str, eyes: dict[str, Host]
) -> None:
    leave, join = {"node": {"state": "absent", "timeout": 4}}, {"node": joining(key, timeout=4)}
    take({"pi": [leave], "nas": [leave]})
    tell("pause", "true")
    outcome = take({"pi": [join], "nas": [join, leave], "vps": [leave]})
    for host in ("pi", "nas"):
        assert f"did not log in within 4 s, because the control server {CONTROL} did not answer" in outcome.of(host)[0]["msg"]
    assert outcome.of("nas")[1]["changed"], "a join that was given up is called off"
    # The server may hear of a logout by a connection that it still has; if it does not, that is said.
    (out,) = outcome.of("vps")
    assert out["changed"] or f"the control server {CONTROL} has not confirmed the logout" in out["msg"]
    tell("pause", "false")
    tell("require-key", "")  # this one wants to see a key even of who leaves
    finished = take(
        {"pi": [{"node": joining(key, hostname="pi")}, {"node": {"hostname": "pi"}}], "nas": [{"info": True}], "vps": [leave]}
    )
    assert [came["node"]["backend_state"] for came in finished.of("pi")] == ["Running", "Running"]
    assert not finished.of("pi")[1]["changed"]
    assert finished.of("nas")[0]["node"]["backend_state"] == "NeedsLogin"
    assert finished.of("vps")[0]["node"]["backend_state"] == "NeedsLogin"
    again = [{"node": leave["node"]}]
    back = take({"nas": [{"node": joining(key, hostname="nas")}], "vps": [*again, {"node": joining(key, tags=["tag:server"])}]})
    assert back.of("nas")[0]["joined"]
    assert (back.of("vps")[0]["changed"], back.of("vps")[1]["joined"]) == (False, True)


def test_tailscaled_may_restart_between_runs_and_under_one(take: t.Any, tell: t.Any, eyes: dict[str, Host]) -> None:
    tell("require-key", "")  # this control server wants to see it of nodes that it knows, too
    eyes["pi"].check_output("systemctl restart tailscaled")
    under = ["sh", "-c", "for _ in 1 2 3; do sleep 0.7; systemctl restart tailscaled; done >/dev/null 2>&1 &"]
    flips = [{"node": {"hostname": name}} for name in ("attic", "cellar", "attic", "cellar", "pi")]
    steps = [
        {"node": {"hostname": "pi"}},
        {"run": ["systemctl", "reset-failed"]},
        {"run": under},
        *flips,
        {"node": {"hostname": "pi"}},
    ]
    first, *changed, last = take({"pi": steps}).of("pi")
    assert (first["changed"], first["node"]["backend_state"]) == (False, "Running")
    assert [came["changed"] for came in changed] == [True] * 5, changed
    assert last["node"]["backend_state"] == "Running"


def test_tags_follow_what_is_declared_and_a_server_that_gives_others_is_no_endless_change(
    take: t.Any, tell: t.Any, key: str, status: t.Any
) -> None:
    other = {"tags": ["tag:other"]}
    keyless, check, real, again = take(
        {
            "vps": [
                {"node": other},
                {"node": {**other, "auth_key": key}, "check": True},
                {"node": {**other, "auth_key": key}},
                {"node": other},
            ]
        }
    ).of("vps")
    assert (
        "tags are to be tag:other, but this node has tag:server. That takes a new login, and auth_key is empty" in keyless["msg"]
    )
    assert (check["joined"], real["joined"], check["diff"]) == (True, True, real["diff"])
    assert (again["changed"], again["requests"]["writes"]) == (False, 0)
    assert status("vps")["Self"]["Tags"] == ["tag:other"]
    tell("tags", "tag:other")
    (refused,) = take({"vps": [{"node": {"tags": ["tag:server"], "auth_key": key}}]}).of("vps")
    assert "gave it the tags none where tags asks for tag:server" in refused["msg"]


def test_it_moves_to_another_control_server_and_back_and_a_move_that_fails_leaves_it_where_it_was(
    take: t.Any, tell: t.Any, key: str, status: t.Any
) -> None:
    there = joining(key, login_server=OTHER_CONTROL, accept_dns=True)
    keyless = {"node": {"login_server": OTHER_CONTROL}}
    steps = [
        keyless,
        {"node": there, "check": True},
        {"node": there},
        {"node": {**there, "auth_key": ""}},
        {"node": joining(key)},
    ]
    without, check, real, again, back = take({"vps": steps}).of("vps")
    assert f"login_server is {OTHER_CONTROL}, but this node is logged in at {CONTROL}" in without["msg"]
    assert (check["joined"], real["joined"], check["diff"]) == (True, True, real["diff"])
    assert real["node"]["dns_name"] == "vps.other.tailnet.test"
    assert not again["changed"]
    assert back["node"]["dns_name"] == "vps.tailnet.test"
    tell("pause", "other")
    tell("require-key", "")  # as above: the way back shows none
    (failed,) = take({"vps": [{"node": {**there, "timeout": 3}}]}).of("vps")
    assert f"did not log in within 3 s, because the control server {OTHER_CONTROL} did not answer" in failed["msg"]
    assert "The node keeps its earlier login" in failed["msg"]
    assert (status("vps")["BackendState"], status("vps")["Self"]["DNSName"]) == ("Running", "vps.tailnet.test.")
