# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Syncthing is found with its home and its port."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import tempfile

from module_call import call
from syncthing_daemon import Daemon, wait_until


def test_running_syncthing_is_found_with_home_and_port(daemon: Daemon) -> None:
    found = call("host_info", syncthing_addresses=[f"tcp://127.0.0.1:{daemon.port}"])["syncthings"]
    (one,) = [one for one in found["daemons"] if one["home"] == str(daemon.home)]
    (held,) = found["holders"]
    assert held["pid"] in one["pids"]
    assert (held["process"], held["address"], one["contained"]) == ("syncthing", "127.0.0.1", False)


def test_service_that_systemd_confines_is_in_no_container() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # where every user may run a program
        pathlib.Path(folder).chmod(0o755)
        program = shutil.copy(shutil.which("sleep") or "", f"{folder}/syncthing")  # it does not mind how it is called
        # Its own mounts and another user, as ProtectSystem= and User= make them.
        confined = ["unshare", "--mount", "setpriv", "--reuid=65534", "--clear-groups", "env", "STHOMEDIR=/srv/st"]
        with subprocess.Popen([*confined, program, "60"]) as process:
            try:
                assert wait_until(
                    lambda: pathlib.Path(f"/proc/{process.pid}/comm").read_text(encoding="utf-8") == "syncthing\n", 10
                )
                daemons = call("host_info")["syncthings"]["daemons"]
            finally:
                process.kill()
    (one,) = [one for one in daemons if process.pid in one["pids"]]
    assert (one["user"], one["home"], one["contained"]) == ("nobody", "/srv/st", False)
