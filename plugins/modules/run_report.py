#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: run_report
short_description: Report what a run of site.yml completed, and what is missing
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Ends a run with at most ten lines. They say how many hosts are complete; which were refused or unreachable; which folders were
    left out or refused; what verify found; how to reach the hosts from now on; and what to do next.
  - Reads the results that the roles of this collection have registered in the same run.
  - Fails if a folder was refused or verify found a problem. A host that was refused or could not be reached has failed by itself
    before, and a folder whose disk is away is no failure.
  - Runs on the controller and makes no connection. Give the task C(run_once).
extends_documentation_fragment:
  - homelab.tailsync.attributes.info
  - homelab.tailsync.attributes.controller
options:
  parts:
    description: The parts that ran, as P(homelab.tailsync.site_parts#filter) returns them.
    type: list
    elements: str
    required: true
  conclusion:
    description:
      - What P(homelab.tailsync.verify_conclusion#filter) returned. If it is empty, the report says that nothing was verified.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Report what is complete and what is missing
  homelab.tailsync.run_report:
    parts: "{{ ansible_run_tags | homelab.tailsync.site_parts(ansible_skip_tags) }}"
    conclusion: "{{ __verify_conclusion | default({}) }}"
  run_once: true
"""

RETURN = r"""
msg:
  description: The lines of the report; in one text if the task fails.
  returned: always
  type: list
  elements: str
  sample:
    - 2 of 3 hosts are complete
    - "left out until its disk is back: photos on nas (/media/usb)"
    - "from now on: ssh nas, ssh pi, ssh vps; ansible all -m ping (with /home/bob/.ssh/tailsync.conf)"
    - "next: attach the disk and mount it, then run site.yml again"
"""
