# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Call a module's main() in this process, as Ansible does, and return its result."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.testing import patch_module_args

Json = t.Dict[str, t.Any]  # noqa: UP006


class ModuleFailed(AssertionError):
    """A module failed with fail_json; the message of the exception is msg."""


def params(spec: t.Mapping[str, t.Any], /, **options: t.Any) -> Json:
    """The params of a module with this argument specification for these options."""
    outcome = ArgumentSpecValidator(dict(spec)).validate(json.loads(json.dumps(options)))
    assert not outcome.error_messages, outcome.error_messages
    return t.cast("Json", outcome.validated_parameters)


def call(module_name: str, /, *, check_mode: bool = False, diff: bool = False, **options: t.Any) -> Json:
    """Return the module's result. Raises ModuleFailed if it failed, and fails the test on a deprecation."""
    result = t.cast("Json", json.loads(printed(module_name, check_mode=check_mode, diff=diff, **options)))
    assert not result.get("deprecations"), result["deprecations"]
    if result.get("failed"):
        raise ModuleFailed(result["msg"])
    return result


def printed(module_name: str, /, *, check_mode: bool = False, diff: bool = False, **options: t.Any) -> str:
    """Return everything that the module prints, also its invocation, as -vvv shows it."""
    module = importlib.import_module(f"ansible_collections.homelab.tailsync.plugins.modules.{module_name}")
    output = io.StringIO()
    with (
        patch_module_args({**options, "_ansible_check_mode": check_mode, "_ansible_diff": diff}),
        contextlib.redirect_stdout(output),
        pytest.raises(SystemExit),
    ):
        module.main()
    return output.getvalue()
