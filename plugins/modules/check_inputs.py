#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: check_inputs
short_description: Check the variables of roles, for all hosts at once
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Checks the variables of O(roles) on all hosts of the play, and fails with all problems at once, each reported once. A message
    names the variable, the place in it, the value unless it may be a secret, and what to write.
  - The content of a variable is checked with the specifications and checks of the modules that receive it.
  - If a variable cannot be resolved, such as a value that is encrypted with a vault password that was not given, the message
    names that variable and shows no other one. ansible-core's own validation of a role's arguments shows the others in its error.
  - A variable that no role knows is an error if its name differs by at most two letters, or one where the name is short, from a
    variable that is not set. The word V(unknown_variables) in C(tailsync_accept) allows it.
  - Warns if tasks with secrets among these variables cannot be pipelined to a host, and fails if Ansible is configured to keep
    its temporary files, which would hold the secrets.
  - Fails for roles that need all hosts together, if the strategy or C(serial) of the play keeps them from that.
  - Runs on the controller and makes no connection. Give the task C(run_once), and the connection and become settings of the tasks
    that have the secrets. Without C(run_once), and with the strategies P(ansible.builtin.free#strategy) and
    P(ansible.builtin.host_pinned#strategy), only the host of the task is checked.
extends_documentation_fragment:
  - homelab.tailsync.attributes.info
  - homelab.tailsync.attributes.controller
options:
  roles:
    description: Roles of this collection whose variables are checked, without the collection's name.
    type: list
    elements: str
    required: true
  hosts:
    description:
      - A host pattern, as in C(hosts) of a play. Hosts that C(--limit) excludes are not checked. It is an error if the pattern
        matches no host of the inventory at all.
      - By default the hosts of the play, or of its batch with C(serial), for which the conditions of the task and its role hold.
    type: raw
"""

EXAMPLES = r"""
- name: Check the variables of the role tailscale on all hosts of the play
  homelab.tailsync.check_inputs:
    roles: [tailscale]
  run_once: true
  become: true
"""

RETURN = r"""
checked:
  description: The hosts whose variables were checked; none if there was a problem.
  returned: always
  type: list
  elements: str
  sample: [nas, pi]
"""
