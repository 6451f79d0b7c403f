# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Valid device IDs for tests."""

from __future__ import annotations

import base64

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._device_id import device_id_of_certificate


def device_id(number: int) -> str:
    body = base64.b64encode(f"device {number}".encode()).decode()
    return device_id_of_certificate(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
