# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A steady host needs no step, and every difference gives a step: one row for each difference."""

from __future__ import annotations

import hashlib
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import tailscale_steps
from variations import TAILSCALE_WANTED, changed

WANTED = {**TAILSCALE_WANTED, "static_checksum": "sha256:0"}
LIST, REPO = "/etc/apt/sources.list.d/tailscale.list", "/etc/yum.repos.d/tailscale.repo"
KEYRING = "/usr/share/keyrings/tailscale-archive-keyring.gpg"
CURRENT = "/opt/tailscale/current"
SETTINGS = "/etc/default/tailscaled"
LIST_TEXT = (
    "# Managed by Ansible (homelab.tailsync.tailscale).\n"
    "deb [signed-by=/usr/share/keyrings/tailscale-archive-keyring.gpg] https://pkgs.tailscale.com/stable/debian trixie main\n"
)
REPO_TEXT = """\
# Managed by Ansible (homelab.tailsync.tailscale).
[tailscale-stable]
name=Tailscale stable
baseurl=https://pkgs.tailscale.com/stable/fedora/$basearch
enabled=1
type=rpm
repo_gpgcheck=1
gpgcheck=1
gpgkey=https://pkgs.tailscale.com/stable/fedora/repo.gpg
"""
UNIT = {"name": "tailscaled.service", "active": True, "enabled": True}
RUNNING = {"status": {"BackendState": "Running", "HaveNodeKey": True, "Self": {}}, "prefs": {"WantRunning": True}}
ALL = ["install", "service"]


def file(text: str = "", mode: str = "0644", **others: t.Any) -> dict[str, t.Any]:
    return {"kind": "file", "mode": mode, "sha256": hashlib.sha256(text.encode()).hexdigest(), **others}


def look(manager: str, packages: dict[str, t.Any], files: dict[str, t.Any], **system: t.Any) -> dict[str, t.Any]:
    usual = {"distribution": "Debian", "distribution_release": "trixie", "architecture": "x86_64", "userspace_bits": "64"}
    return {
        "system": {"pkg_mgr": manager, "service_mgr": "systemd", "os_release": "ID=debian\n", **usual, **system},
        "packages": packages,
        "files": {LIST: None, REPO: None, KEYRING: None, CURRENT: None, SETTINGS: file(blocks=[]), **files},
        "tailscaled": {"unit": UNIT, "node": RUNNING},
    }


DEBIAN = look(
    "apt",
    {"tailscale": {"version": "1.88.4", "held": False}, "tailscale-archive-keyring": {"version": "1.35.181", "held": False}},
    {LIST: file(LIST_TEXT), KEYRING: file("key")},
)
FEDORA = look("dnf", {"tailscale": {"version": "1.88.4", "release": "1"}}, {REPO: file(REPO_TEXT)}, distribution="Fedora")
ARCH = look("pacman", {"tailscale": {"version": "1.88.4-1"}}, {}, distribution="Archlinux")
ALPINE = look(
    "apk", {"tailscale": {"world": ["tailscale~1.88.4"]}}, {}, distribution="Alpine", service_mgr="openrc"
)  # fmt: skip
ANY_ON_ALPINE = {**ALPINE, "packages": {"tailscale": {"world": ["tailscale"]}}}
ARCHIVE = look("apt", {}, {CURRENT: {"kind": "link", "mode": "0777", "target": "/opt/tailscale/1.88.4-amd64"}})
STATIC = {"source": "static", "version": "1.88.4"}


def steps(found: dict[str, t.Any], **wanted: t.Any) -> list[str]:
    everything = {**WANTED, **wanted}
    plan = tailscale_steps.plan(found["system"], everything)
    assert plan["problem"] == ""
    return tailscale_steps.steps(found, plan, everything)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (DEBIAN, {}),
        (DEBIAN, {"version": "1.88.4"}),
        (FEDORA, {}),
        (FEDORA, {"version": "1.88.4"}),
        (FEDORA, {"version": "1.88.4-1"}),
        (ARCH, {}),
        (ARCHIVE, STATIC),
        (DEBIAN, {"source": "none"}),
    ],
)
def test_steady_host_needs_no_tailscale_step(found: dict[str, t.Any], wanted: dict[str, t.Any]) -> None:
    assert steps(found, **wanted) == []


def test_service_step_is_always_needed_with_openrc() -> None:
    assert steps(ALPINE, version="1.88.4", hold=True) == ["service"]


