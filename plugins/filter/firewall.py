# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role firewall; what they decide is in module_utils/_ufw/_firewall.py."""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _firewall


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "firewall_public_rule": _firewall.public_rule,
            "firewall_refusals": _firewall.refusals,
            "firewall_ssh_rule": _firewall.ssh_rule,
        }
