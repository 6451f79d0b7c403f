# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import verify
from ansible_collections.homelab.tailsync.plugins.plugin_utils.mesh import model
from ansible_collections.homelab.tailsync.plugins.plugin_utils.views import View
from verify_views import ADDRESSES, IDS, MESH, PHONE, TAILNET, change, folder

Views = dict[str, View]
DOCUMENTS = "nas/syncthing/folders/documents"


def findings(views: Views) -> list[str]:
    return verify.conclude(views).findings


def test_healthy_network_has_no_findings(views: Views) -> None:
    report = verify.conclude(views)
    assert report.findings == []
    assert report.notes == []
    assert report.lines == [
        "nas -> phone: not connected (not managed by Ansible)",
        "nas -> pi: 100.64.0.2:22000 (tcp-client)",
        "nas: in sync: documents",
        "pi -> nas: 100.64.0.1:22000 (tcp-client)",
        "pi -> phone: not connected (not managed by Ansible)",
        "pi: in sync: documents",
    ]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("pi/ssh", {"address": None}, "pi cannot be reached by SSH: no address answered"),
        ("pi/node/backend_state", "Stopped", "pi: Tailscale is Stopped, not Running"),
        ("pi/node", {}, "pi: Tailscale is not running"),
        ("nas/syncthing", {}, "nas: Syncthing does not answer: no reason known"),
        (
            "nas/syncthing/listeners",
            {"tcp://100.64.0.1:22000": {"error": "cannot assign requested address"}},
            "nas: Syncthing cannot listen at tcp://100.64.0.1:22000: cannot assign requested address",
        ),
        ("nas/syncthing/listeners", {}, "nas: Syncthing listens at no tcp:// address"),
        (f"nas/syncthing/connections/{IDS['pi']}/connected", False, "nas is not connected to pi"),
        (
            f"nas/syncthing/connections/{IDS['pi']}/type",
            "relay-client",
            "nas is connected to pi by relay-client at 100.64.0.2:22000, which is not tcp over the tailnet",
        ),
        (
            f"nas/syncthing/connections/{IDS['pi']}/address",
            "172.31.77.12:22000",
            "nas is connected to pi by tcp-client at 172.31.77.12:22000, which is not tcp over the tailnet",
        ),
        ("nas/syncthing/folders", {}, "nas does not have the folder documents"),
        (f"{DOCUMENTS}/error", "folder marker missing", "folder documents on nas: folder marker missing"),
        (
            f"{DOCUMENTS}/completion/{IDS['pi']}/remote_state",
            "notSharing",
            "folder documents: pi does not share it with nas (it says notSharing)",
        ),
        (
            "nas/syncthing/devices",
            {},
            "nas and pi are not paired yet: pi has not taken part in a run together with nas",
        ),
        ("pi/syncthing/device_id", "NEW-ID", f"nas knows pi by the device ID {IDS['pi']}, but pi has NEW-ID"),
        (
            "nas/probed/ping",
            [{"address": "100.64.0.2", "answers": False, "error": "no matching peer"}],
            "nas gets no answer from pi at 100.64.0.2 through the tailnet: no matching peer",
        ),
        (
            "nas/probed/forwarding_needs",
            ["net.ipv4.ip_forward"],
            "nas advertises routes to the tailnet but does not forward packets: put net.ipv4.ip_forward=1 into "
            "/etc/sysctl.d/90-forwarding.conf, and run `sysctl --system`",
        ),
    ],
)
def test_each_finding_has_its_message(views: Views, path: str, value: t.Any, message: str) -> None:
    assert message in findings(change(views, path, value))


def test_dial_error_is_reported_with_the_address(views: Views) -> None:
    broken = change(views, f"nas/syncthing/connections/{IDS['pi']}/connected", False)
    broken = change(broken, "nas/syncthing/dials", {"tcp://pi:22000": {"error": "i/o timeout"}})
    wanted = dict(broken["nas"].wanted)
    wanted["devices"] = [{**one, "addresses": ["tcp://pi:22000"]} for one in wanted["devices"]]
    broken["nas"].__dict__["wanted"] = wanted
    assert "nas is not connected to pi (tcp://pi:22000: i/o timeout)" in findings(broken)


def test_old_syncthing_without_remote_state_gives_no_finding(views: Views) -> None:
    assert findings(change(views, f"{DOCUMENTS}/completion/{IDS['pi']}/remote_state", None)) == []