@pytest.mark.parametrize(
    ("found", "wanted", "due"),
    [
        (DEBIAN, {"version": "latest"}, ALL),
        (DEBIAN, {"version": "1.90.0"}, ALL),
        (DEBIAN, {"version": "1.88.*"}, ALL),  # in doubt
        (DEBIAN, {"hold": True}, ALL),
        (DEBIAN, {"source": "distribution"}, ALL),
        (DEBIAN, {"repository_url": "https://mirror.example"}, ALL),
        (DEBIAN, {"repository_track": "unstable"}, ALL),
        (DEBIAN, {"repository_key_url": "https://mirror.example/key.gpg"}, ALL),
        (DEBIAN, STATIC, ALL),
        (DEBIAN, {"port": 41642}, ["service"]),
        (DEBIAN, {"daemon_flags": ["--verbose=1"]}, ["service"]),
        (DEBIAN, {"userspace_networking": True}, ["service"]),
        (FEDORA, {"version": "latest"}, ALL),
        (FEDORA, {"version": "1.90.0"}, ALL),
        (FEDORA, {"hold": True}, ALL),
        (FEDORA, {"source": "distribution"}, ALL),
        (FEDORA, {"repository_track": "unstable"}, ALL),
        (ALPINE, {"version": "1.90"}, ALL),
        (ALPINE, {"version": "latest"}, ALL),
        (ALPINE, {}, ALL),
        (ANY_ON_ALPINE, {"version": "latest"}, ALL),
        (ARCHIVE, {**STATIC, "version": "1.90.0"}, ALL),
        (ARCHIVE, {}, ["install", "replace_archive", "service"]),
    ],
)
def test_changed_variable_gives_a_tailscale_step(found: dict[str, t.Any], wanted: dict[str, t.Any], due: list[str]) -> None:
    assert steps(found, **wanted) == due


@pytest.mark.parametrize(
    ("found", "path", "value", "due"),
    [
        (DEBIAN, "packages|tailscale", KeyError, ALL),
        (DEBIAN, "packages|tailscale-archive-keyring", KeyError, ALL),
        (DEBIAN, "packages|tailscale|held", True, ALL),
        (DEBIAN, f"files|{LIST}", None, ALL),
        (DEBIAN, f"files|{LIST}", file(LIST_TEXT + "deb x\n"), ALL),
        (DEBIAN, f"files|{LIST}", file(LIST_TEXT, "0600"), ALL),
        (DEBIAN, f"files|{LIST}", {"kind": "link", "mode": "0777", "target": "/srv/list"}, ALL),
        (DEBIAN, f"files|{KEYRING}", None, ALL),
        (DEBIAN, f"files|{KEYRING}", file("key", "0600"), ALL),
        (DEBIAN, f"files|{CURRENT}", {"kind": "link", "mode": "0777", "target": "none-yet"}, ["replace_archive", "service"]),
        (DEBIAN, f"files|{SETTINGS}", file(blocks=['PORT="1"']), ["service"]),
        (DEBIAN, "tailscaled|unit", None, ["service"]),
        (DEBIAN, "tailscaled|unit|active", False, ["service"]),
        (DEBIAN, "tailscaled|unit|enabled", False, ["service"]),
        (DEBIAN, "tailscaled|unit|name", "other.service", ["service"]),
        (FEDORA, "packages|tailscale", KeyError, ALL),
        (FEDORA, f"files|{REPO}", None, ALL),
        (FEDORA, f"files|{REPO}", file(REPO_TEXT + "excludepkgs=tailscale\n"), ALL),
        (ARCH, "packages|tailscale", KeyError, ALL),
        (ARCHIVE, f"files|{CURRENT}", None, None),
        (ARCHIVE, f"files|{CURRENT}|target", "/opt/tailscale/1.86.0-amd64", None),
    ],
)
def test_difference_on_the_host_gives_a_tailscale_step(
    found: dict[str, t.Any], path: str, value: t.Any, due: list[str] | None
) -> None:
    assert steps(changed(found, (path, value)), **(STATIC if found is ARCHIVE else {})) == (due or ALL)


