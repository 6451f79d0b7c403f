# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts on which a Syncthing of another kind was there first."""

from __future__ import annotations

from situations import package, script


def own_syncthing(host: str) -> None:
    """The login user's own Syncthing at work, which listens everywhere."""
    package(host, "syncthing")
    script(host, "systemctl enable -q --now syncthing@admin; timeout 60 sh -c 'until ss -tln | grep -q :22000; do sleep 1; done'")
