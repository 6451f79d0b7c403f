# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another tailscaled on the host is refused before the first change, or used; its connections are never cut off."""

from __future__ import annotations

import typing as t

import pytest
from testinfra.host import Host

SOCKET = "/run/ts2.sock"
CONTROL = "http://172.31.77.2:8080"
START = f"""
systemctl stop tailscaled
mkdir -p /var/lib/ts2
export TS_NO_LOGS_NO_SUPPORT=true
setsid /usr/sbin/tailscaled --statedir=/var/lib/ts2 --socket={SOCKET} --tun=tailscale0 >/dev/null 2>&1 &
echo $! >/run/ts2.pid
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -S {SOCKET} ] && break; sleep 0.5; done
tailscale --socket={SOCKET} up --login-server={CONTROL} --auth-key=%s --hostname=second --timeout=20s
"""


@pytest.fixture
def address(role: t.Any, lab: t.Any, lab_hosts: dict[str, Host], eventually: t.Any) -> t.Iterator[str]:
    """The address of a second tailscaled, which connects the host to the tailnet."""
    first = role("pi")
    assert first.code == 0, first.output
    pi = lab_hosts["pi"]
    pi.check_output(START % lab("auth-key").stdout.strip())
    yield pi.check_output(f"tailscale --socket={SOCKET} ip -4")
    pi.check_output(f"kill $(cat /run/ts2.pid); rm -rf /var/lib/ts2 {SOCKET}")
    assert eventually(lambda: not pi.file("/sys/class/net/tailscale0").exists, 10)
    pi.check_output("systemctl start tailscaled")


def test_another_tailscaled_is_refused_or_used_if_declared(
    play: t.Any, role: t.Any, lab_hosts: dict[str, Host], address: str
) -> None:
    pi, laptop = lab_hosts["pi"], lab_hosts["laptop"]
    for run in (role("pi"), role("pi", "--check"), play("site.yml", "--limit", "pi")):
        assert run.code != 0
        assert run.changed == {"pi": 0}, run.output
        said = " ".join(run.output.split())
        for words in ("another Tailscale is on this host", "--statedir=/var/lib/ts2", f"tailscale_socket: {SOCKET}"):
            assert words in said, run.output
    assert address in pi.check_output("ip -4 address show dev tailscale0")
    assert laptop.run(f"nc -z -w 5 {address} 22").succeeded
    assert not pi.service("tailscaled").is_running

    given = {"tailscale_package_source": "none", "tailscale_socket": SOCKET, "tailscale_hostname": "second"}
    for _twice in range(2):
        used = role("pi", **given)
        assert (used.code, used.changed) == (0, {"pi": 0}), used.output
    assert laptop.run(f"nc -z -w 5 {address} 22").succeeded
    absent = role("pi", **{**given, "tailscale_socket": "/run/nothing.sock"})
    assert absent.code != 0
    assert f"its socket is {SOCKET}" in " ".join(absent.output.split())


def test_tailscaled_of_the_package_is_accepted(role: t.Any, lab_hosts: dict[str, Host]) -> None:
    for state in ("stop", "start"):
        lab_hosts["pi"].check_output(f"systemctl {state} tailscaled")
        run = role("pi", tailscale_auth_key="")
        assert run.code == 0, run.output
        assert lab_hosts["pi"].service("tailscaled").is_running
