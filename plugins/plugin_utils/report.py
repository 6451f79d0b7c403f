# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report at the end of a run: pure functions from the results of the hosts to lines.

A new part of site.yml adds a function to C(LINES), which returns a line or nothing.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils.site_parts import TAGS
from ansible_collections.homelab.tailsync.plugins.plugin_utils.validate_types import some

Data = t.Mapping[str, t.Any]
MAX_LINES = 10
MAX_REASON = 130
DONE, REFUSED, UNREACHABLE, FAILED = "done", "refused", "unreachable", "failed"


@dataclasses.dataclass(frozen=True)
class Host:
    """One host of the run; a folder has C(id), C(path) and C(reason)."""

    name: str
    state: str = DONE
    reason: str = ""  # of a refused host
    left_out: t.Sequence[Data] = ()
    refused: t.Sequence[Data] = ()
    ssh_name: str = ""  # by which ssh finds it from now on
    ssh_file: str = ""
    address: str = ""  # in the tailnet, if the host allows only that in


@dataclasses.dataclass(frozen=True)
class Run:
    hosts: t.Sequence[Host]
    parts: t.Collection[str] = tuple(TAGS)
    check: bool = False
    verified: bool = False
    findings: t.Sequence[str] = ()  # verify's, without those of hosts that were lost before
    with_findings: t.Collection[str] = ()  # the hosts concerned
    said: t.Mapping[str, str] = dataclasses.field(default_factory=dict)  # what the tailnet says of hosts that were lost

    def in_state(self, state: str) -> list[Host]:
        return [host for host in self.hosts if host.state == state]

    @property
    def complete(self) -> list[Host]:
        return [
            host
            for host in self.in_state(DONE)
            if not (host.left_out or host.refused or (self.findings and host.name in self.with_findings))
        ]


def lines(run: Run) -> dict[str, t.Any]:
    """At most ten lines, and whether the run ends with a failure.

    A host that was lost has failed by itself, and a disk that is away is no failure.
    """
    found = [line for line in (one(run) for one in LINES) if line]
    return {"lines": found[:MAX_LINES], "failed": bool(run.findings or any(host.refused for host in run.hosts))}


def host_of(name: str, seen: Data, alive: bool) -> Host:
    """A host from its registered results, by their part: C(risks), C(ssh), C(state), C(mesh), C(member), C(config), C(node)."""
    state, reason = DONE, ""
    if not alive:
        state = UNREACHABLE if any(_is_away(seen.get(part)) for part in ("ssh", "state")) else FAILED
        # Both come before the first change.
        refusal = next((one for one in (_part(seen, "risks"), _part(seen, "ssh")) if _is_refusal(one)), None)
        if refusal is not None:
            state, reason = REFUSED, str(refusal.get("msg") or "").removeprefix(f"{name}: ")
    mesh, member = _part(seen, "mesh"), _part(_part(seen, "member"), "syncthing")
    config, node = _part(seen, "config"), _part(seen, "node")
    return Host(
        name=name,
        state=state,
        reason=reason,
        left_out=mesh.get("left_out") or [one for one in member.get("left_out") or () if one.get("kind") != "unusable"],
        refused=mesh.get("refused") or (),
        ssh_name=str((config.get("names") or [""])[0]) if config.get("in_use") else "",
        ssh_file=str(config.get("file") or "") if config.get("in_use") else "",
        address=str(node.get("name") or node.get("address") or ""),
    )


def findings_of(conclusion: Data, hosts: t.Iterable[Host]) -> list[str]:
    """The findings of verify without those that only repeat that a host was lost."""
    outages = conclusion.get("outages") or {}
    told = {outages.get(host.name) for host in hosts if host.state != DONE}
    return [one for one in conclusion.get("findings") or () if one not in told]


def _part(seen: Data, name: str) -> Data:
    found = seen.get(name)
    return found if isinstance(found, t.Mapping) else {}


def _is_refusal(result: Data) -> bool:
    return bool(result.get("failed") and ("address" not in result or result.get("refused")))


def _is_away(result: t.Any) -> bool:
    """Whether a task could not connect; the search for an address reports that as a failure."""
    return isinstance(result, t.Mapping) and bool(result.get("unreachable") or ("address" in result and result.get("failed")))


# --- the lines ------------------------------------------------------------------------------------


