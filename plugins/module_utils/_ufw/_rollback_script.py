# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that restores a host's old firewall.

It needs neither the controller nor Python nor space on the disk: the files are moved back by rename, which also works on a full
disk. It is text in a Python file because Ansible sends only the Python files that a module imports to a host.
The unit test test_rollback_cut_off.py runs it. The names between @ are fields of Places (_rollback_units.py).

Private to this collection: it may change in any release.
"""

from __future__ import annotations

SCRIPT = r"""#!/bin/sh
# Managed by Ansible (homelab.tailsync.ufw_rollback).
# Restores ufw's old files and rules. It may be killed at any point and run again.
# usage: rollback.sh KEPT [REASON]; KEPT is the folder with the saved state. Without that folder it does nothing.
set -u
export PATH=@path@
base=@base@
kept=$1
shift
[ -e "$kept/complete" ] || exit 0

# A tailscaled that hangs must not block this script.
tailscaled="tailscaled was $(timeout @tailscaled@ systemctl is-active tailscaled 2>/dev/null)"
if timeout @tailscaled@ tailscale ip -4 >/dev/null 2>&1; then
  tailscaled="$tailscaled and had its address"
else
  tailscaled="$tailscaled and had no address"
fi
if [ $# -gt 0 ]; then
  reason=$*
elif [ ! -e @since_boot@ ]; then
  reason="the host was restarted before a new SSH login was proven"
else
  reason="no new login over the tailnet was proven within $(cat "$kept/timeout") s; $tailscaled"
fi

holds_lock() { # whether a process has the file open; its number in the file may belong to another process by now
  case $1 in '' | *[!0-9]*) return 1 ;; esac
  for handle in "/proc/$1/fd"/*; do
    # shellcheck disable=SC3013 # POSIX has no -ef, but dash, bash and busybox have
    [ "$handle" -ef @lock@ ] && return 0
  done
  return 1
}

# A ufw_policy that is still running would write into the restored files. It is killed after a time; its last command holds the
# lock until it ends. For other holders of the lock the wait is shorter.
exec 9<>@lock@
if ! flock -w @lock_timeout@ 9; then
  holder=$(cat @lock@)
  if holds_lock "$holder" && ! flock -w @policy_timeout@ 9; then
    ! holds_lock "$holder" || kill -9 "$holder"
    flock -w @last_command_timeout@ 9 || true # a ufw that hangs for longer will not write again
  fi
fi
: >@lock@ # this process must not be killed
[ -e "$kept/complete" ] || exit 0
if [ "$kept" = "$base/leaving" ] && [ ! -e "$base/rollback/complete" ]; then
  echo "nothing would take this back, so nothing was changed"
  exit 1
fi

open_firewall() { # an open host is better than one that locks its owner out
  printf '' >"$base/open" || true
  @init@ force-stop
  for table in iptables ip6tables; do
    for chain in INPUT OUTPUT FORWARD; do $table -w -P $chain ACCEPT; done
  done
}

restore() { # arguments: the file or folder in use, and its saved copy
  [ -e "$2" ] || return 0 # done already by an earlier run that was killed later
  rm -rf "$base/undone" || return 1
  if [ -e "$1" ]; then mv -T "$1" "$base/undone" || return 1; fi
  mv -T "$2" "$1"
}
if ! restore @ufw@ "$kept/ufw" || ! restore @defaults@ "$kept/default"; then
  open_firewall
  logger -t @unit@ "the firewall is OPEN: its old files could not be brought back; it is tried again" 2>/dev/null || true
  exit 1
fi
rm -rf "$base/undone"

what="the firewall is as it was before"
loaded=no
for _ in 1 2 3; do # another program may hold iptables' lock
  if [ -e "$kept/active" ]; then
    @init@ force-reload && loaded=yes && break
  else
    @init@ force-stop && loaded=yes && break
  fi
  sleep @pause@
done
if [ $loaded = no ]; then
  open_firewall
  what="the firewall is OPEN: the old rules could not be loaded again, look at 'ufw reload'"
  reason="$reason; $what"
fi
for family in 4 6; do # the parts that ufw does not restore by itself
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
