# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test whether a text is a Syncthing device ID."""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._device_id import (
    InvalidDeviceID,
    parse_device_id,
)


def syncthing_device_id(text: t.Any) -> bool:
    try:
        parse_device_id(str(text))
    except InvalidDeviceID:
        return False
    return True


class TestModule:
    def tests(self) -> dict[str, t.Callable[[t.Any], bool]]:
        return {"syncthing_device_id": syncthing_device_id}
