# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins that expire, fail, wait for approval and move to another control server, all over the LAN."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from testinfra.host import Host

CONTROL = "http://172.31.77.2:8080"  # tests/lab/coordinator/main.go
OTHER_CONTROL = "http://172.31.77.2:8082"


@pytest.fixture(autouse=True)
def _restore_coordinator(set_coordinator: t.Any) -> t.Iterator[None]:
    yield
    for request, value in (
        ("pause", "false"),
        ("require-approval", "false"),
        ("other/pause", "false"),
        ("tags", "tag:server tag:other"),
        ("other/tags", "tag:server tag:other"),
    ):
        set_coordinator(request, value)


def in_days(days: int) -> str:
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days, hours=1)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def joining(key: str, **options: t.Any) -> dict[str, t.Any]:
    return {"auth_key": key, "login_server": CONTROL, "timeout": 20, **options}


def test_node_key_that_expires_soon_gives_a_warning_with_the_days(run_steps: t.Any, set_coordinator: t.Any) -> None:
    set_coordinator("key-expiry", f"{in_days(10)} pi")
    outcome = run_steps({"pi": [{"node": {"hostname": "pi"}}, {"info": True}]})
    same, answer = outcome.of("pi")
    assert not same["changed"]
    assert "the key of this node expires in 10 days" in " ".join(outcome.output.split())
    assert (answer["node"]["key_expiry_days"], answer["node"]["key_expired"]) == (10, False)
    assert answer.get("warnings", []) == []
    assert {peer["dns_name"] for peer in answer["peers"]} == {"laptop.tailnet.test", "nas.tailnet.test", "vps.tailnet.test"}
    set_coordinator("key-expiry", "never pi")
    assert "WARNING" not in run_steps({"pi": [{"node": {"hostname": "pi"}}]}).output


def test_expired_node_that_no_peer_reaches_logs_in_with_an_auth_key(
    run_steps: t.Any, set_coordinator: t.Any, key: str, status: t.Any, lab_hosts: dict[str, Host], eventually: t.Any
) -> None:
    address = status("pi")["TailscaleIPs"]
    set_coordinator("key-expiry", f"{in_days(-1)} pi")
    assert eventually(lambda: lab_hosts["laptop"].run("ping -c 1 -W 1 %s", address[0]).rc != 0, 30), "peers drop it"
    steps = [
        {"info": True},
        {"node": {}},
        {"node": joining(key), "check": True},
        {"node": joining(key)},
        {"node": {"hostname": "pi"}},
    ]
    answer, keyless, check, real, again = run_steps({"pi": steps}).of("pi")
    assert (answer["node"]["backend_state"], answer["node"]["logged_in"], answer["node"]["key_expired"]) == (
        "NeedsLogin",
        True,
        True,
    )
    assert "has expired" in " ".join(answer["warnings"])
    assert "because its key has expired. That takes a new login, and auth_key is empty" in keyless["msg"]
    assert (check["joined"], real["joined"], check["diff"]) == (True, True, real["diff"])
    assert (again["changed"], again["requests"]) == (False, {"reads": 2, "writes": 0})
    assert status("pi")["TailscaleIPs"] == address, "the node has joined as another machine"


def test_missing_approval_is_an_error_until_it_is_given(run_steps: t.Any, set_coordinator: t.Any, key: str) -> None:
    set_coordinator("require-approval", "true")
    steps: list[dict[str, t.Any]] = [{"node": {"state": "absent"}, "check": True}, *[{"node": {"state": "absent"}}] * 2]
    check, left, again = run_steps({"pi": steps}).of("pi")
    set_coordinator("delete", "pi")  # a machine that was approved and logs in again needs no approval
    joined, waiting = run_steps({"pi": [{"node": joining(key)}, {"node": {}}]}).of("pi")
    assert (check["changed"], left["changed"], again["changed"]) == (True, True, False)
    assert check["diff"] == left["diff"]
    assert left["node"]["backend_state"] == "NeedsLogin"
    for outcome in (joined, waiting):
        assert "waits for approval (NeedsMachineAuth): approve it in the admin console" in outcome["msg"]
    set_coordinator("approve", "")
    (approved,) = run_steps({"pi": [{"node": {}}]}).of("pi")
    assert approved["node"]["backend_state"] == "Running"


