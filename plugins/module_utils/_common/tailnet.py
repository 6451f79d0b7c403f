# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses and names of a tailnet.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import re

# Tailscale hands out the shared address space of RFC 6598 and this ULA prefix
# (https://tailscale.com/kb/1015/100.x-addresses and /kb/1121/ipv6).
TAILNET_NETWORKS = ("100.64.0.0/10", "fd7a:115c:a1e0::/48")
LONGEST_LABEL = 63


def is_tailnet_address(text: str) -> bool:
    """Whether an address, a zone such as `%eth0` allowed, is one of a tailnet's."""
    try:
        address = ipaddress.ip_address(text.split("%", 1)[0])
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network) for network in TAILNET_NETWORKS)


def first_label(dns_name: str | None) -> str:
    """The machine's own name in a MagicDNS name such as `nas.tail1234.ts.net.`, in lower case."""
    return (dns_name or "").strip(".").split(".", 1)[0].lower()


def label_of(hostname: str | None) -> str:
    """The first label that a control server derives from a host name, like Tailscale (util/dnsname, SanitizeHostname)."""
    text = re.sub(r"\.(local|localdomain|lan)$", "", hostname or "")[:LONGEST_LABEL]
    text = re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9]+$", "", text)
    return re.sub(r"[^A-Za-z0-9-]", "", re.sub(r"[ .@_]", "-", text)).lower()
