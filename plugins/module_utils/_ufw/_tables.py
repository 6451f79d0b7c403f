# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the ufw modules. The options of a rule have the field of Rule that they set.

To add an option of a rule, add a row, its documentation in ufw_policy, and a case of its unit tests (cases/*.json).

Private to this collection: it may change in any release.
"""

from __future__ import annotations

from ansible_collections.homelab.tailsync.plugins.module_utils._common.table import PART, Key, Spec, Table, spec_of

TEXT: Spec = {"type": "str"}
# A row in the form PART is converted into ufw's own spelling (_rules.CANONICAL).
RULE_TABLE: Table = (
    Key("action", "action", {"type": "str", "choices": ["allow", "deny", "reject", "limit"], "default": "allow"}),
    Key("direction", "direction", {"type": "str", "choices": ["in", "out", "routed"], "default": "in"}),
    Key("interface", "interface", TEXT),
    Key("interface_out", "interface_out", TEXT),
    Key("from", "source", TEXT, PART),
    Key("from_port", "source_port", TEXT, PART),
    Key("to", "destination", TEXT, PART),
    Key("port", "port", TEXT, PART),
    Key("proto", "protocol", {"type": "str", "choices": ["tcp", "udp", "ah", "esp", "gre", "igmp", "ipv6"]}),
    Key("app", "app", TEXT),
    Key("log", "log", {"type": "str", "choices": ["log", "log-all"]}),
    Key("comment", "comment", TEXT),
)
RULE: Spec = spec_of(RULE_TABLE)

DEFAULT: Spec = {"type": "str", "choices": ["allow", "deny", "reject"]}
POLICY: Spec = {
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
ROLLBACK: Spec = {
    "state": {"type": "str", "choices": ["armed", "disarmed", "restored", "original"], "required": True},
    "timeout": {"type": "int", "default": 180},
    "token": {"type": "str", "no_log": False},
    "require_active": {"type": "bool", "default": True},
    "reason": {"type": "str", "default": "it was taken back by hand"},
}
