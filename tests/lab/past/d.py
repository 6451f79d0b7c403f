# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts on which a folder cannot be where the inventory puts it, or a strict umask is in force."""

from __future__ import annotations

from situations import script


def refused_folders(host: str) -> None:
    """A file where a folder is to be, and a directory that only root can enter."""
    script(host, "mkdir -p /srv/closed/photos; echo mine >/srv/afile; chmod 0700 /srv/closed")


def strict_umask(host: str) -> None:
    """As hardening guides set it for sudo."""
    script(host, "echo 'Defaults umask=0077, umask_override' >/etc/sudoers.d/umask; chmod 0440 /etc/sudoers.d/umask")
