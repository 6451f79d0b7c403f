# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Search for secrets in every written file, also in short-lived ones. The secrets are on stdin, one a line; ends with stdin.

The kernel passes each written file as an open file (fanotify), so a file that was deleted meanwhile can still be read.
Whole file systems are watched, so files in a service's own mount are found, too. Prints `watching`, then a line of JSON for
each file that contains a secret, and at the end how many files it has read. Needs root and CAP_SYS_ADMIN.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import pathlib
import select
import struct
import sys

# From <linux/fanotify.h>.
FAN_CLOSE_WRITE, FAN_CLOEXEC, FAN_UNLIMITED_QUEUE = 0x08, 0x01, 0x10
FAN_MARK_ADD, FAN_MARK_FILESYSTEM = 0x01, 0x100
EVENT = struct.Struct("=IBBHQii")
AT_FDCWD = -100
WRITABLE = ("overlay", "tmpfs", "ext4", "xfs", "btrfs", "zfs")
READ_LIMIT = 8 << 20  # bytes of a file

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def watch_all() -> tuple[int, list[str]]:
    queue = check(libc.fanotify_init(FAN_CLOEXEC | FAN_UNLIMITED_QUEUE, os.O_RDONLY | os.O_LARGEFILE), "fanotify_init")
    marked = []
    for line in pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        fields, kind = line.split(" - ")[0].split(), line.split(" - ")[1].split()[0]
        if kind in WRITABLE:
            path = fields[4].encode().decode("unicode_escape")
            done = libc.fanotify_mark(
                queue, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, ctypes.c_uint64(FAN_CLOSE_WRITE), AT_FDCWD, path.encode()
            )
            if done == 0:
                marked.append(path)
    return queue, marked


def forms(secret: str) -> list[bytes]:
    """The secret itself, and its base64 forms, one for each offset in the encoded text."""
    plain = secret.encode()
    encoded = [base64.b64encode(b"\0" * shift + plain + b"\0" * 3)[4 if shift else 0 : -8] for shift in range(3)]
    return [plain, *encoded]


def content(file: int) -> bytes:
    parts, size = [], 0
    while size < READ_LIMIT:
        part = os.pread(file, 1 << 20, size)
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def search_written_files(queue: int, patterns: dict[str, list[bytes]]) -> int:
    """Search the files of all pending events, and return how many files were read."""
    events, count = os.read(queue, 1 << 16), 0
    while events:
        length, _version, _reserved, _meta, _mask, file, pid = EVENT.unpack_from(events)
        events = events[length:]
        if file < 0:
            continue
        count += 1
        try:
            text = content(file)
            found = [name for name, encoded in patterns.items() if any(form in text for form in encoded)]
            if found:
                path = str(pathlib.Path(f"/proc/self/fd/{file}").readlink()).replace(" (deleted)", "")
                print(json.dumps({"path": path, "secrets": found, "pid": pid}), flush=True)
        except OSError:
            pass  # a device, or a deleted file
        finally:
            os.close(file)
    return count


def main() -> None:
    count = int(sys.stdin.readline())
    patterns = {str(number): forms(sys.stdin.readline().rstrip("\n")) for number in range(count)}
    queue, marked = watch_all()
    print(json.dumps({"watching": marked}), flush=True)
    seen = 0
    while True:
        ready = select.select([queue, sys.stdin], [], [])[0]
        if queue in ready:
            seen += search_written_files(queue, patterns)
        elif sys.stdin in ready:
            break
    print(json.dumps({"read": seen}), flush=True)


if __name__ == "__main__":
    main()
