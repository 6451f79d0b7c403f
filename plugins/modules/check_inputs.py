#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: check_inputs
short_description: Check that variables can be read, without showing one
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Resolves each variable of O(roles) by itself, and names those that cannot be resolved, such as a value that is encrypted with
    a vault password that was not given.
  - ansible-core's own validation of a role's arguments resolves all of them together, and shows the others in its error.
  - Warns if tasks that have secrets among these variables could not be pipelined to the host, and fails if Ansible was told to
    keep its temporary files, which would hold the secrets.
  - Runs on the controller. It makes no connection, but takes the connection and become settings of its task; give it those of the
    tasks that have the secrets.
attributes:
  check_mode:
    support: full
    description: Runs in check mode as well; it changes nothing.
  diff_mode:
    support: none
    description: There is nothing to differ.
  platform:
    support: full
    platforms: posix
    description: Runs on the controller.
  idempotent:
    support: full
    description: It changes nothing.
options:
  roles:
    description: Roles of this collection whose variables are checked, without the collection's name.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Check the variables of the role tailscale
  homelab.tailsync.check_inputs:
    roles: [tailscale]
  become: true
"""

RETURN = r""" # """
