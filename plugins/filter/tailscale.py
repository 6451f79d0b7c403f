# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role tailscale and of site.yml; the logic is in plugin_utils."""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import site_parts, tailscale_host, tailscale_steps


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "tailscale_plan": tailscale_steps.plan,
            "tailscale_steps": tailscale_steps.steps,
            "tailscale_has_settings": tailscale_steps.has_settings,
            "tailscale_other_sources": tailscale_steps.other_sources,
            "tailscale_rewritten_sources": tailscale_steps.rewritten_sources,
            "tailscale_source_refusals": tailscale_steps.source_refusals,
            "tailscale_may_log_in": tailscale_steps.may_log_in,
            "tailscale_refusals": tailscale_host.refusals,
            "tailscale_warnings": tailscale_host.warnings,
            "tailscale_name_problem": lambda node, hostname, peers=(): tailscale_host.name_problem(node, hostname, peers) or "",
            "site_parts": site_parts.parts,
            "site_refusals": site_parts.refusals,
        }
