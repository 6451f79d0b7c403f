# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is put on a host so that it brings back its own firewall: a script and two units.

Nothing here needs the controller, Python, or room on the disk: the files are moved back by
rename, which is all that a full disk still allows.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._lock import LOCK

UNIT = "tailsync-firewall-rollback"
# Gone after a restart, like everything in /run: that is how the script knows that there was one.
SINCE_BOOT = "/run/tailsync-firewall-rollback"

SCRIPT = r"""#!/bin/sh
# Managed by Ansible (homelab.tailsync.ufw_rollback).
# Brings ufw's files and rules back to what they were. It may die at any point and be run again.
# usage: rollback.sh KEPT [REASON]; KEPT is the folder that has them, and nothing happens without it.
set -u
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
base=@BASE@
kept=$1
shift
[ -e "$kept/complete" ] || exit 0

tailscaled="tailscaled was $(systemctl is-active tailscaled 2>/dev/null)"
tailscale ip -4 >/dev/null 2>&1 && tailscaled="$tailscaled and had its address" || tailscaled="$tailscaled and had no address"
if [ $# -gt 0 ]; then
  reason=$*
elif [ ! -e @SINCE_BOOT@ ]; then
  reason="the host was restarted before a new way in was proven"
else
  reason="no new login over the tailnet was proven within $(cat "$kept/timeout") s; $tailscaled"
fi

# A ufw_policy that is still at work would write into what is brought back: it has its time, and is ended then.
exec 9<>@LOCK@
if ! flock -w 30 9; then
  kill -9 "$(cat @LOCK@)"
  flock -w 30 9 || true
  sleep 5 # for the last command that it began
fi
[ -e "$kept/complete" ] || exit 0

bring_back() { # the file or folder in use, and what was kept of it
  [ -e "$2" ] || return 0 # done already, by a run that died later
  rm -rf "$base/undone"
  [ ! -e "$1" ] || mv "$1" "$base/undone"
  mv "$2" "$1"
}
bring_back /etc/ufw "$kept/ufw" || exit 1
bring_back /etc/default/ufw "$kept/default" || exit 1
rm -rf "$base/undone"

loaded=no
for attempt in 1 2 3; do # another program may hold iptables' lock
  if [ -e "$kept/active" ]; then
    /lib/ufw/ufw-init force-reload && loaded=yes && break
  else
    /lib/ufw/ufw-init force-stop && loaded=yes && break
  fi
  sleep 2
done
if [ $loaded = no ]; then
  # Rather open than locked out.
  /lib/ufw/ufw-init force-stop
  for table in iptables ip6tables; do
    for chain in INPUT OUTPUT FORWARD; do $table -w -P $chain ACCEPT; done
  done
  rm -f "$kept"/policies?
  reason="$reason; the old rules could not be loaded again, so the firewall is OPEN: look at 'ufw reload'"
fi
for family in 4 6; do # what ufw does not bring back by itself
  table=iptables
  [ $family = 4 ] || table=ip6tables
  if [ -e "$kept/policies$family" ]; then
    while read -r chain policy; do $table -w -P "$chain" "$policy"; done <"$kept/policies$family"
  fi
  $table -w -n -L DOCKER-USER >/dev/null 2>&1 || continue
  $table -w -F DOCKER-USER
  if [ -e "$kept/docker$family" ]; then
    $table-restore -w -n <"$kept/docker$family"
  else
    $table -w -X DOCKER-USER 2>/dev/null || true
  fi
done

logger -t @UNIT@ "the firewall is as it was before: $reason" 2>/dev/null || true
rm -f "$kept/complete"
rm -rf "$kept"
[ "$kept" = "$base/rollback" ] || exit 0
rm -f "$base/left"
printf '%s\n%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$reason" >"$base/fired" || true
systemctl --no-block stop @UNIT@.timer 2>/dev/null || true
systemctl disable @UNIT@.service 2>/dev/null || true
exit 0
"""

SERVICE = """\
# Managed by Ansible (homelab.tailsync.ufw_rollback).
[Unit]
Description=Bring the firewall back to what it was, unless a new way in was proven
ConditionPathExists=@BASE@/rollback/complete
After=ufw.service local-fs.target

[Service]
Type=oneshot
ExecStart=@BASE@/rollback.sh @BASE@/rollback
Restart=on-failure
RestartSec=5

# At every start of the host while it is armed: whoever was to prove a way in is gone by then.
[Install]
WantedBy=multi-user.target
"""

TIMER = """\
# Managed by Ansible (homelab.tailsync.ufw_rollback).
[Unit]
Description=Time until the firewall is brought back to what it was

[Timer]
OnActiveSec=@TIMEOUT@
AccuracySec=1
"""


def fill(text: str, base: str, timeout: int = 0) -> str:
    values = {"@LOCK@": str(LOCK), "@BASE@": base, "@SINCE_BOOT@": SINCE_BOOT, "@UNIT@": UNIT, "@TIMEOUT@": str(timeout)}
    for name, value in values.items():
        text = text.replace(name, value)
    return text
