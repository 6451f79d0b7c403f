# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame of all modules: results, warnings and errors."""

from __future__ import annotations

import contextlib
import io
import json
import os
import typing as t

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.homelab.tailsync.plugins.module_utils._common import module as frame
from ansible_collections.homelab.tailsync.plugins.module_utils._common.errors import MissingLibrary, UserError

Json = t.Dict[str, t.Any]  # noqa: UP006


def ended(work: t.Callable[[], Json], diff: bool = False) -> Json:
    output = io.StringIO()
    with patch_module_args({"_ansible_diff": diff}), contextlib.redirect_stdout(output), pytest.raises(SystemExit):
        frame.run(AnsibleModule(argument_spec={}), work)
    return t.cast("Json", json.loads(output.getvalue()))


def raising(error: Exception) -> t.Callable[[], t.NoReturn]:
    def work() -> t.NoReturn:
        raise error

    return work


@pytest.mark.parametrize("path", ["/usr/local/bin:/usr/bin:/bin", "/usr/bin:/bin:/usr/sbin", ""])
def test_programs_of_root_are_found_with_the_path_of_a_user(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after su."""
    monkeypatch.setenv("PATH", path)
    result = ended(lambda: {"path": os.environ["PATH"].split(":")})
    assert {"/usr/local/sbin", "/usr/sbin", "/sbin"} <= set(result["path"])
    assert ":".join(result["path"]).startswith(path)
    assert len(result["path"]) == len(set(result["path"]))


def test_user_error_gives_its_message_without_a_traceback() -> None:
    result = ended(raising(UserError("do that")))
    assert (result["failed"], result["msg"]) == (True, "do that")
    assert "Traceback" not in json.dumps(result)


def test_missing_library_is_named_with_the_host() -> None:
    result = ended(raising(MissingLibrary("requests", "no traceback of interest")))
    assert result["msg"].startswith("Failed to import the required Python library (requests) on ")


def test_unexpected_exception_is_not_caught() -> None:
    with pytest.raises(ZeroDivisionError), patch_module_args({}):
        frame.run(AnsibleModule(argument_spec={}), lambda: {"changed": 1 / 0})


def test_warnings_are_shown_and_changed_defaults_to_false(monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: warned.append(text))
    result = ended(lambda: {"warnings": ["careful"], "found": 1})
    assert (result["changed"], result["found"], warned) == (False, 1, ["careful"])
    assert not result.get("deprecations")


@pytest.mark.parametrize("diff", [True, False])
def test_before_and_after_give_the_diff_in_diff_mode(diff: bool) -> None:
    result = ended(lambda: {"before": {"a": 1}, "after": {"a": 2}}, diff)
    assert result.get("diff") == ({"before": {"a": 1}, "after": {"a": 2}} if diff else None)
