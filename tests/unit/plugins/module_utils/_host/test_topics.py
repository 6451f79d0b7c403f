# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How all topics of host_info run commands."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.homelab.tailsync.plugins.module_utils._host import topics


def test_output_that_is_not_utf_8_can_be_returned() -> None:
    """For example an iptables comment in Latin-1: Ansible refuses a result with surrogate escapes."""
    with patch_module_args({}):
        module = AnsibleModule({})
    code, output, _error = topics.runner(module)(["printf", r"--comment caf\351"])
    assert (code, output.encode()) == (0, b"--comment caf\xef\xbf\xbd")


def test_missing_program_is_no_failure() -> None:
    """Otherwise no facts could be gathered of a host without systemctl, such as one with OpenRC."""
    with patch_module_args({}):
        module = AnsibleModule({})
    code, output, error = topics.runner(module)(["no-such-program", "show"])
    assert (code, output) == (127, "")
    assert "No such file" in error
