# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers for runs over hosts with pre-existing configurations: for the scenario dirty and for tests/slow."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import os
import pathlib
import subprocess
import tempfile
import typing as t

import lab_fixtures
from lab_fixtures import CHECKOUT, EVIDENCE, HOSTS, LAB, Run, run_lab
from past.a import Network, network_of

HERE = CHECKOUT / "tests" / "lab"
INVENTORY = CHECKOUT / "molecule" / "dirty" / "hosts.yml"
LABS = pathlib.Path(os.environ["TAILSYNC_CACHE"]) / "labs" / os.environ.get("TAILSYNC_LAB", "lab")


@dataclasses.dataclass
class Outcome:
    """A run, with the failures and changed tasks of each host, and the report at its end, which one host prints for all."""

    run: Run
    failed: dict[str, str] = dataclasses.field(default_factory=dict)
    changed: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    report: list[str] = dataclasses.field(default_factory=list)

    @property
    def text(self) -> str:
        """The output of the run, without its line breaks."""
        return " ".join(self.run.output.split())


def site(
    *arguments: str,
    playbook: str = "site.yml",
    inventory: pathlib.Path = INVENTORY,
    variables: dict[str, t.Any] | None = None,
    **environment: t.Any,
) -> Outcome:
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl", encoding="utf-8") as file:
        run = lab_fixtures.run_playbook(
            playbook,
            *arguments,
            f"--forks={len(HOSTS)}",
            inventory=inventory,
            variables=variables,
            ANSIBLE_CALLBACK_PLUGINS=str(HERE / "callback"),
            ANSIBLE_CALLBACKS_ENABLED="failures",
            FAILURES=file.name,
            **environment,
        )
        outcome = Outcome(run)
        for line in map(json.loads, file):
            if line["kind"] == "changed":
                outcome.changed.setdefault(line["host"], []).append(line["task"])
            elif line["kind"] == "report":
                told = json.loads(line["text"])["msg"]
                outcome.report = told if isinstance(told, list) else told.splitlines()
            else:
                outcome.failed[line["host"]] = f"{outcome.failed.get(line['host'], '')}{line['task']}: {line['text']}\n"
    lost = [host for host, counts in run.recap.items() if counts["failed"] or counts["unreachable"]]
    outcome.failed = {host: text for host, text in outcome.failed.items() if host in lost}  # not what was rescued
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    with (EVIDENCE / "runs.log").open("a", encoding="utf-8") as log:
        log.write(f"==> {playbook} {' '.join(arguments)} ({run.seconds:.0f} s)\n{run.output}\n")
    return outcome


def put(name: str, path: str, content: bytes, mode: str = "0644") -> None:
    command = [*LAB, "exec", name, "--", "sh", "-c", 'cat >"$0" && chmod "$1" "$0"', path, mode]
    subprocess.run(command, input=content, check=True)


def situation(name: str, *arguments: str) -> None:
    subprocess.run([LAB[0], str(HERE / "situations.py"), name, *arguments], check=True, timeout=120)


def situations(*calls: t.Sequence[str]) -> None:
    for call in calls:
        situation(*call)


def at_once(jobs: t.Iterable[t.Callable[[], t.Any]]) -> None:
    with concurrent.futures.ThreadPoolExecutor(max_workers=6) as pool:
        for future in [pool.submit(job) for job in jobs]:
            future.result()


Snapshot = t.Dict[str, t.Dict[str, str]]  # noqa: UP006


def snapshot(name: str) -> Snapshot:
    program = (HERE / "snapshot.py").read_text(encoding="utf-8")
    answer = run_lab("exec", name, "--", "python3", "-c", program, timeout=120).stdout
    snapshots: Snapshot = {}
    for line in answer.splitlines():
        snapshots.update(json.loads(line))
    return snapshots


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """List the removed, new and changed entries."""
    return [
        f"{kind}: {key}: {before[kind].get(key, 'nothing')} -> {after[kind].get(key, 'nothing')}"
        for kind in before
        for key in sorted(before[kind].keys() | after[kind].keys())
        if before[kind].get(key) != after[kind].get(key)
    ]


