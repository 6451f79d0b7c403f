# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts on which a Syncthing was there first: refused and untouched; then done by the message's own advice."""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

import pytest
from dirty_fixtures import Outcome, Snapshot, at_once, differences, site, snapshot
from lab_fixtures import INVENTORY, LabBackend, run_lab, wait_until
from past import b
from testinfra.host import Host

HOSTS = ("busy", "personal", "scheduled", "moved", "published", "ancient", "both")  # other_syncthing.yml has their addresses
HERE = pathlib.Path(__file__).resolve().parent
SHARED = {"shared": {"path": "/srv/sync/shared", "fs_watcher_delay": 1, "devices": list(HOSTS)}}
VARIABLES = {"tailsync_hosts": "past", "syncthing_mesh_folders": SHARED}
SITUATIONS: dict[str, t.Callable[[], None]] = {
    "busy": lambda: b.own_syncthing("busy"),
    "personal": lambda: b.by_user_unit("personal"),
    "scheduled": lambda: b.by_cron("scheduled"),
    "moved": lambda: b.own_syncthing("moved"),
    "published": lambda: b.published("published"),
    "ancient": lambda: b.old_syncthing("ancient"),
    "both": lambda: b.own_syncthing("both", "22005"),
}
# Each refused host, and what its message says.
REFUSED = {
    "busy": ["syncthing@admin.service (of admin, home /home/admin/.local/state/syncthing) is another Syncthing", "*:22000"],
    "personal": ["syncthing.service (of admin", "as admin, run `systemctl --user disable --now syncthing.service`"],
    "scheduled": ["home /home/admin/.config/syncthing", "and what starts it (started in cron.service)"],
    "moved": ["syncthing_user is admin, whose Syncthing already runs", "home in /var/lib/syncthing", "a new device"],
    "published": ["TCP port 22000", "forwarded to a container"],
    "ancient": ["Syncthing 1.18.0~ds1-3 is installed", "set syncthing_package_source: vendor", "`?apt-get remove syncthing"],
}
HOMES = {"busy": b.STATE, "personal": b.STATE, "scheduled": b.CONFIG, "moved": b.STATE}


def host(name: str) -> Host:
    return Host(LabBackend(name))


def run(*arguments: str, variables: dict[str, t.Any] | None = None) -> Outcome:
    places = ("--inventory", str(HERE / "other_syncthing.yml"), *arguments)
    return site(*places, inventory=INVENTORY, variables={**VARIABLES, **(variables or {})})


def processes(name: str) -> str:
    return str(host(name).check_output("pgrep -x syncthing | tr '\\n' ' '"))


def certificate(name: str) -> str:
    return str(host(name).check_output(f"sha256sum {HOMES[name]}/cert.pem {HOMES[name]}/key.pem"))


class Before(t.NamedTuple):
    """The hosts before the first run, and that run."""

    snapshots: dict[str, Snapshot]
    processes: dict[str, str]
    certificates: dict[str, str]
    first: Outcome


@pytest.fixture(scope="module")
def before() -> t.Iterator[Before]:
    run_lab("down", timeout=300)
    run_lab("up", *HOSTS, timeout=300)
    at_once(SITUATIONS.values())
    snapshots: dict[str, Snapshot] = {}
    at_once([lambda name=name: snapshots.update({name: snapshot(name)}) for name in REFUSED])  # type: ignore[misc]
    running = {name: processes(name) for name in HOMES}
    yield Before(snapshots, running, {name: certificate(name) for name in HOMES}, run())
    run_lab("down", timeout=300)


class Advised(t.NamedTuple):
    """The run over all hosts after the advice of each message was followed, and the next one."""

    done: Outcome
    again: Outcome


@pytest.fixture(scope="module")
def advised(before: Before, tmp_path_factory: pytest.TempPathFactory) -> Advised:
    messages = before.first.failed
    variables = {name: dict(re.findall(r"(syncthing_user|syncthing_home): (/?[\w./]*\w)", messages[name])) for name in HOMES}
    host("busy").check_output(command(messages["busy"]))
    as_admin = "runuser -u admin -- env XDG_RUNTIME_DIR=/run/user/$(id -u admin) "
    host("personal").check_output(as_admin + command(messages["personal"]))
    host("scheduled").check_output("systemctl disable --now cron")
    b.no_longer_published("published")
    host("ancient").check_output("apt-get remove -y -qq syncthing 2>/dev/null")
    variables["ancient"] = {"syncthing_package_source": "vendor"}
    path = tmp_path_factory.mktemp("advice") / "advice.json"
    path.write_text(json.dumps({"all": {"hosts": variables}}), encoding="utf-8")
    return Advised(run("--inventory", str(path)), run("--inventory", str(path)))


