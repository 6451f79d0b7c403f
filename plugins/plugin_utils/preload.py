# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Import the collection's filters in the process that forks Ansible's workers.

For each host of each task Ansible forks a worker. A worker that uses a filter of a collection imports all filter files of that
collection, and Ansible stores no bytecode of them. Without this file each worker compiles the same files again, which takes more
than half of the time of a task with a filter. Action plugins are imported before the workers are forked, so the first one of a
run imports this file.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

from ansible.plugins.loader import filter_loader, test_loader
from ansible_collections.homelab.tailsync.plugins.filter import firewall, syncthing, tailscale, verify

FILTERS = (firewall, syncthing, tailscale, verify)
# Loading one plugin of ansible-core loads all others as well, which takes a tenth of the time of any task.
OF_CORE = (filter_loader.get("ansible.builtin.default"), test_loader.get("ansible.builtin.defined"))
