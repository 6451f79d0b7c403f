# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
import typing as t

import pytest
from testinfra.host import Host

pytest_plugins = ["lab_fixtures"]
# inventories/lab sets the lab's mirror and coordinator; the tests set all other variables.
PLAYBOOK = "molecule/install/role.yml"


@pytest.fixture(scope="session")
def role(play: t.Any, lab: t.Any) -> t.Callable[..., t.Any]:
    """Run the role tailscale on one host: role("pi", "--check", tailscale_port=1)."""

    def run(host: str, *arguments: str, **variables: t.Any) -> t.Any:
        done = play(PLAYBOOK, "--limit", host, *arguments, variables=variables)
        if variables.get("tailscale_purge_state") and "--check" not in arguments and done.changed.get(host):
            # Without its state the host joins as a new machine, so remove the old one, as an administrator would.
            lab("coordinator", "delete", host)
        return done

    return run


@pytest.fixture(scope="session")
def settle(role: t.Any) -> t.Callable[..., t.Any]:
    """Run the role in check mode, for real, and again: check mode predicts the change, the second run changes nothing."""

    def run(host: str, **variables: t.Any) -> t.Any:
        check = role(host, "--check", "--diff", **variables)
        assert (check.code, check.changed[host] > 0) == (0, True), check.output
        first = role(host, **variables)
        assert (first.code, first.changed[host] > 0) == (0, True), first.output
        second = role(host, **variables)
        assert (second.code, second.changed[host]) == (0, 0), second.output
        return first

    return run


@pytest.fixture(scope="session")
def daemon(lab_hosts: dict[str, Host]) -> t.Callable[[str], str]:
    """The process ID and command line of the running tailscaled."""

    def of(host: str) -> str:
        return str(lab_hosts[host].check_output("pgrep --list-full --exact tailscaled || true"))

    return of


@pytest.fixture(scope="session")
def udp_ports(lab_hosts: dict[str, Host]) -> t.Callable[[str], set[int]]:
    """The UDP ports that tailscaled listens on for all addresses."""

    def of(host: str) -> set[int]:
        lines = lab_hosts[host].check_output("ss -H -ulnp").splitlines()
        return {
            int(found.group(1))
            for line in lines
            if "tailscaled" in line and (found := re.search(r"(?:0\.0\.0\.0|\*):(\d+) ", line))
        }

    return of
