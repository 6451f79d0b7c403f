# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specification of ufw_policy.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

DEFAULT: dict[str, t.Any] = {"type": "str", "choices": ["allow", "deny", "reject"]}
RULE: dict[str, t.Any] = {
    "action": {"type": "str", "choices": ["allow", "deny", "reject", "limit"], "default": "allow"},
    "direction": {"type": "str", "choices": ["in", "out", "routed"], "default": "in"},
    "interface": {"type": "str"},
    "interface_out": {"type": "str"},
    "from": {"type": "str"},
    "from_port": {"type": "str"},
    "to": {"type": "str"},
    "port": {"type": "str"},
    "proto": {"type": "str", "choices": ["tcp", "udp", "ah", "esp", "gre", "igmp", "ipv6"]},
    "app": {"type": "str"},
    "log": {"type": "str", "choices": ["log", "log-all"]},
    "comment": {"type": "str"},
}
POLICY: dict[str, t.Any] = {
    "state": {"type": "str", "choices": ["enabled", "disabled"], "default": "enabled"},
    "rules": {"type": "list", "elements": "dict", "options": RULE, "default": []},
    "purge": {"type": "bool", "default": False},
    "keep": {"type": "list", "elements": "dict", "options": RULE, "default": []},
    "default_incoming": DEFAULT,
    "default_outgoing": DEFAULT,
    "default_routed": DEFAULT,
    "logging": {"type": "str", "choices": ["off", "low", "medium", "high", "full"]},
    "multicast": {"type": "bool"},
    "docker": {"type": "bool"},
    "guarded": {"type": "bool", "default": False},
    "docker_interfaces": {"type": "list", "elements": "str", "default": ["docker0", "br-+"]},
}
