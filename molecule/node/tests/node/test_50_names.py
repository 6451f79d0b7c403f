# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role stops if the tailnet gives a host another name than the one that later runs use."""

from __future__ import annotations

import typing as t

import pytest

ROLE = "molecule/node/role.yml"


@pytest.fixture
def role(play: t.Any) -> t.Callable[..., t.Any]:
    def run(*arguments: str, **variables: t.Any) -> t.Any:
        return play(ROLE, "--limit", "pi", *arguments, variables=variables)

    return run


def test_name_of_another_machine_is_refused(play: t.Any, role: t.Any, status: t.Any) -> None:
    assert play(ROLE, "--limit", "nas,pi").code == 0
    address = status("nas")["TailscaleIPs"][0]
    check = role("--check", tailscale_hostname="nas")
    assert (check.code, check.changed) == (0, {"pi": 1}), "check mode does not rename the node"
    for _twice in range(2):
        run = role(tailscale_hostname="nas")
        assert run.code != 0
        said = " ".join(run.output.split())
        for words in (
            "calls this host nas-1 and not nas",
            f"another machine has that name ({address}",
            "tailscale_hostname: nas-1",
        ):
            assert words in said, run.output
    assert role(tailscale_hostname="NAS-1").code == 0, "the control server writes it in lower case"
    back = role()
    assert back.code == 0, back.output
    assert status("pi")["Self"]["DNSName"].startswith("pi.")


def test_name_changed_on_the_control_server_is_refused(lab: t.Any, role: t.Any, status: t.Any, eventually: t.Any) -> None:
    assert role().code == 0
    lab("coordinator", "rename", "pi pie")
    assert eventually(lambda: status("pi")["Self"]["DNSName"].startswith("pie."), 10)
    run = role()
    assert run.code != 0
    assert "calls this host pie and not pi" in " ".join(run.output.split())
    lab("coordinator", "rename", "pie pi")
    assert eventually(lambda: status("pi")["Self"]["DNSName"].startswith("pi."), 10)
    assert role().code == 0
