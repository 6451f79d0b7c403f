# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of Docker's chain correspond to the policy, in each family."""

from __future__ import annotations

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _docker
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import Rule

BRIDGES = ("docker0", "br-+")
FIRST = ["-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN", "-i docker0 -j RETURN", "-i br-+ -j RETURN"]
LAST = ["-m conntrack --ctstate DNAT -j DROP", "-o docker0 -j DROP", "-o br-+ -j DROP"]
RULES: list[tuple[Rule, list[str]]] = [
    (Rule("allow", interface="tailscale0"), ["-i tailscale0 -j RETURN"]),
    (Rule("allow", port="443", protocol="tcp"), ["-p tcp -m conntrack --ctorigdstport 443 -j RETURN"]),
    (
        Rule("allow", port="53"),
        ["-p tcp -m conntrack --ctorigdstport 53 -j RETURN", "-p udp -m conntrack --ctorigdstport 53 -j RETURN"],
    ),
    (
        Rule("allow", interface="eth0", source="10.0.0.0/8", port="80,6000:6007", protocol="tcp"),
        [
            "-s 10.0.0.0/8 -i eth0 -p tcp -m conntrack --ctorigdstport 80 -j RETURN",
            "-s 10.0.0.0/8 -i eth0 -p tcp -m conntrack --ctorigdstport 6000:6007 -j RETURN",
        ],
    ),
    (Rule("allow", source="fd00::/8"), []),
    (Rule("allow", source="10.0.0.1"), ["-s 10.0.0.1 -j RETURN"]),
    (
        Rule("allow", destination="10.0.0.1", source_port="5", protocol="udp"),
        ["-p udp --sport 5 -m conntrack --ctorigdst 10.0.0.1 -j RETURN"],
    ),
    (Rule("deny", source="10.0.0.1"), ["-s 10.0.0.1 -m conntrack --ctstate DNAT -j DROP"]),
    (Rule("reject", port="22", protocol="tcp"), ["-p tcp -m conntrack --ctstate DNAT --ctorigdstport 22 -j DROP"]),
    (Rule("limit", port="22", protocol="tcp"), []),
    (Rule("allow", app="DNS"), []),
    (Rule("allow", direction="out"), []),
    (Rule("allow", direction="routed"), []),
]


@pytest.mark.parametrize(("rule", "lines"), RULES, ids=lambda value: str(value)[:80])
def test_rule_is_translated_for_dockers_chain(rule: Rule, lines: list[str]) -> None:
    assert _docker.rules([rule], BRIDGES, "v4") == [*FIRST, *lines, *LAST]


def test_managed_block_is_added_replaced_and_removed() -> None:
    packaged = "*filter\nCOMMIT\n# the end"
    one, two = (_docker.block(_docker.rules([Rule("allow", port=port)], BRIDGES, "v6")) for port in ("1", "2"))
    put_in = _docker.replace(packaged, one)
    assert put_in == f"{packaged}\n{one}"
    assert _docker.replace(put_in + "# more\n", two) == f"{packaged}\n{two}# more\n"
    assert _docker.replace(put_in, "") == f"{packaged}\n"
    assert _docker.replace(packaged, "") == packaged
    assert _docker.describe(put_in) == _docker.rules([Rule("allow", port="1")], BRIDGES, "v6")


# The block of ufw-docker (chaifeng/ufw-docker), shortened.
UFW_DOCKER = """\
# BEGIN UFW AND DOCKER
*filter
:ufw-user-forward - [0:0]
:DOCKER-USER - [0:0]
-A DOCKER-USER -j ufw-user-forward
-A DOCKER-USER -j RETURN -s 10.0.0.0/8
COMMIT
# END UFW AND DOCKER
"""
PACKAGED = "*filter\n:ufw-after-input - [0:0]\nCOMMIT\n"
OURS = _docker.block(["-i tailscale0 -j RETURN"])
# It adds to the chain without declaring it, so all rules stay in force.
ADDS = "*filter\n-A DOCKER-USER -s 203.0.113.7 -j DROP\nCOMMIT\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PACKAGED + UFW_DOCKER, PACKAGED + UFW_DOCKER + OURS),
        (PACKAGED + UFW_DOCKER + OURS, PACKAGED + UFW_DOCKER + OURS),
        (PACKAGED + OURS + UFW_DOCKER, PACKAGED + UFW_DOCKER + OURS),
        (UFW_DOCKER + OURS + UFW_DOCKER, UFW_DOCKER + UFW_DOCKER + OURS),
        (PACKAGED + OURS + UFW_DOCKER.strip(), f"{PACKAGED}{UFW_DOCKER}{OURS}"),
        (PACKAGED + OURS + ADDS, PACKAGED + OURS + ADDS),
        (PACKAGED + OURS + "# more\n", PACKAGED + OURS + "# more\n"),
    ],
    ids=["theirs alone", "theirs before", "theirs behind", "both", "no newline at the end", "theirs adds", "a comment"],
)
def test_own_block_is_the_last_that_fills_the_chain(text: str, expected: str) -> None:
    assert _docker.replace(text, OURS) == expected
    assert _docker.replace(expected, OURS) == expected, "the second run"
    assert _docker.replace(expected, "") == expected.replace(OURS, ""), "theirs stays"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (PACKAGED, []),
        (PACKAGED + OURS, []),
        (PACKAGED + ADDS, []),
        (PACKAGED + UFW_DOCKER, [(7, "UFW AND DOCKER")]),
        (PACKAGED + OURS + UFW_DOCKER, [(13, "UFW AND DOCKER")]),
        (PACKAGED + UFW_DOCKER + OURS, [(7, "UFW AND DOCKER")]),
        (UFW_DOCKER + UFW_DOCKER.replace("# BEGIN UFW AND DOCKER", "#"), [(4, "UFW AND DOCKER"), (12, "")]),
    ],
)
def test_blocks_of_other_tools_are_found_with_line_and_name(text: str, found: list[tuple[int, str]]) -> None:
    assert _docker.foreign(text) == found
    assert all(text.splitlines()[number - 1].startswith(":DOCKER-USER") for number, _name in found)


def test_block_counts_as_loaded_if_the_kernel_has_all_its_rules() -> None:
    text = _docker.block(["-i a -j RETURN", "-j DROP"])
    live = "\n".join(line for line in text.splitlines() if line.startswith("-A"))
    assert _docker.is_loaded(text, f"-A DOCKER-USER -j ACCEPT\n{live}\n-A DOCKER-USER -j RETURN")
    assert not _docker.is_loaded(text, live.splitlines()[0])
    assert not _docker.is_loaded(_docker.block(["-i b -j RETURN", "-j DROP"]), live)
    assert _docker.is_loaded("no block", live)
    assert len(_docker.live(f"-A DOCKER-USER -j ACCEPT\n{live}")) == 2
