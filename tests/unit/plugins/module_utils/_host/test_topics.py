# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all topics share: how commands are run."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.homelab.tailsync.plugins.module_utils._host import topics


def test_output_that_is_no_utf_8_can_be_returned() -> None:
    """Such as an iptables comment in Latin-1; Ansible refuses a result with what stands for such bytes."""
    with patch_module_args({}):
        module = AnsibleModule({})
    code, output, _error = topics.runner(module)(["printf", r"--comment caf\351"])
    assert (code, output.encode()) == (0, b"--comment caf\xef\xbf\xbd")


def test_a_program_that_is_not_there_is_no_failure() -> None:
    """Else a host without systemctl, such as one of OpenRC, could not be looked at."""
    with patch_module_args({}):
        module = AnsibleModule({})
    code, output, error = topics.runner(module)(["no-such-program", "show"])
    assert (code, output) == (127, "")
    assert "No such file" in error
