# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A double of ufw's commands on files in a folder, with ufw's special cases and with failures on demand.

Two lists, one for each family; a rule that differs in action, log or comment replaces; positions count on from one list to
the other, where a profile of several ports counts once though it is there several times. tests/integration/ufw shows that
the real one does the same.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import pathlib
import shlex

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _files, _rules
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import ANY, FAMILIES, Rule
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._state import State

PROFILES = {"CIFS": 2, "DNS": 1}
BEFORE = """\
*filter
:ufw{6}-before-input - [0:0]
# allow MULTICAST mDNS for service discovery
-A ufw{6}-before-input -p udp -d {mdns} --dport 5353 -j ACCEPT

# allow MULTICAST UPnP for service discovery
-A ufw{6}-before-input -p udp -d {upnp} --dport 1900 -j ACCEPT
COMMIT
"""
AFTER = "*filter\n:ufw{6}-after-input - [0:0]\nCOMMIT\n"
GROUPS = {"v4": ("224.0.0.251", "239.255.255.250"), "v6": ("ff02::fb", "ff02::f")}
DEFAULTS = {"incoming": "INPUT", "outgoing": "OUTPUT", "routed": "FORWARD"}
WORDS = {"allow": "ACCEPT", "deny": "DROP", "reject": "REJECT"}


