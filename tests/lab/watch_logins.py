# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log in to each host repeatedly, over the LAN or the tailnet, until stdin ends; then print the results.

Runs on the laptop: `watch_logins.py KEY NAME=ADDRESS...`. ADDRESS is the one on the LAN; the laptop's tailscaled knows the
one in the tailnet. The path that worked last is tried first, and the other one at once if it fails.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
import time

PAUSE = 0.5  # seconds between the end of one login and the start of the next
TIMEOUT = 4  # seconds for one login


@dataclasses.dataclass
class Results:
    """The results of the logins to one host."""

    name: str
    address: str
    logins: int = 0
    longest_gap: float = 0.0  # the longest time between the end of one login and the start of the next
    paths: list[str] = dataclasses.field(default_factory=list)
    failures: list[str] = dataclasses.field(default_factory=list)


def tailnet_address(name: str) -> str:
    done = subprocess.run(["tailscale", "ip", "-4", name], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def log_in(key: str, address: str) -> str:
    """Log in once; return an empty string, or the reason why it failed."""
    command = [
        *("ssh", "-F", "none", "-i", key, "-o", "BatchMode=yes", "-o", f"ConnectTimeout={TIMEOUT}"),
        *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"),
        *(f"admin@{address}", "true"),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT + 2, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return "timed out"
    return "" if done.returncode == 0 else done.stderr.strip() or f"ended with {done.returncode}"


def watch(results: Results, key: str, ended: threading.Event) -> None:
    path, last = "lan", time.monotonic()
    while not ended.is_set():
        reasons: list[str] = []
        results.longest_gap = max(results.longest_gap, time.monotonic() - last)
        for attempt in (path, "tailnet" if path == "lan" else "lan"):
            address = results.address if attempt == "lan" else tailnet_address(results.name)
            reason = log_in(key, address) if address else "no such node"
            if not reason:
                path = attempt
                break
            reasons.append(f"{attempt}: {reason}")
        last = time.monotonic()
        if len(reasons) == 2:
            results.failures.append(f"{time.strftime('%H:%M:%S')} {'; '.join(reasons)}")
        else:
            results.logins += 1
            if results.paths[-1:] != [path]:
                results.paths.append(path)
        ended.wait(PAUSE)


def main() -> None:
    key, *hosts = sys.argv[1:]
    stories = [Results(name, address) for name, _equals, address in (host.partition("=") for host in hosts)]
    ended = threading.Event()
    threads = [threading.Thread(target=watch, args=(results, key, ended)) for results in stories]
    for thread in threads:
        thread.start()
    print("watching", flush=True)
    sys.stdin.read()
    ended.set()
    for thread in threads:
        thread.join()
    print(json.dumps({results.name: dataclasses.asdict(results) for results in stories}))


main()
