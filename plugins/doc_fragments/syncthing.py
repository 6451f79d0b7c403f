# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - requests (Python library, on the host)
options:
  home:
    description:
      - Syncthing's home folder on the host. Address and API key of the REST API are read from the C(config.xml) in it;
        the key is not returned and does not leave the host.
    type: path
    default: /var/lib/syncthing
  timeout:
    description: How long to wait for a Syncthing that is starting, in seconds.
    type: int
    default: 60
attributes:
  platform:
    support: full
    platforms: posix
    description: Where Syncthing runs. Run the module on that host, as root or as Syncthing's user.
  action_group:
    support: full
    description: Use C(group/homelab.tailsync.syncthing) in C(module_defaults).
    membership:
      - homelab.tailsync.syncthing
"""