def command(message: str) -> str:
    """The first command that the message names."""
    found = re.search(r"run `([^`]+)`", message)
    assert found, message
    return found[1]


@pytest.mark.parametrize("name", REFUSED)
def test_syncthing_in_the_way_is_refused_with_the_fix(name: str, before: Before) -> None:
    assert all(word.replace("`?", "") in before.first.failed.get(name, "") for word in REFUSED[name]), before.first.text
    assert name not in before.first.changed


@pytest.mark.parametrize("name", REFUSED)
def test_refused_host_is_unchanged(name: str, before: Before) -> None:
    assert [line for line in differences(before.snapshots[name], snapshot(name)) if not b.ALIVE.match(line)] == []


@pytest.mark.parametrize("name", HOMES)
def test_refused_syncthing_still_synchronises(name: str, before: Before) -> None:
    assert processes(name) == before.processes[name] != ""
    host(name).check_output("echo tuesday | install -o admin /dev/stdin /home/admin/diary/2.txt")
    assert wait_until(lambda: b.has_arrived(name, "2.txt"), 60)


def test_syncthing_at_another_port_is_warned_of_and_both_work(before: Before) -> None:
    assert "syncthing@admin.service (of admin, home /home/admin/.local/state/syncthing) is another Syncthing" in before.first.text
    assert "which does not run now" not in before.first.text
    both = host("both")
    assert both.service("syncthing@syncthing").is_running
    assert both.service("syncthing@admin").is_running
    both.check_output("echo tuesday | install -o admin /dev/stdin /home/admin/diary/2.txt")
    assert wait_until(lambda: b.has_arrived("both", "2.txt"), 90)


def test_advice_of_each_message_works(advised: Advised) -> None:
    assert advised.done.run.code == 0, advised.done.run.output
    assert (advised.again.run.code, advised.again.changed) == (0, {}), advised.again.run.output


@pytest.mark.parametrize("name", HOMES)
def test_taken_over_syncthing_is_the_same_device_with_its_folders(name: str, before: Before, advised: Advised) -> None:
    assert certificate(name) == before.certificates[name]
    assert host(name).check_output("ps -C syncthing -o args= | sort -u").split().count(f"--home={HOMES[name]}") == 1
    config = host(name).file(f"{HOMES[name]}/config.xml").content_string
    assert f'id="diary-{name}"' in config
    assert 'id="shared"' in config


@pytest.mark.parametrize("name", HOMES)
def test_taken_over_configuration_shows_nothing_after_the_firewall(name: str, advised: Advised) -> None:
    assert f"The Syncthing in {HOMES[name]} is taken over with its configuration" in advised.done.text
    tasks = advised.done.changed[name]
    closed = next(number for number, task in enumerate(tasks) if task.endswith("firewall : Confirm the change"))
    started = next(number for number, task in enumerate(tasks) if "Start Syncthing, now and at every boot" in task)
    assert closed < started
    options = host(name).file(f"{HOMES[name]}/config.xml").content_string.partition("<options>")[2]
    assert re.findall("<listenAddress>(.*?)<", options) == [f"tcp://{host(name).check_output('tailscale ip -4')}:22000"]
    for option in ("globalAnnounceEnabled", "localAnnounceEnabled", "relaysEnabled", "natEnabled"):
        assert f"<{option}>false<" in options


def test_syncthing_that_systemd_gave_up_on_starts_after_its_repair(advised: Advised) -> None:
    broken = host("published")
    unit, config = "syncthing@syncthing.service", "/var/lib/syncthing/config.xml"
    # systemd restarts it by itself until its limit: four times within 60 s, one second after each failure.
    broken.check_output(
        f"systemctl stop {unit}; cp -p {config} /root/config.xml; echo broken >{config}; systemctl start {unit} || true"
    )
    assert wait_until(lambda: broken.run(f"systemctl is-failed {unit}").succeeded, 60)
    broken.check_output(f"cp -p /root/config.xml {config}")
    assert broken.run(f"systemctl start {unit}").failed  # the limit is in force
    outcome = run("--limit", "published")
    assert outcome.run.code == 0, outcome.run.output
    assert broken.service(unit).is_running
