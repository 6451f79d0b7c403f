# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy for ports that Docker publishes: a block in ufw's after.rules that fills the chain DOCKER-USER.

Docker forwards published ports, so ufw's own chains for incoming traffic never see them. All forwarded traffic passes DOCKER-USER
first. Docker creates this chain only if it is missing, and keeps its rules when it starts again. ufw loads after.rules with
`iptables-restore -n`, which empties a declared chain first, so each load fills it again. Of several blocks that declare the chain
only the last one counts; other tools, such as ufw-docker, put one into the same file.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import ANY, Rule

CHAIN = "DOCKER-USER"
FILES = {"v4": "/etc/ufw/after.rules", "v6": "/etc/ufw/after6.rules"}
BEGIN = "# BEGIN homelab.tailsync: ports that Docker publishes. Changes in this block are overwritten."
END = "# END homelab.tailsync"
DECLARED = re.compile(rf"^:{CHAIN} ", re.MULTILINE)
# In the comment of each rule, to identify our rules in the kernel and the block that they come from.
MARK = "tailsync"


def rules(declared: t.Iterable[Rule], interfaces: t.Iterable[str], family: str) -> list[str]:
    """The chain's rules for one family: they allow the policy's traffic to containers, and no other."""
    found = ["-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"]
    found += [f"-i {interface} -j RETURN" for interface in interfaces]  # connections from containers
    for rule in declared:
        # Profiles and limits are about this host's own daemons.
        if rule.direction == "in" and family in rule.families and not rule.app and rule.action != "limit":
            found += _of(rule)
    found.append("-m conntrack --ctstate DNAT -j DROP")
    found += [f"-o {interface} -j DROP" for interface in interfaces]
    return found


def _of(rule: Rule) -> list[str]:
    """The chain's rules for one incoming rule. Its destination and port are those before Docker's translation."""
    protocols = ["tcp", "udp"] if rule.protocol == ANY and (rule.port or rule.source_port) else [rule.protocol]
    made = []
    for protocol, source_port, port in itertools.product(protocols, rule.source_port.split(","), rule.port.split(",")):
        words = [f"-s {rule.source}"] if rule.source != ANY else []
        words += [f"-i {rule.interface}"] if rule.interface else []
        words += [f"-p {protocol}"] if protocol != ANY else []
        words += [f"--sport {source_port}"] if source_port else []
        tracked = ["--ctstate DNAT"] if rule.action != "allow" else []
        tracked += [f"--ctorigdst {rule.destination}"] if rule.destination != ANY else []
        tracked += [f"--ctorigdstport {port}"] if port else []
        words += ["-m conntrack", *tracked] if tracked else []
        made.append(" ".join([*words, "-j", "RETURN" if rule.action == "allow" else "DROP"]))
    return made


def block(lines: t.Sequence[str]) -> str:
    mark = f"{MARK} {hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:8]}"
    body = [f'-A {CHAIN} {words} -m comment --comment "{mark}"' for words in lines]
    return "\n".join([BEGIN, "*filter", f":{CHAIN} - [0:0]", *body, "COMMIT", END, ""])


def find(text: str) -> str:
    """The block in a file; empty without one."""
    found = re.search(rf"^{re.escape(BEGIN)}$.*?^{re.escape(END)}$\n?", text, re.MULTILINE | re.DOTALL)
    return found.group() if found else ""


def replace(text: str, wanted: str) -> str:
    """The text of the file with the wanted block, or without a block. A block that another one overrides moves to the end."""
    there = find(text)
    if there and not (wanted and DECLARED.search(text.partition(there)[2])):
        return text.replace(there, wanted)
    text = text.replace(there, "") if there else text
    return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{wanted}" if wanted else text


def foreign(text: str) -> list[tuple[int, str]]:
    """The blocks of other tools that fill the chain: the number of the line that declares it, and the comment above the block."""
    ours = find(text)
    start, _ours, rest = text.partition(ours) if ours else (text, "", "")
    lines = [*start.split("\n")[: -1 if ours else None], *[BEGIN] * ours.count("\n"), *rest.split("\n")]
    found = []
    for number, line in enumerate(lines):
        if DECLARED.match(line):
            above = itertools.takewhile(lambda text: text.strip() != "COMMIT", reversed(lines[:number]))
            title = next((text for text in above if text.startswith("# BEGIN")), "")
            found.append((number + 1, title.removeprefix("# BEGIN").strip()))
    return found


def describe(text: str) -> list[str]:
    """The rules of a file's block, in the form that the modules return."""
    return re.findall(rf"^-A {CHAIN} (.*) -m comment --comment \"{MARK} \w+\"$", find(text), re.MULTILINE)


def live(listing: str) -> list[str]:
    """Our rules in the output of `iptables -S`."""
    return [line for line in listing.splitlines() if line.startswith(f"-A {CHAIN} ") and f'"{MARK} ' in line]


def is_loaded(text: str, listing: str) -> bool:
    """Whether the kernel has the block's rules: Docker may have created its chain again, or another program emptied it."""
    mark = re.search(rf'"{MARK} \w+"', find(text))
    return not mark or sum(mark.group() in line for line in live(listing)) == len(describe(text))
