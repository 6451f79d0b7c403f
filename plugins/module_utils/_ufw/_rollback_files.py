# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is put on a host so that it brings back its own firewall: a script and two units.

Nothing here needs the controller, Python, or room on the disk: the files are moved back by
rename, which is all that a full disk still allows.

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
    strangers: float = 10  # seconds that anybody may hold the lock for
    patience: float = 20  # seconds that a ufw_policy at work may go on for after that
    last: float = 20  # seconds that the last command of one that was ended may go on for
    pause: float = 2  # seconds until the old rules are loaded again, where they could not be
    tailscaled: float = 5  # seconds that tailscaled and systemd may take to say how they are


SCRIPT = r"""#!/bin/sh
# Managed by Ansible (homelab.tailsync.ufw_rollback).
# Brings ufw's files and rules back to what they were. It may die at any point and be run again.
# usage: rollback.sh KEPT [REASON]; KEPT is the folder that has them, and nothing happens without it.
set -u
export PATH=@path@
base=@base@
kept=$1
shift
[ -e "$kept/complete" ] || exit 0

# A tailscaled that hangs must not hang this.
tailscaled="tailscaled was $(timeout @tailscaled@ systemctl is-active tailscaled 2>/dev/null)"
if timeout @tailscaled@ tailscale ip -4 >/dev/null 2>&1; then
  tailscaled="$tailscaled and had its address"
else
  tailscaled="$tailscaled and had no address"
fi
if [ $# -gt 0 ]; then
  reason=$*
elif [ ! -e @since_boot@ ]; then
  reason="the host was restarted before a new way in was proven"
else
  reason="no new login over the tailnet was proven within $(cat "$kept/timeout") s; $tailscaled"
fi

has_the_lock() { # whether a process has the file open; its number in there may be that of another by now
  case $1 in '' | *[!0-9]*) return 1 ;; esac
  for handle in "/proc/$1/fd"/*; do
    [ "$handle" -ef @lock@ ] && return 0
  done
  return 1
}

# A ufw_policy that is still at work would write into what is brought back. It has its time, and is ended then; the last
# command that it began holds the lock until it is done. Nobody else is waited for as long.
exec 9<>@lock@
if ! flock -w @strangers@ 9; then
  holder=$(cat @lock@)
  if has_the_lock "$holder" && ! flock -w @patience@ 9; then
    ! has_the_lock "$holder" || kill -9 "$holder"
    flock -w @last@ 9 || true # a ufw that hangs for longer will not write any more
  fi
fi
: >@lock@ # nobody is to end this one
[ -e "$kept/complete" ] || exit 0
if [ "$kept" = "$base/leaving" ] && [ ! -e "$base/rollback/complete" ]; then
  echo "nothing would take this back, so nothing was changed"
  exit 1
fi

let_everything_in() { # rather open than locked out
  printf '' >"$base/open" || true
  @init@ force-stop
  for table in iptables ip6tables; do
    for chain in INPUT OUTPUT FORWARD; do $table -w -P $chain ACCEPT; done
  done
}

bring_back() { # the file or folder in use, and what was kept of it
  [ -e "$2" ] || return 0 # done already, by a run that died later
  rm -rf "$base/undone" || return 1
  if [ -e "$1" ]; then mv -T "$1" "$base/undone" || return 1; fi
  mv -T "$2" "$1"
}
if ! bring_back @ufw@ "$kept/ufw" || ! bring_back @defaults@ "$kept/default"; then
  let_everything_in
  logger -t @unit@ "the firewall is OPEN: its old files could not be brought back; it is tried again" 2>/dev/null || true
  exit 1
fi
rm -rf "$base/undone"

what="the firewall is as it was before"
loaded=no
for attempt in 1 2 3; do # another program may hold iptables' lock
  if [ -e "$kept/active" ]; then
    @init@ force-reload && loaded=yes && break
  else
    @init@ force-stop && loaded=yes && break
  fi
  sleep @pause@
done
if [ $loaded = no ]; then
  let_everything_in
  what="the firewall is OPEN: the old rules could not be loaded again, look at 'ufw reload'"
  reason="$reason; $what"
fi
for family in 4 6; do # what ufw does not bring back by itself
  table=iptables
  [ $family = 4 ] || table=ip6tables
  if [ $loaded = yes ] && [ -e "$kept/policies$family" ]; then
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

logger -t @unit@ "$what: $reason" 2>/dev/null || true
[ $loaded = no ] || rm -f "$base/open"
if [ "$kept" = "$base/rollback" ]; then
  printf '%s\n%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$reason" >"$base/fired" || true
  rm -f "$base/left"
fi
sync
rm -f "$kept/complete"
rm -rf "$kept"
if [ "$kept" = "$base/rollback" ]; then
  systemctl --no-block stop @unit@.timer @second@.timer 2>/dev/null || true
  systemctl disable @unit@.service @second@.timer 2>/dev/null || true
elif [ $loaded = no ]; then
  echo "$what"
  exit 1
fi
exit 0
"""

SERVICE = """\
# Managed by Ansible (homelab.tailsync.ufw_rollback).
[Unit]
Description=Bring the firewall back to what it was, unless a new way in was proven
ConditionPathExists=@base@/rollback/complete
After=ufw.service local-fs.target
# Half of it done is nothing that anybody wants.
RefuseManualStop=yes

[Service]
Type=oneshot
ExecStart=/bin/sh @base@/rollback.sh @base@/rollback
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
