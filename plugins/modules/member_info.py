#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: member_info
short_description: Gather the state of a member of a sync network
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Returns in one call the values of M(homelab.tailsync.reachability_info) about the host itself, the node of
    M(homelab.tailsync.tailscale_node_info), and the values of M(homelab.tailsync.syncthing_info).
  - A tailscaled or a Syncthing that does not answer is no failure. C(msg) in its part gives the reason, and the other parts are
    returned as usual.
requirements:
  - requests (Python library, on the host)
extends_documentation_fragment:
  - homelab.tailsync.attributes.info
attributes:
  platform:
    support: full
    platforms: linux
    description: Reads C(/proc/net) and asks the kernel by netlink.
options:
  tailscale_socket:
    description: The socket of tailscaled's LocalAPI.
    type: path
    default: /run/tailscale/tailscaled.sock
  syncthing_home:
    description: Syncthing's home folder on the host.
    type: path
    default: /var/lib/syncthing
  folders:
    description: Folders whose disks are checked, as O(homelab.tailsync.syncthing_info#module:folders).
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: The ID of the folder.
        type: str
        required: true
      path:
        description: The path of the folder on this host.
        type: str
      requires_mount:
        description: A path that must be a mount point for the folder.
        type: path
  timeout:
    description: How long to wait for an answer of Syncthing, in seconds.
    type: int
    default: 10
  wait_timeout:
    description: How long to wait for a Syncthing that reports that it is starting, in seconds.
    type: int
    default: 0
seealso:
  - module: homelab.tailsync.reachability_info
  - module: homelab.tailsync.tailscale_node_info
  - module: homelab.tailsync.syncthing_info
"""

EXAMPLES = r"""
- name: Gather the state of this host
  homelab.tailsync.member_info:
  become: true
  register: member

- name: Stop if it is not in the tailnet
  ansible.builtin.assert:
    that: member.tailscale.node.backend_state == 'Running'
"""

RETURN = r"""
host:
  description: >-
    The C(addresses), C(macs), C(listening), C(host_keys) and C(ufw_profiles) of the host, as
    M(homelab.tailsync.reachability_info) returns them.
  returned: always
  type: dict
tailscale:
  description: The Tailscale node of the host.
  returned: always
  type: dict
  contains:
    node:
      description: >-
        The same as RV(homelab.tailsync.tailscale_node_info#module:node). If tailscaled does not answer, unknown values are
        V(null).
      type: dict
    msg:
      description: Why tailscaled does not answer; V(null) if it does.
      type: str
syncthing:
  description: The values of M(homelab.tailsync.syncthing_info). If Syncthing does not answer, C(device_id) is V(null).
  returned: always
  type: dict
  contains:
    msg:
      description: Why Syncthing does not answer; V(null) if it does.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.homelab.tailsync.plugins.module_utils._common.module import run
from ansible_collections.homelab.tailsync.plugins.module_utils._host._spec import MEMBER
from ansible_collections.homelab.tailsync.plugins.module_utils._host.member import gather


def main() -> None:
    module = AnsibleModule(argument_spec=MEMBER, supports_check_mode=True)
    run(module, lambda: gather(module.params))


if __name__ == "__main__":
    main()
