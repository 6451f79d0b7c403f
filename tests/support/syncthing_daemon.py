# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Syncthing on loopback.

The engine is called as the modules call it. The tests then read Syncthing's configuration with
a plain HTTP client that shares no code with it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import typing as t
import urllib.request

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _apply, _identity, _info, _tables
from jinja2 import Environment, StrictUndefined
from module_call import params

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATE = CHECKOUT / "roles" / "syncthing" / "templates" / "config.xml.j2"
VERSIONS = {"bookworm": "v1.19.2", "trixie": "v1.29.5"}
START_TIMEOUT = 30  # seconds
Json = t.Dict[str, t.Any]  # noqa: UP006
# A separate opener: ansible-core replaces the default opener of the process.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def session_of(leader: int) -> list[int]:
    """The processes of a session; the main process of Syncthing leaves the process group (proc(5), stat)."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _parent, _group, session = stat.read_text(encoding="utf-8").rsplit(")", 1)[1].split()[:4]
            # A zombie whose threads are still ending keeps its files open and locked.
            dead = state == "Z" and len(list((stat.parent / "task").iterdir())) == 1
            if int(session) == leader and not dead:
                found.append(int(stat.parent.name))
    return found


@dataclasses.dataclass
class Daemon:
    """One Syncthing with a separate home."""

    program: pathlib.Path
    home: pathlib.Path
    gui: int = dataclasses.field(default_factory=free_port)
    port: int = dataclasses.field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    device_id: str = ""

    def first_boot(self) -> Json:
        """Do what the role does before the first start, with its template and its module's engine."""
        template = Environment(undefined=StrictUndefined, autoescape=False).from_string(TEMPLATE.read_text(encoding="utf-8"))
        configuration = template.render(
            __syncthing_gui_first=f"127.0.0.1:{self.gui}",
            __syncthing_gui_permissions="",
            syncthing_listen_addresses=[self.address],
        )
        params = {
            "home": str(self.home),
            "owner": getpass.getuser(),
            "configuration": configuration,
            "api_key": None,
            "certificate": None,
            "private_key": None,
        }
        result = _identity.apply(params, check_mode=False, syncthing=str(self.program))
        self.device_id = result["device_id"]
        return result

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [str(self.program), "serve", f"--home={self.home}", "--no-browser", "--no-restart"]
        log = (self.home / "log").open("ab")
        environment = {**os.environ, "STHASHING": "standard"}  # 1.19 otherwise measures which is fastest: 0.9 s at each start
        # Syncthing's monitor process restarts the main process, so both have to end.
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        log.close()

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process is not None:
            leader = self.process.pid
            for pid in session_of(leader):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)
            self.process.wait(timeout=30)
            assert wait_until(lambda: not session_of(leader), 10), "a process of Syncthing still runs and locks its database"
            self.process = None

    def get(self, path: str) -> t.Any:
        """Send a GET request with the tests' own client."""
        key = re.search("<apikey>(.+)</apikey>", (self.home / "config.xml").read_text(encoding="utf-8"))
        assert key
        request = urllib.request.Request(f"http://127.0.0.1:{self.gui}/rest/{path}", headers={"X-API-Key": key.group(1)})
        with OPENER.open(request, timeout=10) as answer:
            return json.load(answer)

    def change(self, method: str, path: str, body: t.Any) -> None:
        """Change the configuration as the web interface does."""
        key = re.search("<apikey>(.+)</apikey>", (self.home / "config.xml").read_text(encoding="utf-8"))
        assert key
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.gui}/rest/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-API-Key": key.group(1), "Content-Type": "application/json"},
        )
        OPENER.open(request, timeout=10).close()

    def get_config_after_restart(self) -> Json:
        """Repeat the request, since the web interface does not answer while it restarts."""
        assert wait_until(lambda: self.get("config"), START_TIMEOUT)
        return dict(self.get("config"))

    def folder(self, folder_id: str) -> Json:
        return next(folder for folder in self.get("config/folders") if folder["id"] == folder_id)

    def device(self, name: str) -> Json:
        return next(device for device in self.get("config/devices") if device["name"] == name)

    def cluster(self, check_mode: bool = False, **options: t.Any) -> Json:
        """Run the engine of the module syncthing_cluster with these options."""
        spec = {**_tables.CONNECTION, **_tables.CLUSTER}
        return _apply.apply(params(spec, home=str(self.home), **options), check_mode)

    def look(self) -> Json:
        return _info.gather({"home": str(self.home), "timeout": 30})


def wait_until(condition: t.Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except OSError:
            pass
        time.sleep(0.1)
    return bool(condition())
