# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the running kernel can filter packets, found by listing a table.

A kernel that was updated but not restarted lacks the modules that it has not loaded yet. No legacy table is listed, because that
would create it; then the answer is unknown.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import struct
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils import _netlink
from ansible_collections.homelab.tailsync.plugins.module_utils._host import packet_filter
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _kernel

NETLINK_NETFILTER = 12
NFT_MSG_GETTABLE = (10 << 8) | 1  # NFNL_SUBSYS_NFTABLES


def gather(execute: packet_filter.Execute, root: Path = Path("/")) -> dict[str, t.Any]:
    """Gather the present state; changes nothing on the host."""
    return {"release": platform.release(), "problem": problem(execute, root)}


def problem(execute: packet_filter.Execute, root: Path) -> str | None:
    """The reason why the kernel cannot list a table; None if it can, or if that is unknown."""
    families = packet_filter.PROGRAMS if (root / "proc/sys/net/ipv6").exists() else {"v4": "iptables"}
    for program in families.values():
        path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:{packet_filter.SYSTEM_PATH}")
        if path is None:
            return nftables_problem()
        if packet_filter.is_legacy(program):
            continue
        code, output, error = execute([path, "-w", "-t", "filter", "-S"])  # as packet_filter asks
        said = (error or output).strip()
        if code != 0 and _kernel.lacks_modules(said):
            return said.splitlines()[0]
    return None


def nftables_problem() -> str | None:
    """The kernel's answer to a request for the list of tables, where no program could ask for it."""
    body = struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)  # struct nfgenmsg
    flags = _netlink.NLM_F_REQUEST | _netlink.NLM_F_DUMP
    header = _netlink.HEADER.pack(_netlink.HEADER.size + len(body), NFT_MSG_GETTABLE, flags, 1, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as kernel:
            kernel.settimeout(_netlink.TIMEOUT)
            kernel.send(header + body)
            answer = kernel.recv(_netlink.BUFFER)
    except socket.timeout:
        return None
    except OSError as error:
        return f"netfilter: {error.strerror}"
    return answered_error(answer)


def answered_error(answer: bytes) -> str | None:
    """The error in an answer, which has its negative number (struct nlmsgerr)."""
    for kind, body in _netlink.messages(answer):
        number = -struct.unpack_from("=i", body)[0] if kind == _netlink.NLMSG_ERROR and len(body) >= 4 else 0
        if number > 0:
            return f"nf_tables: {os.strerror(number)}"
    return None
