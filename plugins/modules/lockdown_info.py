#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: lockdown_info
short_description: Gather what a host depends on once only the tailnet can reach it
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Returns the service that runs the tailscaled at a socket and whether it is started at boot, the addresses of the tailnet's
    interface, and whether the host can open a new connection to its control server.
  - Use it before a firewall is closed, and again with the new rules in force.
  - It opens TCP connections to the control servers, and sends no data over them.
extends_documentation_fragment:
  - homelab.tailsync.attributes.info
  - homelab.tailsync.tailscale
options:
  interface:
    description: The tailnet's interface.
    type: str
    default: tailscale0
  login_servers:
    description:
      - URLs of control servers that other machines use. Those that run on this host are returned in RV(here).
      - The host's own control server need not be given; its tailscaled knows it.
    type: list
    elements: str
    default: []
  timeout:
    description: How long one connection may take, in seconds.
    type: int
    default: 5
  wait:
    description: How long to retry a connection that fails, in seconds.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Find out what this host depends on
  homelab.tailsync.lockdown_info:
  become: true
  register: lockdown

- name: Stop if nothing would start tailscaled at the next boot
  ansible.builtin.assert:
    that: lockdown.service.starts_at_boot is not false
"""

RETURN = r"""
service:
  description: The tailscaled that answers at the socket.
  returned: always
  type: dict
  sample: {unit: tailscaled.service, unit_state: enabled, starts_at_boot: true, forgets: false, proxied: false, pid: 512}
  contains:
    pid:
      description: The process ID of tailscaled; V(0) if nothing answers.
      type: int
    unit:
      description: The systemd service that tailscaled runs in; empty if it runs in none, such as in a container.
      type: str
    unit_state:
      description: The output of C(systemctl is-enabled) for the service.
      type: str
    starts_at_boot:
      description: Whether the service is started at boot; V(null) if systemd does not know.
      type: bool
    forgets:
      description: Whether tailscaled keeps its state in memory only, so that each restart makes the host a new, ephemeral node.
      type: bool
    proxied:
      description: Whether tailscaled has an HTTP proxy in its environment.
      type: bool
interface_addresses:
  description: The addresses of O(interface); V(null) if there is no such interface.
  returned: always
  type: list
  elements: str
  sample: [100.64.0.2, "fd7a:115c:a1e0::2"]
interfaces:
  description: The addresses of each interface.
  returned: always
  type: dict
  sample: {eth0: [192.168.1.10], tailscale0: [100.64.0.2]}
control_server:
  description: The host's own control server; V(null) if tailscaled does not answer.
  returned: always
  type: dict
  sample:
    url: https://controlplane.tailscale.com
    port: 443
    addresses: [192.200.0.101]
    own: false
    reachable: true
    error: null
  contains: &server
    url:
      description: The control server's URL.
      type: str
    port:
      description: The TCP port of the control server.
      type: int
    addresses:
      description: The addresses that this host resolves the name of the control server to.
      type: list
      elements: str
    own:
      description: Whether the control server runs on this host, at an address that other machines use.
      type: bool
    reachable:
      description: Whether a new TCP connection to the control server can be opened.
      type: bool
    error:
      description: Why no connection to the control server can be opened; V(null) if one can.
      type: str
here:
  description: The control servers that run on this host, its own or one of O(login_servers).
  returned: always
  type: list
  elements: dict
  contains: *server
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.homelab.tailsync.plugins.module_utils._common.module import run
from ansible_collections.homelab.tailsync.plugins.module_utils._host._spec import LOCKDOWN
from ansible_collections.homelab.tailsync.plugins.module_utils._host.lockdown import gather
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._tables import CONNECTION


def main() -> None:
    module = AnsibleModule(argument_spec={**CONNECTION, **LOCKDOWN}, supports_check_mode=True)
    # In check mode the package with this program may not be installed yet.
    program = module.get_bin_path("ip", required=not module.check_mode)
    run(module, lambda: gather(module.run_command, module.params, program))


if __name__ == "__main__":
    main()