def test_silent_control_server_ends_in_a_timeout_and_the_next_run_finishes(
    run_steps: t.Any, set_coordinator: t.Any, key: str, lab_hosts: dict[str, Host]
) -> None:
    leave, join = {"node": {"state": "absent", "timeout": 4}}, {"node": joining(key, timeout=4)}
    run_steps({"pi": [leave], "nas": [leave]})
    set_coordinator("pause", "true")
    outcome = run_steps({"pi": [join], "nas": [join, leave], "vps": [leave]})
    for host in ("pi", "nas"):
        assert f"did not log in within 4 s, because the control server {CONTROL} did not answer" in outcome.of(host)[0]["msg"]
    assert not outcome.of("nas")[1]["changed"], "a join that timed out has left nothing to cancel"
    # The server may receive the logout over an open connection; if it does not, the module says so.
    (out,) = outcome.of("vps")
    assert out["changed"] or f"the control server {CONTROL} has not confirmed the logout" in out["msg"]
    set_coordinator("pause", "false")
    finished = run_steps(
        {"pi": [{"node": joining(key, hostname="pi")}, {"node": {"hostname": "pi"}}], "nas": [{"info": True}], "vps": [leave]}
    )
    assert [result["node"]["backend_state"] for result in finished.of("pi")] == ["Running", "Running"]
    assert not finished.of("pi")[1]["changed"]
    assert finished.of("nas")[0]["node"]["backend_state"] == "NeedsLogin"
    assert finished.of("vps")[0]["node"]["backend_state"] == "NeedsLogin"
    again = [{"node": leave["node"]}]
    back = run_steps(
        {"nas": [{"node": joining(key, hostname="nas")}], "vps": [*again, {"node": joining(key, tags=["tag:server"])}]}
    )
    assert back.of("nas")[0]["joined"]
    assert (back.of("vps")[0]["changed"], back.of("vps")[1]["joined"]) == (False, True)


def test_tailscaled_may_restart_between_and_during_runs(run_steps: t.Any, lab_hosts: dict[str, Host]) -> None:
    lab_hosts["pi"].check_output("systemctl restart tailscaled")
    under = ["sh", "-c", "for _ in 1 2 3; do sleep 0.7; systemctl restart tailscaled; done >/dev/null 2>&1 &"]
    flips = [{"node": {"hostname": name}} for name in ("attic", "cellar", "attic", "cellar", "pi")]
    steps = [
        {"node": {"hostname": "pi"}},
        {"run": ["systemctl", "reset-failed"]},
        {"run": under},
        *flips,
        {"node": {"hostname": "pi"}},
    ]
    first, *changed, last = run_steps({"pi": steps}).of("pi")
    assert (first["changed"], first["node"]["backend_state"]) == (False, "Running")
    assert [result["changed"] for result in changed] == [True] * 5, changed
    assert last["node"]["backend_state"] == "Running"


def test_declared_tags_are_applied_and_a_server_with_other_tags_is_an_error(
    run_steps: t.Any, set_coordinator: t.Any, key: str, status: t.Any
) -> None:
    other = {"tags": ["tag:other"]}
    keyless, check, real, again = run_steps(
        {
            "vps": [
                {"node": other},
                {"node": {**other, "auth_key": key}, "check": True},
                {"node": {**other, "auth_key": key}},
                {"node": other},
            ]
        }
    ).of("vps")
    # Without a key, a server that is not Tailscale's own counts as a Headscale.
    assert "tags are to be tag:other, but this node has tag:server: no login changes the tags" in keyless["msg"]
    assert "headscale nodes tag --identifier" in keyless["msg"]
    assert (check["joined"], real["joined"], check["diff"]) == (True, True, real["diff"])
    assert (again["changed"], again["requests"]["writes"]) == (False, 0)
    assert status("vps")["Self"]["Tags"] == ["tag:other"]
    set_coordinator("tags", "tag:other")
    (refused,) = run_steps({"vps": [{"node": {"tags": ["tag:server"], "auth_key": key}}]}).of("vps")
    assert "requested tags [tag:server] are invalid or not permitted" in refused["msg"]


def test_node_moves_to_another_control_server_and_stays_if_the_move_fails(
    run_steps: t.Any, set_coordinator: t.Any, key: str, status: t.Any
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
    without, check, real, again, back = run_steps({"vps": steps}).of("vps")
    assert f"login_server is {OTHER_CONTROL}, but this node is logged in at {CONTROL}" in without["msg"]
    assert (check["joined"], real["joined"], check["diff"]) == (True, True, real["diff"])
    assert real["node"]["dns_name"] == "vps.other.tailnet.test"
    assert not again["changed"]
    assert back["node"]["dns_name"] == "vps.tailnet.test"
    set_coordinator("other/pause", "true")
    (failed,) = run_steps({"vps": [{"node": {**there, "timeout": 3}}]}).of("vps")
    assert f"did not log in within 3 s, because the control server {OTHER_CONTROL} did not answer" in failed["msg"]
    assert "The node keeps its earlier login" in failed["msg"]
    assert (status("vps")["BackendState"], status("vps")["Self"]["DNSName"]) == ("Running", "vps.tailnet.test.")
