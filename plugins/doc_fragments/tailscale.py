# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  socket:
    description: The socket of tailscaled's LocalAPI. Writing to it needs root.
    type: path
    default: /run/tailscale/tailscaled.sock
attributes:
  platform:
    support: full
    platforms: posix
    description: Runs on the host of tailscaled.
  action_group:
    support: full
    description: Use C(group/homelab.tailsync.tailscale) in C(module_defaults).
    membership:
      - homelab.tailsync.tailscale
"""