class Logins:
    """Logs in to each host repeatedly, over the LAN or the tailnet, until `stop`."""

    def __init__(self, hosts: t.Iterable[str]) -> None:
        put("laptop", "/root/lab-key", (LABS / "id_ed25519").read_bytes(), "0600")
        put("laptop", "/root/watch_logins.py", (HERE / "watch_logins.py").read_bytes())
        places = json.loads(run_lab("status").stdout)["machines"]
        self.process = subprocess.Popen(
            [
                *(*LAB, "exec", "laptop", "--", "python3", "/root/watch_logins.py", "/root/lab-key"),
                *(f"{name}={places[name]['ipv4']}" for name in hosts),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "watching\n"

    def stop(self) -> dict[str, dict[str, t.Any]]:
        answer, _errors = self.process.communicate(timeout=30)
        return dict(json.loads(answer))


DONE = ("owner", "control", "disks", "neighbour", "messy", "other", "slow")
AWAY = "away"  # in the inventory, and no machine
# The login to `other` is by password and at another port, which its runs show.
WATCHED = tuple(name for name in HOSTS if name != "other")
# Guests by their bridge, with host and network: the first has LXD's own rules, the second is declared in the inventory.
GUESTS = {"lxdbr0": ("neighbour", "10.158.0"), "incusbr0": ("control", "10.158.1"), "lxdbr1": ("control", "10.159.0")}
UBUNTU = {
    "NAME": "Ubuntu",
    "ID": "ubuntu",
    "ID_LIKE": "debian",
    "VERSION_ID": "24.04",
    "VERSION_CODENAME": "noble",
    "UBUNTU_CODENAME": "noble",
    "PRETTY_NAME": '"Ubuntu 24.04.3 LTS"',
}
PHOTOS = {f"{number}.jpg": f"photo {number}\n" for number in range(6)}


def prepare() -> dict[str, Snapshot]:
    """Prepare each host as its name says; return a snapshot of each before the first run."""
    run_lab("exec", "laptop", "--", "tailscale", "set", "--accept-dns=false")
    at_once(
        [
            lambda: situation("own_files", "owner"),
            lambda: situation("second_tailscaled", "second"),
            lambda: situation("cloud_rules", "cloud"),
            lambda: situation("taken_name", "taken"),
            prepare_control,
            lambda: older_copy("disks"),
            prepare_neighbour,
            lambda: situation("own_syncthing", "busy"),
            lambda: situation("no_tun", "notun"),
            lambda: situations(("old_syncthing", "ancient"), ("contradiction", "ancient")),
            prepare_messy,
            prepare_other,
            prepare_slow,
        ]
    )
    snapshots: dict[str, Snapshot] = {}
    at_once([lambda name=name: snapshots.update({name: snapshot(name)}) for name in HOSTS])  # type: ignore[misc]
    return snapshots


def prepare_control() -> None:
    situations(("forwarder", "control"), ("listener", "control", "caddy", "443"))
    situations(*(("guest", host, bridge, network) for bridge, (host, network) in GUESTS.items() if host == "control"))


def prepare_neighbour() -> None:
    situation("harmless_rules", "neighbour")
    situations(("other_users", "neighbour"), ("listener", "neighbour", "smbd", "445"))
    situations(("guest", "neighbour", "lxdbr0", GUESTS["lxdbr0"][1]), ("ufw_docker", "neighbour"))


def guests_networks() -> dict[str, Network]:
    return {bridge: network_of(host, bridge, network) for bridge, (host, network) in GUESTS.items()}


def prepare_messy() -> None:
    run_lab("exec", "messy", "--", "apt-get", "install", "-y", "-qq", "curl")
    situation("messy", "messy")


def prepare_other() -> None:
    situations(("harmless_rules", "other"), ("listener", "other", "smbd", "445"), ("own_files", "other"), ("german", "other"))
    situations(("ssh_port", "other"), ("password_logins", "other", "the-password-of-a-login", "the-password-of-root"))
    address = json.loads(run_lab("status").stdout)["machines"]["other"]["ipv4"]
    (LABS / "ssh_config").write_text(f"Host {address}\n  Port 2222\n", encoding="ascii")
    known = LABS / "known_hosts"
    key = next(line.split(" ", 1)[1] for line in known.read_text(encoding="ascii").splitlines() if line.startswith(f"{address} "))
    with known.open("a", encoding="ascii") as file:
        file.write(f"[{address}]:2222 {key}\n")


def prepare_slow() -> None:
    situation("os_release", "slow", *(f"{key}={value}" for key, value in UBUNTU.items()))
    situations(
        ("another_interpreter", "slow"),
        ("no_keyrings", "slow"),
        ("slow_sessions", "slow"),
        ("sudo_password", "slow", "the-password-of-sudo"),
    )


def older_copy(name: str) -> None:
    """Prepare an unmounted disk that contains two of the six photos of its folder."""
    situation("os_release", name, "ID=raspbian", "ID_LIKE=debian", "VERSION_ID=13", "VERSION_CODENAME=trixie")
    situation("shared_root", name)
    situation("disk", name)
    situation("plug", name, "usb", "/media/usb")
    for photo in ("0.jpg", "1.jpg"):
        run_lab("exec", name, "--", "mkdir", "-p", "/media/usb/photos/.stfolder")
        put(name, f"/media/usb/photos/{photo}", PHOTOS[photo].encode())
    run_lab("exec", name, "--", "chmod", "-R", "a+rwX", "/media/usb")
    situation("unplug", name, "/media/usb")
