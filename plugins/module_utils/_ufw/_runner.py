# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ufw_policy does: look, decide, do it, look again.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _docker, _files, _options, _plan, _policy, _rules
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._policy import Policy, State, UfwError
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import FAMILIES

DEFAULTS_FILE = "/etc/default/ufw"
CONF_FILE = "/etc/ufw/ufw.conf"
PROFILES = "etc/ufw/applications.d"
PROGRAMS = {"v4": "iptables", "v6": "ip6tables"}
HELD_OPEN = {"incoming": "INPUT", "outgoing": "OUTPUT"}
RULES_FILES = {family: (_files.BEFORE[family], _docker.FILES[family], _policy.USER_FILES[family]) for family in FAMILIES}
UNTOUCHED = "Nothing was changed; mend it, or take it anew from /usr/share/ufw"
HALF = "ufw has just written it so, and could not load it at the next boot: is there room on the disk?"

Params = t.Mapping[str, t.Any]
Command = t.List[str]  # noqa: UP006  (3.9 at run time)
# Takes a command and what it is to read, gives exit code, output and errors.
Execute = t.Callable[[Command, t.Optional[str]], t.Tuple[int, str, str]]  # noqa: UP006


@dataclasses.dataclass(frozen=True)
class Seen:
    """What is there: ufw's state, its rules files by path, and the kernel's rules as `iptables -S` lists them."""

    state: State = dataclasses.field(default_factory=State)
    texts: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    live: t.Mapping[str, str] = dataclasses.field(default_factory=lambda: dict.fromkeys(FAMILIES, ""))
    families: tuple[str, ...] = FAMILIES
    profiles: t.Mapping[str, int] | None = None


@dataclasses.dataclass(frozen=True)
class Decision:
    commands: list[Command]
    writes: t.Mapping[str, str]
    before: dict[str, t.Any]
    after: dict[str, t.Any]
    state: State


class Ufw:
    def __init__(self, execute: Execute, root: Path = Path("/")) -> None:
        self.execute = execute
        self.root = root

    def look(self) -> Seen:
        settings = _policy.parse_settings(self.read(DEFAULTS_FILE))
        _policy.refuse_unsafe(settings)
        conf = _policy.parse_settings(self.read(CONF_FILE))
        texts = {path: self.read(path) for family in FAMILIES for path in RULES_FILES[family]}
        for path in _policy.USER_FILES.values():  # the two that ufw reads by Python, and would end with a traceback
            number = _files.not_text(texts[path])
            if number:
                raise UfwError(f"{path}, line {number}: this is not text. {UNTOUCHED}")
        code, status, error = self.execute(["ufw", "status"], None)
        if code != 0 and "problem running" not in error + status:
            raise UfwError(f"ufw status failed: {(error or status).strip()}")
        added = self.run(["ufw", "show", "added"])
        # As ufw decides whether it does IPv6 (ufw/backend.py).
        families = FAMILIES if (self.root / "proc/sys/net/ipv6").exists() else ("v4",)
        halves = {family: texts[_policy.USER_FILES[family]] if family in families else "" for family in FAMILIES}
        state = _policy.read_state(settings, conf, status, added, halves)
        # Where the kernel cannot list, ufw says so with its next word.
        live = {family: self.execute([PROGRAMS[family], "-w", "-S"], None)[1] for family in FAMILIES}
        profiles = _options.profiles_of(_files.read(path) for path in sorted((self.root / PROFILES).glob("[!.]*")))
        return Seen(state, texts, live, families, profiles)

    def read(self, path: str) -> str:
        return _files.read(self.root / path.lstrip("/"))

    def run(self, command: Command) -> str:
        code, output, error = self.execute(command, None)
        if code != 0:
            raise UfwError(f"{' '.join(command)} failed: {(error or output).strip()}")
        return output

    def refuse_corrupt(self, texts: t.Mapping[str, str], what_now: str) -> None:
        """Files that ufw would lose rules of, or could not load and so stop half way."""
        for family in FAMILIES:
            for path in RULES_FILES[family]:
                number, why = _policy.malformed(texts[path]), "ufw cannot read this rule of its own, and would drop it"
                if not number:
                    number, why = self.fault(texts[path], family)
                if number:
                    raise UfwError(f"{path}, line {number}: {why}. {what_now}")

    def fault(self, text: str, family: str) -> tuple[int, str]:
        """The line that cannot be loaded, and why; 0 if all can."""
        program = f"{PROGRAMS[family]}-restore"
        whole, numbers = _files.testable(text, family)
        code, output, error = self.execute([program, "--test", "-n"], whole)
        if code == 0:
            return 0, ""
        said = (error or output).strip()
        line = re.search(r"line:? (\d+)", said)
        number = numbers[min(int(line.group(1)), len(numbers)) - 1] if line else 1
        why = said.splitlines()[0] if said else f"{program} ends with {code}"
        return number, re.sub(rf"^{program}[^:]*: | at line \d+", "", why)

    def do(self, decision: Decision) -> None:
        for command in decision.commands:
            if command[0] == "write":
                _files.write(self.root / command[1].lstrip("/"), decision.writes[command[1]])
            else:
                self.run(command)


def policy_of(params: Params, seen: Seen) -> Policy:
    rules = _options.rules_of(params["rules"], "rules")
    keep = _options.rules_of(params["keep"], "keep")
    _options.refuse_odd_interfaces(params["docker_interfaces"], "docker_interfaces")
    if seen.profiles is not None:
        _options.refuse_unknown_profiles(rules, seen.state.rules, seen.profiles)
    if seen.families != FAMILIES:  # a kernel without IPv6
        rules = tuple(rule.half("v4") for rule in rules if "v4" in rule.families)
        keep = tuple(rule.half("v4") for rule in keep if "v4" in rule.families)
    return Policy(
        active=params["state"] == "enabled",
        rules=rules,
        defaults={name: params[f"default_{name}"] for name in _policy.DIRECTIONS},
        logging=params["logging"],
        purge=params["purge"],
        keep=keep,
        profiles=seen.profiles or {},
    )