# --- causes, whose effects are left out -------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "cause"),
    [
        ("pi/ssh", {"address": None, "msg": "no SSH login"}, "pi cannot be reached by SSH: no SSH login"),
        (
            "pi/lost",
            True,
            "pi failed or could not be reached earlier in this run (its own message is above): it was not verified",
        ),
        ("pi/node/backend_state", "Stopped", "pi: Tailscale is Stopped, not Running"),
        (
            "pi/syncthing",
            {"msg": "Syncthing does not answer at http://127.0.0.1:8384: is its service running? (refused)"},
            "pi: Syncthing does not answer at http://127.0.0.1:8384: is its service running? (refused)",
        ),
    ],
)
def test_cause_is_reported_without_its_effects(views: Views, path: str, value: t.Any, cause: str) -> None:
    """nas is not connected to pi, not in sync, and gets no answer to a ping: pi is the cause of all three."""
    broken = change(views, path, value)
    broken = change(broken, f"nas/syncthing/connections/{IDS['pi']}/connected", False)
    broken = change(broken, DOCUMENTS, folder("pi", need_items=3, need_bytes=5, moving=False))
    broken = change(broken, "nas/probed/ping", [{"address": TAILNET["pi"], "answers": False, "error": "no answer"}])
    assert findings(broken) == [cause]


def test_host_whose_facts_cannot_be_gathered_is_reported_with_the_error(views: Views) -> None:
    broken = change(change(views, "pi/lost", True), "pi/own", {"failed": True, "msg": "Missing sudo password"})
    assert findings(broken) == ["pi could not be inspected: Missing sudo password"]


def test_failed_host_is_reported_before_its_effects(views: Views) -> None:
    broken = change(views, f"{DOCUMENTS}/watch_error", "failed to set up inotify handler.")
    broken = change(broken, "pi/lost", True)
    assert findings(broken)[0].startswith("pi failed")
    assert len(findings(broken)) == 2


def test_report_has_findings_before_notes(views: Views) -> None:
    broken = change(change(views, "pi/lost", True), f"{DOCUMENTS}/paused", True)
    assert verify.conclude(broken).text.splitlines() == [
        "pi failed or could not be reached earlier in this run (its own message is above): it was not verified",
        "(Also: folder documents on nas is paused)",
    ]


# --- new connections --------------------------------------------------------------------------------


def deny(views: Views, name: str, error: str = "timed out") -> Views:
    peer = "pi" if name == "nas" else "nas"
    return change(views, f"{name}/probed/tcp", [{"address": TAILNET[peer], "port": 22000, "open": False, "error": error}])


def test_connection_in_one_direction_is_enough(views: Views) -> None:
    assert findings(deny(views, "nas")) == []


def test_policy_that_denies_both_directions_is_one_finding(views: Views) -> None:
    broken = change(deny(deny(views, "nas"), "pi"), f"nas/syncthing/connections/{IDS['pi']}/connected", False)
    assert findings(broken) == [
        "nas and pi cannot open a new connection to each other's Syncthing (100.64.0.2 port 22000: timed out; 100.64.0.1 port "
        "22000: timed out). Each answers a ping: does the tailnet's access policy (a grant or ACL) allow tcp:22000?"
    ]


def test_refused_connection_is_not_blamed_on_the_policy(views: Views) -> None:
    apart = change(views, f"nas/syncthing/connections/{IDS['pi']}/connected", False)
    (finding,) = findings(deny(deny(apart, "nas", "Connection refused"), "pi", "Connection refused"))
    assert "policy" not in finding


def test_syncthing_that_starts_during_the_wait_is_no_finding(views: Views) -> None:
    """The ports are probed before the waiting, so that verify does not wait for connections that the policy denies."""
    assert findings(deny(deny(views, "nas", "Connection refused"), "pi", "Connection refused")) == []
    apart = change(views, f"nas/syncthing/connections/{IDS['pi']}/connected", False)
    assert verify.waits(deny(deny(apart, "nas", "Connection refused"), "pi", "Connection refused"))["nas"]["devices"]
    assert verify.waits(deny(deny(apart, "nas"), "pi"))["nas"] == {}


def control(views: Views, **more: t.Any) -> Views:
    return change(
        views,
        "nas/probed/control_server",
        {"host": "192.168.1.9", "port": 8090, "open": False, "error": "timed out", "resolved": True, "proxy": False, **more},
    )


def test_unreachable_control_server_is_a_finding(views: Views) -> None:
    (finding,) = findings(control(views))
    assert finding.startswith("nas cannot open a new connection to its control server at 192.168.1.9 port 8090: timed out")
    (finding,) = findings(control(views, host=ADDRESSES["pi"]))
    assert finding.endswith("It is pi: allow 8090/tcp there (firewall_public_ports)")


def test_control_server_behind_a_proxy_is_not_judged(views: Views) -> None:
    assert findings(control(views, proxy=True)) == []


