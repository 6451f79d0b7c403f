# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units that run the rollback's script on a host, and where everything has its place.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._lock import LOCK

UNIT = "tailsync-firewall-rollback"
# A second trigger, with a name that no pattern for the first one matches: whoever stops that one leaves this.
SECOND = "unproven-firewall-change"


@dataclasses.dataclass(frozen=True)
class Places:
    """Where things are; the tests have other places."""

    base: str = "/etc/tailsync/firewall"
    ufw: str = "/etc/ufw"
    defaults: str = "/etc/default/ufw"
    init: str = "/lib/ufw/ufw-init"
    lock: str = str(LOCK)
    # Gone after a restart, like everything in /run: that is how the script knows that there was one.
    since_boot: str = "/run/tailsync-firewall-rollback"
    path: str = "/usr/sbin:/usr/bin:/sbin:/bin"
    lock_timeout: float = 10  # seconds to wait for the lock, whoever holds it
    policy_timeout: float = 20  # further seconds for a ufw_policy that is still running
    last_command_timeout: float = 20  # seconds for the last command of a ufw_policy that was killed
    pause: float = 2  # seconds until the old rules are loaded again, where they could not be
    tailscaled: float = 5  # seconds that tailscaled and systemd may take to say how they are


SERVICE = """\
# Managed by Ansible (homelab.tailsync.ufw_rollback).
[Unit]
Description=Bring the firewall back to what it was, unless a new SSH login was proven
ConditionPathExists=@base@/rollback/complete
After=ufw.service local-fs.target
# Half of it done is nothing that anybody wants.
RefuseManualStop=yes

[Service]
Type=oneshot
ExecStart=/bin/sh @base@/rollback.sh @base@/rollback
Restart=on-failure
RestartSec=5

# At every start of the host while it is armed: whoever was to prove a login is gone by then.
[Install]
WantedBy=multi-user.target
"""

TIMER = """\
# Managed by Ansible (homelab.tailsync.ufw_rollback).
[Unit]
Description=Time until the firewall is brought back to what it was

[Timer]
OnActiveSec=@timeout@
AccuracySec=1
"""

# It needs no symlink of the first, and comes up after a restart, too. The later times are for a first attempt that was cut off.
SECOND_TIMER = """\
# Managed by Ansible (homelab.tailsync.ufw_rollback).
[Unit]
Description=Time until an unproven change of the firewall is taken back in any case

[Timer]
Unit=@unit@.service
OnActiveSec=@timeout@
OnActiveSec=@again@
OnActiveSec=@once_more@
AccuracySec=1

[Install]
WantedBy=timers.target
"""


def fill(text: str, places: Places, timeout: int = 0) -> str:
    values: dict[str, object] = {**dataclasses.asdict(places), "unit": UNIT, "second": SECOND, "timeout": timeout}
    values.update(again=timeout + 30, once_more=timeout + 90)
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text
