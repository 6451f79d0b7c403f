# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with its own Tailscale declares it, and the other roles work with it."""

from __future__ import annotations

import typing as t

from dirty_fixtures import situation
from testinfra.host import Host

# The run is limited to this host, so it has no peers to pair with.
OWN = {"tailscale_package_source": "none", "tailscale_socket": "/run/ts2.sock", "syncthing_mesh_folders": {}}


def test_other_roles_work_with_a_declared_tailscale(
    bare: None, lab: t.Any, play: t.Any, lab_hosts: dict[str, Host], port_is_open: t.Any, addresses: t.Any
) -> None:
    situation("second_tailscaled", "vps")
    refused = play("site.yml", "--limit", "vps")
    assert refused.code != 0
    assert "tailscale_package_source" in refused.output, refused.output
    assert sum(refused.changed.values()) == 0
    first = play("site.yml", "--limit", "vps", variables=OWN)
    assert first.code == 0, first.output
    again = play("site.yml", "--limit", "vps", variables=OWN)
    assert (again.code, again.changed) == (0, {"vps": 0}), again.output
    vps = lab_hosts["vps"]
    assert not vps.package("tailscale").is_installed
    assert not port_is_open(addresses(vps, "4"), 22)
    lab("reboot", "vps")
    address = vps.check_output("until /opt/tailscale/usr/bin/tailscale --socket=/run/ts2.sock ip -4; do sleep 1; done")
    assert lab_hosts["laptop"].run(f"nc -z -w 30 {address} 22").succeeded