def test_unresolved_name_of_the_control_server_is_a_note(views: Views) -> None:
    report = verify.conclude(control(views, resolved=False))
    assert (report.findings, len(report.notes)) == ([], 1)


# --- intended states --------------------------------------------------------------------------------


def test_paused_folder_is_a_note(views: Views) -> None:
    paused = change(views, DOCUMENTS, folder("pi", paused=True, completion={}, state=None, need_items=None, need_bytes=None))
    paused = change(paused, f"pi/syncthing/folders/documents/completion/{IDS['nas']}/remote_state", "paused")
    report = verify.conclude(paused)
    assert (report.findings, report.notes) == ([], ["folder documents on nas is paused"])


def test_declared_pause_is_not_reported(views: Views) -> None:
    declared = {**MESH, "folders": {"documents": {**MESH["folders"]["documents"], "paused": True}}}
    paused = {name: dataclasses.replace(view, mesh=model(declared)) for name, view in views.items()}
    for name, peer in (("nas", "pi"), ("pi", "nas")):
        paused = change(paused, f"{name}/syncthing/folders/documents", folder(peer, paused=True, completion={}))
    report = verify.conclude(paused)
    assert (report.findings, report.notes) == ([], [])


def test_paused_device_is_a_note_for_the_host_that_paused_it(views: Views) -> None:
    paused = change(views, f"nas/syncthing/devices/{IDS['pi']}/paused", True)
    paused = change(paused, f"nas/syncthing/connections/{IDS['pi']}", {"connected": False, "paused": True})
    paused = change(paused, f"pi/syncthing/connections/{IDS['nas']}", {"connected": False, "paused": False})
    report = verify.conclude(paused)
    assert (report.findings, report.notes) == ([], ["nas: the device pi is paused"])


def test_folder_on_an_unmounted_disk_is_a_note(views: Views) -> None:
    away = change(views, "nas/syncthing/folders", {})
    away = change(away, "nas/syncthing/left_out", [{"id": "documents", "path": "/mnt/x", "reason": "/mnt/x is not mounted"}])
    away = change(away, f"pi/syncthing/folders/documents/completion/{IDS['nas']}/remote_state", "notSharing")
    report = verify.conclude(away)
    assert (report.findings, report.notes) == ([], ["folder documents on nas is left out: /mnt/x is not mounted"])


def test_refused_folder_is_a_finding(views: Views) -> None:
    gone = change(views, "nas/syncthing/folders", {})
    gone = change(gone, f"pi/syncthing/folders/documents/completion/{IDS['nas']}/remote_state", "notSharing")
    file = {"id": "documents", "path": "/srv/x", "kind": "unusable", "reason": "/srv/x is a file"}
    by_verify = change(gone, "nas/syncthing/left_out", [file])
    by_the_role = change(gone, "nas/configured", {"refused": [file]})
    for refused in (by_verify, by_the_role):
        report = verify.conclude(refused)
        assert (report.findings, report.notes) == (["folder documents on nas is refused: /srv/x is a file"], [])


def test_different_encryption_passwords_are_reported_as_the_cause(views: Views) -> None:
    broken = change(views, f"nas/syncthing/connections/{IDS['pi']}/connected", False)
    for message in (
        f'Failure checking encryption consistency with device {IDS["nas"]} for folder "documents" (documents): '
        "different encryption passwords used",
        f"Failed to verify encryption consistency (folder.id=documents device={IDS['nas'][:7]} "
        "error=different encryption passwords used)",
    ):
        told = change(broken, "pi/syncthing/errors", [{"when": "now", "message": message}])
        (finding,) = findings(told)
        assert finding.startswith("nas and pi refuse each other: the folder documents: different encryption passwords used. Give")
        assert findings(change(told, f"pi/syncthing/connections/{IDS['nas']}/connected", False)) == [finding]
        # They reconnect repeatedly; the folder is not shared even then.
        flapping = change(told, f"nas/syncthing/connections/{IDS['pi']}/connected", True)
        flapping = change(flapping, f"{DOCUMENTS}/completion/{IDS['pi']}/remote_state", "unknown")
        assert findings(flapping) == [finding]


def test_old_error_of_connected_devices_is_no_finding(views: Views) -> None:
    message = (
        f"Failure checking encryption consistency with device {IDS['nas']} for folder x: different encryption passwords used"
    )
    assert findings(change(views, "pi/syncthing/errors", [{"message": message}])) == []


def test_disconnected_phone_is_no_finding(views: Views) -> None:
    assert not views["nas"].connection_to({"name": "phone", "device_id": PHONE}).connected
    assert findings(views) == []
