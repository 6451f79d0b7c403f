# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Impossible combinations of variables are refused before any host is touched."""

from __future__ import annotations

import typing as t

import pytest
from testinfra.host import Host


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"tailscale_package_source": "static"}, ["tailscale_version", "tailscale_static_checksum"]),
        ({"tailscale_port": 70000}, ["tailscale_port is 70000"]),
        ({"tailscale_daemon_flags": ["--port=1"]}, ["tailscale_daemon_flags", "tailscale_port"]),
        ({"tailscale_daemon_flags": ['--verbose=1" PORT="1']}, ["tailscale_daemon_flags", "quotation marks"]),
        ({"tailscale_repository_key_url": "/etc/key"}, ["tailscale_repository_key_url is '/etc/key'"]),
        ({"tailscale_package_source": "vendors"}, ["tailscale_package_source", "distribution"]),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)
def test_bad_variables_are_refused_before_any_login(
    play: t.Any, lab_hosts: dict[str, Host], variables: dict[str, t.Any], words: list[str]
) -> None:
    logins = "journalctl --unit ssh --no-pager | grep -c Accepted || true"
    before = lab_hosts["pi"].check_output(logins)
    run = play("site.yml", "--limit", "pi", variables=variables)
    assert run.code != 0
    said = " ".join(run.output.split())
    assert all(word in said for word in words), run.output
    assert lab_hosts["pi"].check_output(logins) == before, "the host was logged in to"
