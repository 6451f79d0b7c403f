# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any inventory: no traceback, each refusal names its variable, and the modules accept everything that the validator accepts."""

from __future__ import annotations

import json
import re
import typing as t

import module_arguments
import odd_inputs
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _refuse, _tables
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _options as node_options
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _tables as node_spec
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _options as ufw_options
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._tables import POLICY
from ansible_collections.homelab.tailsync.plugins.plugin_utils import validate

COUNT = 6000
PARTS = 4
SWITCHES = ("purge_devices", "purge_folders", "replace_devices", "allow_moves")
KNOWN = validate.known_names()


def parsed(spec: dict[str, t.Any], arguments: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The options as the module gets them; fails with the module's message."""
    result = ArgumentSpecValidator(spec).validate(json.loads(json.dumps(arguments)))
    assert not result.error_messages, result.error_messages
    return dict(result.validated_parameters)


def syncthing_cluster(variables: t.Mapping[str, t.Any], host: str) -> None:
    members = {name: {"device_id": odd_inputs.PHONE, "addresses": []} for name in odd_inputs.HOSTS}
    names = ("external_devices", "allowed_networks", "options", "gui", "defaults", "home", "timeout", *SWITCHES)
    arguments = module_arguments.syncthing_cluster(variables, host, members, names)
    declared = parsed({**_tables.CONNECTION, **_tables.CLUSTER}, arguments)
    _refuse.empty_secrets(declared)
    _refuse.wrong_values(declared)


def ufw_policy(variables: t.Mapping[str, t.Any]) -> None:
    policy = parsed(POLICY, module_arguments.ufw_policy(variables))
    for name in ("rules", "keep"):
        ufw_options.rules_of(policy[name], name)
    ufw_options.refuse_odd_interfaces(policy["docker_interfaces"], "docker_interfaces")


def tailscale_node(variables: t.Mapping[str, t.Any]) -> None:
    node_options.wanted(parsed({**node_spec.CONNECTION, **node_spec.NODE}, module_arguments.tailscale_node(variables)), "")


def role_arguments(variables: t.Mapping[str, t.Any]) -> None:
    """The checks of ansible-core for a role that is used alone, which run after the validator."""
    for role in validate.ROLES:
        spec = validate.options_of(role)
        parsed(spec, {name: variables[name] for name in spec if name in variables})


def test_generated_inventories_start_from_a_valid_one() -> None:
    assert validate.problems(odd_inputs.hosts_with(odd_inputs.VALID), inventory=odd_inputs.HOSTS) == []


@pytest.mark.parametrize("part", range(PARTS))
def test_no_mistake_ends_in_a_traceback_or_reaches_a_host(part: int) -> None:
    accepted = 0
    for hosts, names in odd_inputs.inventories(COUNT // PARTS, part):
        found = validate.problems(hosts, inventory=odd_inputs.HOSTS)
        for problem in found:
            named = set(re.findall(r"\b[a-z]+(?:_[a-z0-9]+)+\b", problem)) & KNOWN
            assert named, (problem, names)
            assert re.match(r"\w+", problem).group() in KNOWN, problem  # type: ignore[union-attr]
            assert len(problem) < 900, problem
            assert "s3cr3t" not in problem, problem
        if not found:
            accepted += 1
            variables = hosts["nas"]
            try:
                role_arguments(variables)
                ufw_policy(variables)
                tailscale_node(variables)
                for host in hosts:
                    syncthing_cluster(variables, host)
            except Exception as error:
                raise AssertionError(f"accepted: { {name: variables.get(name) for name in names} }") from error
    assert 0.1 < accepted / (COUNT // PARTS) < 0.7, "too few inputs are accepted, or refused"
