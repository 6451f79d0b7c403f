# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that shows no secret, whichever option has it.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import functools
import re
import typing as t

from ansible.module_utils.basic import AnsibleModule

SECRET_NAME = re.compile(r"pass(word|wd|phrase)|secret|token|credential|(api|private).?key", re.IGNORECASE)
# For the text of a config.xml.
SECRET_ELEMENT = re.compile(r"<(?:apikey|password|encryptionPassword)[^>]*>([^<]+)<", re.IGNORECASE)


class Module(AnsibleModule):
    """Masks values that look like secrets in all options, also in settings, also if the options are refused."""

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
        # A blank in place of a secret is no secret; masking it would garble the error message.
        self.no_log_values = {value for value in found if not isinstance(value, str) or value.strip()}


def secrets_in(value: t.Any, name: str = "") -> set[str]:
    """The texts in a value whose names say that they are secret."""
    found: set[str] = set()
    _collect(value, name, found)
    return found


def _collect(value: t.Any, name: str, found: set[str]) -> None:
    """Collect secrets by the name of the option that has the value; below a secret name everything is secret."""
    if isinstance(value, dict):
        for key, item in value.items():
            _collect(item, name if _secret(name) else str(key), found)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _collect(item, name, found)
    elif value is not None and not isinstance(value, bool) and value != "":
        text = str(value)
        in_xml = {one.strip() for one in SECRET_ELEMENT.findall(text)} - {""} if "<" in text else None
        # Settings that are given as one text may contain a secret.
        if in_xml:
            found.update(in_xml)
        elif _secret(name) or (name == "settings" and _secret(text)):
            found.add(text)


@functools.cache
def _secret(name: str) -> bool:
    return bool(SECRET_NAME.search(name))