def test_settings_of_tailscaled_are_compared_exactly() -> None:
    as_wanted = changed(DEBIAN, (f"files|{SETTINGS}", file(blocks=['PORT="41999"\nFLAGS="--verbose=1"'])))
    wanted: dict[str, t.Any] = {"port": 41999, "daemon_flags": ["--verbose=1"]}
    assert steps(as_wanted, **wanted) == []
    # The state after a run that died before the restart.
    marked = 'PORT="41999"\nFLAGS="--verbose=1"\n# tailscaled has not been started with this yet.'
    assert steps(changed(as_wanted, (f"files|{SETTINGS}", file(blocks=[marked]))), **wanted) == ["service"]
    assert steps(changed(as_wanted, (f"files|{SETTINGS}", None)), **wanted) == ["service"]


def test_distributions_package_needs_no_repository() -> None:
    found = changed(DEBIAN, (f"files|{LIST}", None))
    assert steps(found, source="distribution") == []
    assert steps(changed(found, ("packages|tailscale", KeyError)), source="distribution") == ALL


def test_unsupported_package_manager_needs_no_step() -> None:
    found = look("xbps", {}, {}, distribution="Void")
    plan = tailscale_steps.plan(found["system"], WANTED)
    assert "xbps" in plan["problem"]
    assert tailscale_steps.steps(found, plan, WANTED) == []


def test_dnf_repository_holds_the_package() -> None:
    plan = tailscale_steps.plan(FEDORA["system"], {**WANTED, "hold": True})
    assert plan["repository_text"] == f"{REPO_TEXT}excludepkgs=tailscale\n"


@pytest.mark.parametrize(
    ("path", "value", "todo", "may"),
    [
        ("tailscaled|node", RUNNING, [], False),
        ("tailscaled|node", RUNNING, ["service"], True),
        ("tailscaled|node", None, [], True),
        ("tailscaled|node|status|BackendState", "NeedsLogin", [], True),
        ("tailscaled|node|status|BackendState", "Starting", [], True),
        ("tailscaled|node|status|HaveNodeKey", False, [], True),
    ],
)
def test_key_is_needed_only_if_a_login_is_possible(path: str, value: t.Any, todo: list[str], may: bool) -> None:
    wanted = {"login_server": "", "tags": []}
    assert tailscale_steps.may_log_in(changed(DEBIAN, (path, value)), wanted, todo) is may


OTHER_FILE = "/etc/apt/sources.list.d/tailscale.sources"
REPOSITORY = "https://pkgs.tailscale.com/stable/debian"


def apt_source(file: str, key: str, uri: str = REPOSITORY) -> dict[str, t.Any]:
    return {"file": file, "line": 1, "uri": uri, "suite": "trixie", "signed_by": key, "flags": []}


def with_sources(problem: str, *sources: dict[str, t.Any]) -> dict[str, t.Any]:
    return {**DEBIAN, "apt": {"sources": [*sources, apt_source(LIST, KEYRING)], "problem": problem}}


def test_other_source_of_the_vendor_is_replaced_although_tailscale_is_installed() -> None:
    host = with_sources("", apt_source(OTHER_FILE, KEYRING))
    planned = tailscale_steps.plan(host["system"], WANTED)
    assert tailscale_steps.other_sources(host, planned) == [OTHER_FILE]
    assert tailscale_steps.steps(host, planned, WANTED) == ALL
    assert tailscale_steps.rewritten_sources(host, planned, WANTED) == [OTHER_FILE, LIST]
    assert tailscale_steps.source_refusals(host, planned, WANTED) == []


def test_contradiction_of_others_matters_only_if_tailscale_is_installed_now() -> None:
    pair = [apt_source(f"/etc/apt/sources.list.d/{key}.list", f"/{key}", "http://old.example") for key in "ab"]
    host = with_sources(
        "E: Conflicting values set for option Signed-By regarding source http://old.example/ trixie: a != b", *pair
    )
    planned = tailscale_steps.plan(host["system"], WANTED)
    assert tailscale_steps.source_refusals(host, planned, WANTED) == []
    assert tailscale_steps.rewritten_sources(host, planned, WANTED) == []
    (message,) = tailscale_steps.source_refusals({**host, "packages": {}}, planned, WANTED)
    assert "/a.list:1 and " in message
    for source in ("none", "static"):
        wanted = {**WANTED, "source": source, "version": "1.88.4"}
        assert (
            tailscale_steps.source_refusals({**host, "packages": {}}, tailscale_steps.plan(host["system"], wanted), wanted) == []
        )