def texts_of(seen: Seen, policy: Policy, params: Params) -> dict[str, str]:
    """ufw's files as they are to be."""
    texts = dict(seen.texts)
    for family in FAMILIES:
        before, after = _files.BEFORE[family], _docker.FILES[family]
        if params["multicast"] is not None:
            texts[before] = _files.set_multicast(texts.get(before, ""), params["multicast"])
        if params["docker"] is not None:
            lines = _docker.rules(policy.rules, params["docker_interfaces"], family)
            texts[after] = _docker.replace(texts.get(after, ""), _docker.block(lines) if params["docker"] else "")
    return texts


def is_loaded(seen: Seen, texts: t.Mapping[str, str], params: Params) -> bool:
    """Whether the kernel has what the files say; a run that was cut off, or somebody else, may have kept it from that."""
    for family in seen.families:
        listing = seen.live[family]
        # Not FORWARD: Docker sets that, too.
        for name, chain in HELD_OPEN.items():
            if f"-P {chain} {'ACCEPT' if seen.state.defaults[name] == 'allow' else 'DROP'}" not in listing.splitlines():
                return False
        before, after, user = (texts.get(path, "") for path in RULES_FILES[family])
        if _files.lacks(listing, (before, after, user)) or not _docker.is_loaded(after, listing):
            return False
        if params["multicast"] is not None and _files.multicast(before) != _files.multicast(listing):
            return False
    return True


def held_open(commands: t.Iterable[Command], seen: Seen) -> t.Iterator[Command]:
    """ufw stops by emptying its chains first and taking back a closing policy last; this takes it back before."""
    running, defaults = seen.state.running, dict(seen.state.defaults)
    for words in commands:
        if running and words[0] in ("default", "reload", "disable"):
            for name, chain in HELD_OPEN.items():
                if defaults[name] != "allow":
                    yield from ([PROGRAMS[family], "-w", "-P", chain, "ACCEPT"] for family in seen.families)
        running = words[-1] == "enable" or (running and words != ["disable"])
        if words[0] == "default":
            defaults[words[2]] = words[1]
        yield ["ufw", *words]


def decide(seen: Seen, params: Params) -> Decision:
    """The only branch for check mode and the real thing."""
    policy = policy_of(params, seen)
    texts = texts_of(seen, policy, params)
    writes = {path: text for path, text in texts.items() if text != seen.texts.get(path, "")}
    loaded = seen.state.running and is_loaded(seen, seen.texts, params)
    commands, after = _plan.plan(seen.state, policy, reload=bool(writes) or not loaded)
    # ufw never empties a chain of Docker's: what is ours in it goes by hand where it has no block any more, or is off.
    stale = [
        [PROGRAMS[family], "-w", "-D", *shlex.split(line)[1:]]
        for family in FAMILIES
        for line in reversed(_docker.live(seen.live[family]))
        if not policy.active or not _docker.find(texts.get(_docker.FILES[family], ""))
    ]
    return Decision(
        commands=[*(["write", path] for path in writes), *held_open(commands, seen), *stale],
        writes=writes,
        before=_show(seen.state, seen.texts, loaded, any(_docker.live(listing) for listing in seen.live.values())),
        after=_show(after, texts, after.running, after.running and any(_docker.find(text) for text in texts.values())),
        state=after,
    )


def _show(state: State, texts: t.Mapping[str, str], running: bool, docker_running: bool) -> dict[str, t.Any]:
    return {
        **_policy.show(state),
        "running": running,
        "docker_running": docker_running,
        "multicast": any(_files.multicast(texts.get(path, "")) for path in _files.BEFORE.values()),
        "docker": {family: _docker.shown(texts.get(path, "")) for family, path in _docker.FILES.items()},
    }


def bring(ufw: Ufw | None, params: Params, check_mode: bool) -> dict[str, t.Any]:
    """Bring ufw to the policy. Without ufw, a check takes it for inactive and empty."""
    if ufw is None and not check_mode:
        raise UfwError("ufw is not installed on this host: install its package first (the role homelab.tailsync.firewall does)")
    seen = ufw.look() if ufw else Seen()
    decision = decide(seen, params)
    if ufw and decision.commands:
        ufw.refuse_corrupt({**seen.texts, **decision.writes}, UNTOUCHED)
    if ufw and decision.commands and not check_mode:
        ufw.do(decision)
        seen_after = ufw.look()
        # On a full disk ufw writes half a file, says nothing of it, and fails at the next boot.
        ufw.refuse_corrupt(seen_after.texts, HALF)
        left = decide(seen_after, params).commands
        if left:
            raise UfwError(
                f"ufw took the policy but does not show it; still to do: {'; '.join(' '.join(words) for words in left)}"
            )
    declared = set(policy_of(params, seen).rules)
    before, after = seen.state.rules, decision.state.rules
    return {
        "changed": bool(decision.commands),
        "before": decision.before,
        "after": decision.after,
        "added": [_rules.text(rule) for rule in after if rule not in before],
        "removed": [_rules.text(rule) for rule in before if rule not in after],
        "unmanaged": [_rules.text(rule) for rule in after if rule not in declared],
        "commands": decision.commands,
        "diff": {"before": decision.before, "after": decision.after},
    }
