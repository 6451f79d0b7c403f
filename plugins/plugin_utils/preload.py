# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Import the collection's filters in the process that Ansible's workers are forked from.

For each host of each task Ansible forks a worker. One that meets a filter of a collection imports all filter files of that
collection, and of a collection's Python no bytecode is kept: without this, each worker compiles the same files again, which is
more than half of what a task with a filter costs. Action plugins are imported before the workers are forked, so the first one of
a run imports this file.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

from ansible.plugins.loader import filter_loader, test_loader
from ansible_collections.homelab.tailsync.plugins.filter import firewall, syncthing, tailscale, verify

FILTERS = (firewall, syncthing, tailscale, verify)
# The first of ansible-core's own brings all the others: a tenth of what any task costs.
OF_CORE = (filter_loader.get("ansible.builtin.default"), test_loader.get("ansible.builtin.defined"))
