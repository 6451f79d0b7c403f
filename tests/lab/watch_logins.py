# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log in to each host with the key, again and again, by its old way or its new one, until stdin ends; then say how it went.

Runs on the laptop: `watch_logins.py KEY NAME=ADDRESS...`. The old way is the address, the new one the address that the
laptop's own tailscaled has for the name. The way that answered last is tried first, and the other one at once where it does not.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
import time

PAUSE = 0.5  # seconds from the end of one login to the beginning of the next
TIMEOUT = 4  # seconds for one login


@dataclasses.dataclass
class Story:
    """What became of the logins to one host."""

    name: str
    address: str
    logins: int = 0
    apart: float = 0.0  # the longest time between the end of one and the beginning of the next
    ways: list[str] = dataclasses.field(default_factory=list)
    failures: list[str] = dataclasses.field(default_factory=list)


def tailnet_address(name: str) -> str:
    done = subprocess.run(["tailscale", "ip", "-4", name], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def log_in(key: str, address: str) -> str:
    """Nothing, or why not."""
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


def watch(story: Story, key: str, ended: threading.Event) -> None:
    way, last = "lan", time.monotonic()
    while not ended.is_set():
        reasons: list[str] = []
        story.apart = max(story.apart, time.monotonic() - last)
        for attempt in (way, "tailnet" if way == "lan" else "lan"):
            address = story.address if attempt == "lan" else tailnet_address(story.name)
            reason = log_in(key, address) if address else "no such node"
            if not reason:
                way = attempt
                break
            reasons.append(f"{attempt}: {reason}")
        last = time.monotonic()
        if len(reasons) == 2:
            story.failures.append(f"{time.strftime('%H:%M:%S')} {'; '.join(reasons)}")
        else:
            story.logins += 1
            if story.ways[-1:] != [way]:
                story.ways.append(way)
        ended.wait(PAUSE)


def main() -> None:
    key, *hosts = sys.argv[1:]
    stories = [Story(name, address) for name, _equals, address in (host.partition("=") for host in hosts)]
    ended = threading.Event()
    threads = [threading.Thread(target=watch, args=(story, key, ended)) for story in stories]
    for thread in threads:
        thread.start()
    print("watching", flush=True)
    sys.stdin.read()
    ended.set()
    for thread in threads:
        thread.join()
    print(json.dumps({story.name: dataclasses.asdict(story) for story in stories}))


main()
