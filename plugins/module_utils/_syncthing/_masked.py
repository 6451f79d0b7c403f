# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that shows no secret, wherever in its options somebody puts one.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t

from ansible.module_utils.basic import AnsibleModule

SECRET_NAME = re.compile(r"pass(word|wd|phrase)|secret|token|credential|(api|private).?key", re.IGNORECASE)
# Of a config.xml.
SECRET_ELEMENT = re.compile(r"<(?:apikey|password|encryptionPassword)[^>]*>([^<]+)<", re.IGNORECASE)


class Module(AnsibleModule):
    """Masks what looks like a secret anywhere in the options, also under settings, also when the options are refused."""

    def exit_json(self, **result: t.Any) -> t.NoReturn:
        self._mask()
        super().exit_json(**result)
        raise AssertionError  # it has ended the program

    def fail_json(self, msg: str, **result: t.Any) -> t.NoReturn:
        self._mask()
        super().fail_json(msg, **result)
        raise AssertionError

    def _mask(self) -> None:
        found = {*getattr(self, "no_log_values", ()), *secrets_in(getattr(self, "params", None))}
        # A blank that came in place of a secret hides nothing, and would be masked all over the message that says so.
        self.no_log_values = {value for value in found if not isinstance(value, str) or value.strip()}


def secrets_in(value: t.Any, name: str = "") -> set[str]:
    """The texts in something that a name says to be secret."""
    if isinstance(value, dict):
        return {found for key, item in value.items() for found in secrets_in(item, str(key) if not _secret(name) else name)}
    if isinstance(value, (list, tuple)):
        return {found for item in value for found in secrets_in(item, name)}
    if value is None or isinstance(value, bool) or value == "":
        return set()
    text = str(value)
    in_xml = {found.strip() for found in SECRET_ELEMENT.findall(text)} - {""}
    if in_xml:
        return in_xml
    # Settings that come as one text may have one in it.
    return {text} if _secret(name) or (name == "settings" and _secret(text)) else set()


def _secret(name: str) -> bool:
    return bool(SECRET_NAME.search(name))
