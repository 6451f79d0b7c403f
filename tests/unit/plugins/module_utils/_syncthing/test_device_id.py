# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device IDs, compared with published ones and with ones that Syncthing generated."""

from __future__ import annotations

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _device_id
from hypothesis import given
from hypothesis import strategies as st

# From https://docs.syncthing.net/dev/device-ids.html and from Syncthing's public discovery servers.
PUBLISHED = [
    "MFZWI3D-BONSGYC-YLTMRWG-C43ENR5-QXGZDMM-FZWI3DP-BONSGYY-LTMRWAD",
    "P56IOI7-MZJNU2Y-IQGDREY-DM2MGTI-MGL3BXN-PQ6W5BM-TBBZ4TJ-XZWICQ2",
    "LYXKCHX-VI3NYZR-ALCJBHF-WMZYSPK-QG6QJA3-MPFYMSO-U56GTUK-NA2MIAW",
]


@pytest.mark.parametrize("text", PUBLISHED)
def test_published_device_id_is_valid(text: str) -> None:
    assert _device_id.parse_device_id(text) == text


@pytest.mark.parametrize("text", PUBLISHED)
def test_other_spelling_of_a_device_id_is_normalised(text: str) -> None:
    assert _device_id.parse_device_id(text.lower().replace("-", " ")) == text
    assert _device_id.parse_device_id(text.replace("-", "")) == text
    assert _device_id.parse_device_id(text.replace("O", "0").replace("I", "1").replace("B", "8")) == text


def test_old_device_id_without_check_characters_is_accepted() -> None:
    plain = PUBLISHED[0].replace("-", "")
    old = "".join(plain[at : at + 13] for at in range(0, 56, 14))
    assert _device_id.parse_device_id(old) == PUBLISHED[0]


@given(st.sampled_from(PUBLISHED), st.integers(0, 62), st.sampled_from(_device_id.ALPHABET))
def test_one_wrong_character_makes_a_device_id_invalid(text: str, at: int, character: str) -> None:
    if text[at] in ("-", character):
        return
    with pytest.raises(_device_id.InvalidDeviceID):
        _device_id.parse_device_id(text[:at] + character + text[at + 1 :])


@given(st.text(max_size=80))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parsed = _device_id.parse_device_id(text)
    except _device_id.InvalidDeviceID:
        return
    assert _device_id.parse_device_id(parsed) == parsed


def test_device_id_of_a_certificate_is_valid() -> None:
    # The ID is a hash of any DER bytes; these are b"tailsync".
    pem = "-----BEGIN CERTIFICATE-----\ndGFpbHN5bmM=\n-----END CERTIFICATE-----\n"
    found = _device_id.device_id_of_certificate(pem)
    assert _device_id.parse_device_id(found) == found