class UfwDouble:
    def __init__(self, folder: pathlib.Path | None = None) -> None:
        self.active = False  # whether the kernel has ufw's chains
        self.enabled = False
        self.half_loaded = False
        self.policies = {"incoming": "deny", "outgoing": "allow", "routed": "deny"}
        self.logging = "low"
        self.settings = "IPV6=yes\nMANAGE_BUILTINS=no\n"
        self.lists: dict[str, list[Rule]] = {family: [] for family in FAMILIES}
        self.kernel: dict[str, list[str]] = {family: [] for family in FAMILIES}
        self.held_open: set[tuple[str, str]] = set()
        self.calls: list[list[str]] = []
        self.broken = ""  # a command that contains this text fails
        self.corrupt = ""  # a line that iptables-restore refuses
        if folder:
            self.install(folder)

    @classmethod
    def of(cls, state: State) -> UfwDouble:
        """Make a double with these values, without files."""
        double = cls()
        double.active, double.enabled, double.half_loaded = state.running, state.enabled, state.broken
        double.policies, double.logging = dict(state.defaults), state.logging
        double.lists = {"v4": list(state.v4), "v6": list(state.v6)}
        return double

    def install(self, folder: pathlib.Path) -> None:
        """Write the files of the package."""
        self.root = folder
        for path in ("etc/default", "etc/ufw/applications.d", "proc/sys/net/ipv6"):
            (folder / path).mkdir(parents=True)
        for name, count in PROFILES.items():
            text = f"[{name}]\ntitle=a\ndescription=b\nports={'|'.join(['1/tcp'] * count)}\n"
            (folder / "etc/ufw/applications.d" / name).write_text(text, encoding="ascii")
        for family, six in (("v4", ""), ("v6", "6")):
            mdns, upnp = GROUPS[family]
            before = BEFORE.replace("{6}", six).format(mdns=mdns, upnp=upnp)
            (folder / f"etc/ufw/before{six}.rules").write_text(before, encoding="ascii")
            (folder / f"etc/ufw/after{six}.rules").write_text(AFTER.replace("{6}", six), encoding="ascii")
        self.save()

    def file(self, name: str, family: str = "v4") -> pathlib.Path:
        return self.root / "etc/ufw" / f"{name}{'6' if family == 'v6' else ''}.rules"

    def save(self) -> None:
        policies = "".join(f'DEFAULT_{chain}_POLICY="{WORDS[self.policies[name]]}"\n' for name, chain in DEFAULTS.items())
        (self.root / "etc/default/ufw").write_text(self.settings + policies, encoding="ascii")
        conf = f"ENABLED={'yes' if self.enabled else 'no'}\nLOGLEVEL={self.logging}\n"
        (self.root / "etc/ufw/ufw.conf").write_text(conf, encoding="ascii")
        for family in FAMILIES:
            body = "".join(self.tuple_of(rule) + self.loaded(rule) + "\n" for rule in self.lists[family])
            self.file("user", family).write_text(f"*filter\n### RULES ###\n{body}### END RULES ###\nCOMMIT\n", encoding="utf-8")

    @staticmethod
    def tuple_of(rule: Rule) -> str:
        everywhere = _rules.EVERYWHERE[rule.family]
        action = ("route:" if rule.direction == "routed" else "") + rule.action + (f"_{rule.log}" if rule.log else "")
        words = [action, rule.protocol, rule.port or ANY, everywhere if rule.destination == ANY else rule.destination]
        words += [rule.source_port or ANY, everywhere if rule.source == ANY else rule.source]
        if rule.app or rule.source_app:
            words += [name.replace(" ", "%20") or "-" for name in (rule.app, rule.source_app)]
        comment = f" comment={rule.comment.encode().hex()}" if rule.comment else ""
        return f"### tuple ### {' '.join([*words, UfwDouble.direction_of(rule)])}{comment}\n"

    @staticmethod
    def direction_of(rule: Rule) -> str:
        if rule.direction != "routed":
            return f"{rule.direction}_{rule.interface}" if rule.interface else rule.direction
        ways = [f"{word}_{name}" for word, name in (("in", rule.interface), ("out", rule.interface_out)) if name]
        return "!".join(ways) or "in"

    @staticmethod
    def loaded(rule: Rule) -> str:
        chain = {"in": "input", "out": "output", "routed": "forward"}[rule.direction]
        return f"-A ufw{'6' if rule.family == 'v6' else ''}-user-{chain} -j {rule.action}\n"

    # --- called by the module ---

    def __call__(self, command: list[str], data: str | None) -> tuple[int, str, str]:
        self.calls.append(command)
        if self.broken and self.broken in " ".join(command):
            return 1, "", "ERROR: could not do it"
        if command[0].endswith("-restore"):
            return self.restore(data or "")
        if command[0] in ("iptables", "ip6tables"):
            return self.iptables("v6" if command[0] == "ip6tables" else "v4", command)
        if command[1:] == ["status"] and self.half_loaded:
            return 1, "", "ERROR: problem running ip6tables"
        if command[1:] == ["status"]:
            return 0, f"Status: {'active' if self.active else 'inactive'}\n", ""
        return (0, self.shown(), "") if command[1:] == ["show", "added"] else self.ufw(command[1:])

    def restore(self, text: str) -> tuple[int, str, str]:
        lines = text.split("\n")
        bad = next((number for number, line in enumerate(lines, 1) if self.corrupt and self.corrupt in line), 0)
        return (2, "", f"Bad argument `x'\nError occurred at line: {bad}\n") if bad else (0, "", "")

    def iptables(self, family: str, command: list[str]) -> tuple[int, str, str]:
        if "-D" in command:
            there = [shlex.split(line)[1:] for line in self.kernel[family]]
            if command[3:] not in there:
                return 1, "", "iptables: Bad rule (does a matching rule exist in that chain?)."
            del self.kernel[family][there.index(command[3:])]
        if "-P" in command:
            self.held_open.add((family, command[-2]))
        return 0, "\n".join([*self.chain_policies(family), *self.kernel[family]]) + "\n", ""

    def ufw(self, words: list[str]) -> tuple[int, str, str]:
        try:
            self.write(words)
        except ValueError as error:
            return 1, "", f"ERROR: {error}"
        self.save()
        if self.active:
            self.load(everything=words[0] in ("--force", "reload", "default"))
        return 0, "", ""

    def shown(self) -> str:
        lines = [
            " ".join(_rules.arguments(dataclasses.replace(rule, family=""))) for family in FAMILIES for rule in self.lists[family]
        ]
        return "Added user rules:\n" + "".join(f"ufw {line}\n" for line in dict.fromkeys(lines))

    def chain_policies(self, family: str) -> list[str]:
        policies = {name: WORDS[policy].replace("REJECT", "DROP") for name, policy in self.policies.items()}
        open_now = {chain for chain in DEFAULTS.values() if not self.active or (family, chain) in self.held_open}
        return [f"-P {chain} {'ACCEPT' if chain in open_now else policies[name]}" for name, chain in DEFAULTS.items()]

    def load(self, everything: bool) -> None:
        if everything:
            self.held_open.clear()
        for family in FAMILIES:
            user = [line for line in self.file("user", family).read_text(encoding="utf-8").splitlines() if line.startswith("-A ")]
            rest = [line for line in self.kernel[family] if "-user-" not in line]
            if everything:
                texts = [_files.read(self.file(name, family)) for name in ("before", "after")]
                rest = [line for line in self.kernel[family] if "DOCKER-USER" in line]
                for line in (line for text in texts for line in text.splitlines()):
                    if line.startswith(":DOCKER-USER"):  # iptables-restore empties it
                        rest = [live for live in rest if "DOCKER-USER" not in live]
                    rest += [line] if line.startswith("-A ") else []
            self.kernel[family] = rest + user

    def write(self, words: list[str]) -> None:
        if words == ["--force", "enable"]:
            if self.half_loaded or self.active:
                raise ValueError("Firewall already started, use 'force-reload'")
            self.active = self.enabled = True
        elif words == ["disable"]:
            self.active = self.enabled = self.half_loaded = False
            self.kernel = {family: [line for line in self.kernel[family] if "DOCKER-USER" in line] for family in FAMILIES}
        elif words[0] == "default":
            self.policies[words[2]] = words[1]
        elif words[0] == "logging":
            self.logging = words[1]
        elif words != ["reload"]:
            self.change(words)

    def change(self, words: list[str]) -> None:
        if self.enabled and not self.active:
            raise ValueError("problem running")
        verb, number, words = self.verb_of(words)
        rule = _rules.parse(" ".join(f"'{word}'" for word in words))
        if rule.raw:
            raise ValueError(f"Invalid syntax {words}")
        counts = {family: len(dict.fromkeys(self.lists[family])) for family in FAMILIES}
        for family in rule.families:
            half = rule.half(family)
            if verb == "delete":
                self.lists[family] = [other for other in self.lists[family] if other != half]
            elif verb == "insert":
                position = number - (counts["v4"] if family == "v6" else 0)
                if not 1 <= position <= counts[family] or not rule.family:
                    raise ValueError(f"Invalid position '{number}'")
                self.insert(half, family, position)
            else:
                self.add(half, family)

    @staticmethod
    def verb_of(words: list[str]) -> tuple[str, int, list[str]]:
        at = 1 if words[0] == "route" else 0
        if words[at] == "delete":
            return "delete", 0, [*words[:at], *words[at + 1 :]]
        if words[at] == "insert":
            return "insert", int(words[at + 1]), [*words[:at], *words[at + 2 :]]
        return "add", 0, words

    def insert(self, half: Rule, family: str, position: int) -> None:
        items = self.lists[family]
        if half.key in {other.key for other in items}:
            return
        # Not between the lines of one profile.
        while position > 1 and items[position - 1].app and items[position - 1] == items[position - 2]:
            position += 1
        items[position - 1 : position - 1] = [half] * PROFILES.get(half.app, 1)

    def add(self, half: Rule, family: str) -> None:
        if half.key in {other.key for other in self.lists[family]}:
            self.lists[family] = [half if other.key == half.key else other for other in self.lists[family]]
        else:
            self.lists[family] += [half] * PROFILES.get(half.app, 1)

    @property
    def writes(self) -> list[list[str]]:
        def reads(command: list[str]) -> bool:
            return command[1:] in (["status"], ["show", "added"]) or command[-1] == "-S" or "--test" in command

        return [command for command in self.calls if not reads(command)]

    # --- the verdict of the kernel ---

    def allows(self, packet: Packet) -> bool:
        if not self.active:
            return True
        for rule in self.lists[packet.family]:
            if packet.matches(rule):
                return rule.opens
        return self.policies[packet.way] == "allow"


@dataclasses.dataclass(frozen=True)
class Packet:
    direction: str
    interface: str
    source: str
    port: str

    @property
    def family(self) -> str:
        return "v6" if ":" in self.source else "v4"

    @property
    def way(self) -> str:
        return {"in": "incoming", "out": "outgoing", "routed": "routed"}[self.direction]

    def matches(self, rule: Rule) -> bool:

        return (
            rule.direction == self.direction
            and rule.interface in ("", self.interface)
            and not rule.app
            and (rule.source == ANY or ipaddress.ip_address(self.source) in ipaddress.ip_network(rule.source))
            and rule.destination == ANY
            and rule.port in ("", self.port)
        )


PACKETS = [
    Packet(direction, interface, source, port)
    for direction in ("in", "out")
    for interface in ("eth0", "tailscale0")
    for source in ("10.0.0.1", "192.168.1.5", "200.1.1.1", "fd00::1", "2001:db8::1")
    for port in ("22", "80")
]
