# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's repository and the distribution's package on Debian; tailscaled's settings; removal."""

from __future__ import annotations

import typing as t

import pytest
from artefacts import TAILSCALE_OLDER as OLDER
from testinfra.host import Host

MIRROR = "http://172.31.77.3"
LIST = "/etc/apt/sources.list.d/tailscale.list"
KEYRING = "/usr/share/keyrings/tailscale-archive-keyring.gpg"
MIRRORS = "/usr/share/keyrings/tailscale-mirror.gpg"
SETTINGS = "/etc/default/tailscaled"


@pytest.fixture
def pi(lab_hosts: dict[str, Host]) -> Host:
    return lab_hosts["pi"]


def installed(host: Host) -> str:
    return str(host.run("dpkg-query -W -f '${Version}' tailscale").stdout)


def test_repository_key_is_fetched_from_its_url_and_a_failed_run_is_repeated(role: t.Any, settle: t.Any, pi: Host) -> None:
    nowhere = role("pi", tailscale_repository_key_url=f"{MIRROR}/nowhere.gpg")
    assert nowhere.code != 0
    assert "nowhere.gpg" in nowhere.output
    assert not pi.package("tailscale").is_installed
    settle("pi", tailscale_repository_key_url=f"{MIRROR}/debian/keyring.gpg", tailscale_version=OLDER, tailscale_hold=True)
    assert installed(pi) == OLDER
    assert pi.check_output("apt-mark showhold") == "tailscale"
    assert f"[signed-by={MIRRORS}] {MIRROR}/tailscale/stable/debian trixie main" in pi.file(LIST).content_string
    assert pi.package("tailscale-archive-keyring").is_installed, "without it `tailscale update` fails when the key changes"
    assert pi.service("tailscaled").is_enabled


def test_version_is_changed_over_the_tailnet(role: t.Any, settle: t.Any, pi: Host) -> None:
    settle("pi", tailscale_version="latest", over_tailnet=True)
    newest = installed(pi)
    assert newest != OLDER
    assert pi.check_output("apt-mark showhold") == ""
    down = role("pi", tailscale_version=OLDER, over_tailnet=True)
    assert (down.code, installed(pi)) == (0, OLDER), down.output
    left_alone = role("pi", over_tailnet=True)
    assert (left_alone.changed, installed(pi)) == ({"pi": 0}, OLDER), "no version is declared"


def test_repository_with_a_wrong_signature_is_refused_and_then_corrected(role: t.Any, pi: Host) -> None:
    before = installed(pi)
    bad = role("pi", tailscale_version="latest", tailscale_repository_url=f"{MIRROR}/tailscale-badly-signed")
    assert bad.code != 0
    assert "badly-signed" in bad.output
    assert installed(pi) == before
    good = role("pi")
    assert (good.code, installed(pi)) == (0, before), good.output


def test_wrong_repository_key_is_replaced_although_it_is_newer(role: t.Any, pi: Host) -> None:
    own: dict[str, t.Any] = {"tailscale_repository_key_url": f"{MIRROR}/debian/keyring.gpg", "tailscale_version": OLDER}
    # The vendor's package leaves its keyring next to that of a mirror with another signing key.
    pi.check_output(f"echo wrong > {KEYRING}")
    mirror = role("pi", **own)
    assert (mirror.code, installed(pi)) == (0, OLDER), mirror.output
    # The repository is configured already, so only apt's error shows the wrong key.
    pi.check_output(f"echo wrong > {MIRRORS}")
    newest = role("pi", **{**own, "tailscale_version": "latest"})
    assert (newest.code, installed(pi) != OLDER) == (0, True), newest.output
    vendors = role("pi", tailscale_version=OLDER)
    assert (vendors.code, installed(pi)) == (0, OLDER), vendors.output
    assert pi.run(f"grep -qx wrong {KEYRING}").failed