def _complete(run: Run) -> str:
    number, total = len(run.complete), len(run.hosts)
    if not (run.parts or run.verified):
        return f"the state of {len(run.in_state(DONE))} of {total} hosts was gathered, and nothing else was to be done (--tags)"
    verb = "would be complete" if run.check else "is complete" if number == 1 else "are complete"
    ways = ["check mode, which changes and verifies nothing"] if run.check else [] if run.verified else ["not verified"]
    if run.parts and set(run.parts) != set(TAGS):
        ways.insert(0, f"only {', '.join(run.parts)}")
    return f"{number} of {total} hosts {verb}" + (f" ({'; '.join(ways)})" if ways else "")


def _refused(run: Run) -> str:
    return _listed("refused, unchanged", [f"{host.name} ({_reasons(host.reason)})" for host in run.in_state(REFUSED)])


def _unreachable(run: Run) -> str:
    lost = [host.name for host in run.in_state(UNREACHABLE)]
    return _listed("unreachable", [f"{name} ({short(run.said[name])})" if run.said.get(name) else name for name in lost], ", ")


def _failed(run: Run) -> str:
    return _listed("stopped by an error (its own message is above)", [host.name for host in run.in_state(FAILED)], ", ")


def _left_out(run: Run) -> str:
    found = [f"{one['id']} on {host.name} ({one.get('path') or short(one['reason'])})" for host, one in _folders(run, "left_out")]
    return _listed("left out until its disk is back", found, ", ")


def _refused_folders(run: Run) -> str:
    found = [f"{one['id']} on {host.name} ({short(one['reason'])})" for host, one in _folders(run, "refused")]
    return _listed("refused folder", found)


def _findings(run: Run) -> str:
    refused = [(host.name, one["id"]) for host, one in _folders(run, "refused")]
    starts = tuple(f"folder {folder} on {name} is refused" for name, folder in refused)
    found = [one for one in run.findings if not (starts and one.startswith(starts))]  # those have their own line
    return _listed(f"verify found {len(found)} problem{'s' if len(found) > 1 else ''}", [short(one, 160) for one in found])


def _access(run: Run) -> str:
    # In check mode a host is reached as before, unless ssh's configuration has it already.
    hosts = [host for host in run.in_state(DONE) if host.ssh_name or (host.address and not run.check)]
    if not hosts:
        return ""
    files = [host.ssh_file for host in hosts if host.ssh_file]
    other = (
        f"ansible all -m ping (with {files[0]})" if len(files) == len(hosts) else "for other playbooks, set ansible_host to these"
    )
    return f"from now on: {some([f'ssh {host.ssh_name or host.address}' for host in hosts])}; {other}"


def _next(run: Run) -> str:
    # verify's findings may have causes that no other line has
    if len(run.complete) < len(run.hosts) and not _is_disk_only(run):
        return "next: remove the causes above, each host's own message has the fix; then run site.yml for all hosts again"
    if len(run.complete) < len(run.hosts):
        return "next: attach the disk and mount it, then run site.yml again"
    return "next: run it without --check" if run.check else ""


LINES: tuple[t.Callable[[Run], str], ...] = (
    _complete,
    _refused,
    _unreachable,
    _failed,
    _left_out,
    _refused_folders,
    _findings,
    _access,
    _next,
)


def _is_disk_only(run: Run) -> bool:
    return not run.findings and all(host.state == DONE and not host.refused for host in run.hosts)


def _folders(run: Run, kind: str) -> list[tuple[Host, Data]]:
    return [(host, one) for host in run.hosts for one in getattr(host, kind)]


def _listed(start: str, items: t.Sequence[str], separator: str = "; ", most: int = 5) -> str:
    rest = f" and {len(items) - most} more" if len(items) > most else ""
    return f"{start}: {separator.join(items[:most])}{rest}" if items else ""


def _reasons(text: str) -> str:
    first, *others = text.split(". And ")
    return short(first) + (f", and {len(others)} more" if others else "")


def short(text: str, most: int = MAX_REASON) -> str:
    """The start of a message, without the fix if it is long."""
    words = re.sub(r"\s+", " ", text).strip().rstrip(".")
    if len(words) > most:
        problem = words.partition(": ")[0]
        words = problem if 20 < len(problem) <= most else words
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"
