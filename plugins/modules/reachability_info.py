#!/usr/bin/python
# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: reachability_info
short_description: Tell what can be reached from a host, and what of the host could be
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Tries TCP connections and ICMP echo requests from a host, all at the same time, and lists the host's own
    addresses and the TCP ports it listens on.
  - It asks the network and the kernel, not the firewall's or Syncthing's own word. A check that is to prove
    something about them therefore does not depend on them.
attributes:
  check_mode:
    support: full
    description: Runs in check mode as well; it changes nothing.
  diff_mode:
    support: none
    description: There is nothing to differ.
  platform:
    support: full
    platforms: linux
    description: Reads C(/proc/net) and the output of C(ip -json address).
  idempotent:
    support: full
    description: It changes nothing.
options:
  tcp:
    description: Doors to try. Not one byte is sent; the connection is closed as soon as it is open.
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description: Name or address to connect to.
        type: str
        required: true
      port:
        description: TCP port to connect to.
        type: int
        required: true
  ping:
    description: Names or addresses to send one ICMP echo request to.
    type: list
    elements: str
    default: []
  timeout:
    description: How long one connection or echo request may take, in seconds.
    type: int
    default: 3
"""

EXAMPLES = r"""
- name: Look at the neighbour's doors
  homelab.tailsync.reachability_info:
    tcp:
      - {address: 192.168.1.11, port: 22}
    ping: [100.64.0.2]
  register: seen
"""

RETURN = r"""
addresses:
  description: The host's own addresses but those of loopback and link-local ones.
  returned: always
  type: list
  elements: dict
  sample:
    - {interface: eth0, address: 192.168.1.10}
listening:
  description: TCP ports on which the host listens on more than loopback.
  returned: always
  type: list
  elements: int
  sample: [22, 22000]
tcp:
  description: The doors that were tried.
  returned: always
  type: list
  elements: dict
  sample:
    - {address: 192.168.1.11, port: 22, open: false, error: timed out}
ping:
  description: The addresses that were pinged.
  returned: always
  type: list
  elements: dict
  sample:
    - {address: 100.64.0.2, answers: true, error: null}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.homelab.tailsync.plugins.module_utils._probe import (
    all_at_once,
    connect,
    echo,
    open_to_the_network,
    parse_ip_addresses,
    read_listeners,
)


def main() -> None:
    door = {"address": {"type": "str", "required": True}, "port": {"type": "int", "required": True}}
    module = AnsibleModule(
        argument_spec={
            "tcp": {"type": "list", "elements": "dict", "default": [], "options": door},
            "ping": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    timeout, doors, pinged = module.params["timeout"], module.params["tcp"], module.params["ping"]
    ping = module.get_bin_path("ping", required=bool(pinged))
    _code, links, _error = module.run_command([module.get_bin_path("ip", required=True), "-json", "address"], check_rc=True)
    refusals = all_at_once(lambda item: connect(item["address"], item["port"], timeout), doors)
    silences = all_at_once(lambda address: echo(address, timeout, ping), pinged)
    module.exit_json(
        changed=False,
        addresses=parse_ip_addresses(module.from_json(links)),
        listening=open_to_the_network(read_listeners()),
        tcp=[{**item, "open": why is None, "error": why} for item, why in zip(doors, refusals)],
        ping=[{"address": address, "answers": why is None, "error": why} for address, why in zip(pinged, silences)],
    )


if __name__ == "__main__":
    main()