def test_port_and_flags_change_over_the_tailnet_and_other_lines_are_kept(
    role: t.Any, settle: t.Any, pi: Host, daemon: t.Any, udp_ports: t.Any
) -> None:
    before = pi.file(SETTINGS).content_string
    assert "ANSIBLE" not in before, "unchanged settings are the package's"
    assert udp_ports("pi") == {41641}
    pi.check_output(f"echo 'SOMETHING_ELSE=1' >> {SETTINGS}")
    settings: dict[str, t.Any] = {"tailscale_port": 41999, "tailscale_daemon_flags": ["--verbose=1"], "over_tailnet": True}
    settle("pi", **settings)
    assert udp_ports("pi") == {41999}
    assert "--port=41999 --verbose=1" in daemon("pi")
    assert "SOMETHING_ELSE=1" in pi.file(SETTINGS).content_string
    running = daemon("pi")
    # The state after a run that died between the change and the restart.
    pi.check_output(f"sed -i 's/^FLAGS=\"--verbose=1\"$/&\\n# tailscaled has not been started with this yet./' {SETTINGS}")
    again = role("pi", **settings)
    assert (again.code, daemon("pi") != running) == (0, True), again.output
    assert role("pi", over_tailnet=True).code == 0
    assert pi.file(SETTINGS).content_string == f"{before}SOMETHING_ELSE=1\n"
    assert udp_ports("pi") == {41641}


def test_tailscaled_that_failed_too_often_is_started_once_the_cause_is_gone(role: t.Any, pi: Host) -> None:
    limit = "/etc/systemd/system/tailscaled.service.d/limit.conf"  # systemd's own 10 s are over before the role is there
    pi.check_output(f"printf '[Unit]\\nStartLimitIntervalSec=300\\n' >{limit}; systemctl daemon-reload")
    pi.check_output(f"cp -p {SETTINGS} {SETTINGS}.good; echo 'FLAGS=--no-such-flag' >>{SETTINGS}")
    pi.run("for _ in 1 2 3 4 5 6 7; do systemctl restart tailscaled; done")
    pi.check_output(f"mv {SETTINGS}.good {SETTINGS}")
    assert pi.run("systemctl start tailscaled").failed, "systemd refuses to start it again"
    done = role("pi")
    assert (done.code, pi.service("tailscaled").is_running) == (0, True), done.output
    pi.check_output(f"rm {limit}; systemctl daemon-reload")


def test_uninstalling_over_the_tailnet_is_refused_before_a_change(role: t.Any, pi: Host) -> None:
    for arguments in (["--check"], []):
        refused = role("pi", *arguments, tailscale_state="absent", over_tailnet=True)
        assert refused.code != 0
        assert "over the tailnet" in refused.output
        assert pi.run("tailscale ip -4").succeeded
    assert pi.package("tailscale").is_installed
    another_way: dict[str, t.Any] = {"tailscale_state": "absent", "tailscale_preferences": {"accept_risk": True}}
    allowed = role("pi", "--check", over_tailnet=True, **another_way)
    assert (allowed.code, allowed.changed["pi"] > 0) == (0, True), allowed.output


def test_uninstalling_keeps_the_nodes_state_and_purging_removes_it(role: t.Any, settle: t.Any, pi: Host) -> None:
    settle("pi", tailscale_state="absent", tailscale_hold=True)
    for package in ("tailscale", "tailscale-archive-keyring"):
        assert not pi.package(package).is_installed
    for path in (LIST, KEYRING, MIRRORS, "/usr/bin/tailscale"):
        assert not pi.file(path).exists
    assert pi.run("pgrep tailscaled").failed
    assert pi.file("/var/lib/tailscale/tailscaled.state").exists
    assert pi.file("/etc/systemd/system/tailscaled.service.d/lab.conf").exists, "files of other programs are kept"
    assert role("pi", tailscale_state="absent", tailscale_purge_state=True).code == 0
    for path in ("/var/lib/tailscale", SETTINGS):
        assert not pi.file(path).exists


def test_distributions_package_is_exchanged_for_the_vendors_and_back(role: t.Any, settle: t.Any, pi: Host) -> None:
    settle("pi", tailscale_package_source="distribution")
    assert installed(pi) == OLDER
    assert not pi.file(LIST).exists
    vendors = role("pi", tailscale_version="latest")
    assert (vendors.code, installed(pi) != OLDER, pi.file(LIST).exists) == (0, True, True), vendors.output
    back = role("pi", tailscale_package_source="distribution", tailscale_version=OLDER)
    assert (back.code, installed(pi), pi.file(LIST).exists) == (0, OLDER, False), back.output
