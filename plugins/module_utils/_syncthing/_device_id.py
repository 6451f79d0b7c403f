# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Syncthing's device IDs, computed and checked without Syncthing.

The form is documented at https://docs.syncthing.net/dev/device-ids.html; the check characters
are computed as in lib/protocol/luhn.go, which differs from the usual Luhn mod N.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import base64
import hashlib
import re
import ssl

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
GROUP = 13
# Characters that users confuse; Syncthing accepts the same.
LOOK_ALIKES = str.maketrans({"0": "O", "1": "I", "8": "B"})


class InvalidDeviceID(ValueError):
    """A text is no device ID; the message gives the reason."""


def check_character(group: str) -> str:
    """Syncthing's check character of one group of 13 characters."""
    total, factor = 0, 1
    for character in group:
        addend = factor * ALPHABET.index(character)
        total += addend // len(ALPHABET) + addend % len(ALPHABET)
        factor = 3 - factor
    return ALPHABET[-total % len(ALPHABET)]


def device_id_of_certificate(pem: str) -> str:
    """The device ID of a certificate in PEM form."""
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.strip())).digest()
    plain = base64.b32encode(digest).decode().rstrip("=")
    groups = [plain[at : at + GROUP] for at in range(0, len(plain), GROUP)]
    return _dashed("".join(group + check_character(group) for group in groups))


def parse_device_id(text: str) -> str:
    """The ID in its canonical form: eight groups of seven with dashes. Raises InvalidDeviceID."""
    plain = re.sub(r"[-\s]", "", text).upper().translate(LOOK_ALIKES)
    if len(plain) == 4 * GROUP:  # the old form, without check characters
        plain = "".join(
            plain[at : at + GROUP] + check_character(plain[at : at + GROUP])
            for at in range(0, len(plain), GROUP)
            if set(plain) <= set(ALPHABET)
        )
    if len(plain) != 4 * (GROUP + 1) or not set(plain) <= set(ALPHABET):
        raise InvalidDeviceID(f"{text!r} is not a device ID: one is eight groups of seven letters and digits 2 to 7")
    for at in range(0, len(plain), GROUP + 1):
        group, check = plain[at : at + GROUP], plain[at + GROUP]
        if check_character(group) != check:
            raise InvalidDeviceID(f"{text!r} is not a device ID: its check characters do not fit, so it has a typing error")
    return _dashed(plain)


def _dashed(plain: str) -> str:
    return "-".join(plain[at : at + 7] for at in range(0, len(plain), 7))
