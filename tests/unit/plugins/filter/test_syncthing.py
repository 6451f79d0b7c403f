# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter and the Jinja test for device IDs."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.homelab.tailsync.plugins.filter.syncthing import FilterModule
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _device_id
from ansible_collections.homelab.tailsync.plugins.test.syncthing import TestModule as PluginModule

PUBLISHED = "MFZWI3D-BONSGYC-YLTMRWG-C43ENR5-QXGZDMM-FZWI3DP-BONSGYY-LTMRWAD"


def test_filter_returns_the_device_id_of_a_certificate() -> None:
    # The ID is a hash of any DER bytes; these are b"tailsync".
    pem = "-----BEGIN CERTIFICATE-----\ndGFpbHN5bmM=\n-----END CERTIFICATE-----\n"
    assert FilterModule().filters()["syncthing_device_id"](pem) == _device_id.device_id_of_certificate(pem)


def test_filter_refuses_input_without_a_certificate() -> None:
    with pytest.raises(AnsibleFilterError, match="PEM"):
        FilterModule().filters()["syncthing_device_id"]("no certificate")


def test_jinja_test_accepts_valid_device_ids() -> None:
    is_device_id = PluginModule().tests()["syncthing_device_id"]
    assert is_device_id(PUBLISHED)
    assert not is_device_id("ABCDEFG-1")
    assert not is_device_id(None)
