# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the input checks accept, through ufw_policy and tailscale_node on a host, with its real ufw and tailscaled; in a check."""

from __future__ import annotations

import itertools
import json
import pathlib
import re
import typing as t

import module_arguments
import odd_inputs
import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import validate

COUNT = 200
# Refused for what this host is, not for what the input is.
OF_THE_HOST = (
    r"That takes a new login|no login changes the tags|Headscale takes the last tag|not enabled on Tailnet|there is no such "
    r"application profile|accept_risk|would end the connection"
)


class Unsafe(str):
    """Text that Ansible does not template."""


def accepted(prefix: str) -> t.Iterator[dict[str, t.Any]]:
    for hosts, names in odd_inputs.inventories(100 * COUNT, 13):
        own = any(name.startswith(prefix) for name in names)
        if own and not validate.problems(hosts, inventory=odd_inputs.HOSTS):
            yield hosts["nas"]


def as_yaml(value: t.Any) -> str:
    """JSON with `!unsafe` before each text that is a value."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {as_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_yaml, value)) + "]"
    return ("!unsafe " if isinstance(value, str) else "") + json.dumps(value)


@pytest.mark.parametrize(
    ("module", "arguments_of", "prefix"),
    [
        ("ufw_policy", module_arguments.ufw_policy, "firewall_"),
        ("tailscale_node", module_arguments.tailscale_node, "tailscale_"),
    ],
)
def test_what_is_accepted_is_taken_by_the_modules_on_a_host(
    mesh: None,
    play: t.Any,
    tmp_path: pathlib.Path,
    module: str,
    arguments_of: t.Callable[[t.Mapping[str, t.Any]], dict[str, t.Any]],
    prefix: str,
) -> None:
    inputs = list(itertools.islice(accepted(prefix), COUNT))
    assert len(inputs) == COUNT
    tasks = [
        f"  - name: Input {number}\n    homelab.tailsync.{module}: {as_yaml(arguments_of(variables))}\n    ignore_errors: true\n"
        for number, variables in enumerate(inputs)
    ]
    book = tmp_path / "inputs.yml"
    book.write_text(
        "- hosts: nas\n  gather_facts: false\n  become: true\n  check_mode: true\n  diff: false\n  tasks:\n" + "".join(tasks),
        encoding="utf-8",
    )
    run = play(str(book))
    assert run.code == 0, run.output
    refused = re.findall(r"^TASK \[Input (\d+)\].*?(?=^TASK|^PLAY)", run.output, re.MULTILINE | re.DOTALL)
    assert len(refused) == COUNT
    failures = re.findall(r"^\[ERROR\]: (.*)$|^fatal: .*?(\{.*\})$", run.output, re.MULTILINE)
    assert [text for text in failures if not re.search(OF_THE_HOST, "".join(text))] == []
