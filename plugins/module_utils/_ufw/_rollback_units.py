# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units that run the rollback's script on a host, and the paths of its files.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._lock import LOCK

UNIT = "tailsync-firewall-rollback"
# A second timer, with a name that patterns for the first one do not match, so that stopping the first does not stop it.
SECOND = "unproven-firewall-change"


@dataclasses.dataclass(frozen=True)
class Places:
    """Paths and times of the rollback; the tests use others."""

    base: str = "/etc/tailsync/firewall"
    ufw: str = "/etc/ufw"
    defaults: str = "/etc/default/ufw"
    init: str = "/lib/ufw/ufw-init"
    lock: str = str(LOCK)
    # A restart removes it, like everything in /run. So the script knows that there was one.
    since_boot: str = "/run/tailsync-firewall-rollback"
    path: str = "/usr/sbin:/usr/bin:/sbin:/bin"
    lock_timeout: float = 10  # seconds to wait for any holder of the lock
    policy_timeout: float = 20  # further seconds for a ufw_policy that is still running
    last_command_timeout: float = 20  # seconds for the last command of a ufw_policy that was killed
    pause: float = 2  # seconds until another attempt to load the old rules
    tailscaled: float = 5  # seconds that tailscaled and systemd may take to report their state


SERVICE = """\
# Managed by Ansible (homelab.tailsync.ufw_rollback).
[Unit]
Description=Restore the old firewall, unless a new SSH login was proven
ConditionPathExists=@base@/rollback/complete
After=ufw.service local-fs.target
# A rollback must not be stopped half way.
RefuseManualStop=yes

[Service]
Type=oneshot
ExecStart=/bin/sh @base@/rollback.sh @base@/rollback
Restart=on-failure
RestartSec=5

# At every start of the host while the rollback is armed: the run that was to prove a login cannot continue after a restart.
[Install]
WantedBy=multi-user.target
"""

TIMER = """\
# Managed by Ansible (homelab.tailsync.ufw_rollback).
[Unit]
Description=Time until the old firewall is restored

[Timer]
OnActiveSec=@timeout@
AccuracySec=1
"""

# It does not depend on the first one's symlink, and also starts after a restart. The later times are for an interrupted attempt.
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
