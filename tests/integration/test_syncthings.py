# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Syncthing is found with its home and its port."""

from __future__ import annotations

from module_call import call
from syncthing_daemon import Daemon


def test_running_syncthing_is_found_with_home_and_port(daemon: Daemon) -> None:
    found = call("host_info", syncthing_addresses=[f"tcp://127.0.0.1:{daemon.port}"])["syncthings"]
    (one,) = [one for one in found["daemons"] if one["home"] == str(daemon.home)]
    (held,) = found["holders"]
    assert held["pid"] in one["pids"]
    assert (held["process"], held["address"], one["contained"]) == ("syncthing", "127.0.0.1", False)
