# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role firewall; the logic is in plugin_utils: firewall.py, firewall_host.py and lockdown.py."""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import firewall, firewall_host, lockdown


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "firewall_host_refusals": firewall_host.refusals,
            "firewall_host_warnings": firewall_host.warnings,
            "firewall_lost_control": lockdown.lost_control,
            "firewall_openings": firewall.openings,
            "firewall_policy": firewall.policy,
            "firewall_refusals": lockdown.refusals,
            "firewall_source_refusals": firewall_host.source_refusals,
            "firewall_warnings": lockdown.warnings,
        }
