# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Syncthing's service waits for the tailnet address, with old and new versions of Tailscale, and for a limited time."""

from __future__ import annotations

import time
import typing as t

from testinfra.host import Host

UNIT = "syncthing@syncthing"
ADDRESS_TIMEOUT = 8  # seconds
# Answers as Tailscale before 1.96 does.
OLD_TAILSCALE = """\
#!/bin/sh
[ "$1" != wait ] || { echo "tailscale: unknown subcommand: wait" >&2; exit 1; }
exec /usr/bin/tailscale.real "$@"
"""


def state(host: Host) -> str:
    return str(host.run(f"systemctl show --property SubState --value {UNIT}").stdout).strip()


def test_syncthing_starts_once_and_listens_after_a_reboot(
    play: t.Any, lab: t.Any, lab_hosts: dict[str, Host], eventually: t.Any
) -> None:
    pi = lab_hosts["pi"]
    variables = {"role": "syncthing", "syncthing_address_timeout": ADDRESS_TIMEOUT}
    run = play("tests/lab/playbooks/alone.yml", "--limit", "pi", variables=variables)
    assert run.code == 0, run.output
    lab("reboot", "pi")
    assert eventually(lambda: pi.run("tailscale ip -4").succeeded, 30)
    address = pi.check_output("tailscale ip -4")
    assert eventually(lambda: f"{address}:22000" in pi.run("ss -H -ltn").stdout, 30)
    log = pi.check_output(f"journalctl --boot --unit {UNIT} --no-pager")
    assert "cannot assign requested address" not in log
    assert log.count("Starting syncthing") <= 1


def test_syncthing_waits_with_an_old_tailscale_and_starts_after_the_timeout(
    lab_hosts: dict[str, Host], eventually: t.Any
) -> None:
    pi = lab_hosts["pi"]
    pi.check_output("mv /usr/bin/tailscale /usr/bin/tailscale.real")
    pi.check_output("printf %s > /usr/bin/tailscale && chmod 755 /usr/bin/tailscale", OLD_TAILSCALE)
    pi.check_output(f"systemctl mask --runtime --now tailscaled && systemctl restart --no-block {UNIT}")
    time.sleep(2)
    assert state(pi) == "start-pre"
    pi.check_output("systemctl unmask --runtime tailscaled && systemctl start tailscaled")
    assert eventually(lambda: state(pi) == "running", ADDRESS_TIMEOUT - 3)
    pi.check_output(f"systemctl mask --runtime --now tailscaled && systemctl restart --no-block {UNIT}")
    time.sleep(2)
    assert state(pi) == "start-pre"
    assert eventually(lambda: state(pi) == "running", ADDRESS_TIMEOUT + 5)
    pi.check_output("systemctl unmask --runtime tailscaled && systemctl start tailscaled")
    pi.check_output("mv /usr/bin/tailscale.real /usr/bin/tailscale")
