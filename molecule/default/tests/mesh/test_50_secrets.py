# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets appear only where they belong."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import typing as t

import pytest
from lab_fixtures import CHECKOUT
from testinfra.host import Host

HOSTS = ("nas", "pi", "vps")


@pytest.fixture(scope="module")
def secrets(lab_hosts: dict[str, Host], lab: t.Any) -> dict[str, str]:
    found = {"auth key": lab("auth-key").stdout.strip(), "folder password": "a-password-for-the-photos"}
    for name in HOSTS:
        config = lab_hosts[name].file("/var/lib/syncthing/config.xml").content_string
        api_key = re.search("<apikey>(.+)</apikey>", config)
        assert api_key, name
        found[f"API key of {name}"] = api_key.group(1)
    assert found["API key of pi"] == "an-api-key-for-the-lab-and-nothing-else", "the declared API key is not used"
    assert all(len(secret) > 12 for secret in found.values()), found.keys()
    return found


def holds(text: str, secrets: dict[str, str]) -> list[str]:
    return [name for name, secret in secrets.items() if secret in text]


def test_no_secret_in_the_output_at_vvv(evidence: pathlib.Path, secrets: dict[str, str]) -> None:
    log = (evidence / "converge.log").read_text(encoding="utf-8", errors="replace")
    assert "PLAY RECAP" in log
    assert "ESTABLISH SSH CONNECTION" in log, "this is not the log of a run at -vvv"
    assert holds(log, secrets) == []


def test_no_secret_in_sampled_process_arguments(evidence: pathlib.Path, secrets: dict[str, str]) -> None:
    sampler = CHECKOUT / "tests" / "lab" / "sample_arguments.py"
    subprocess.run([sys.executable, sampler, "stop", evidence / "arguments"], check=True)
    sample = (evidence / "arguments").read_text(encoding="utf-8", errors="replace")
    assert "tailscaled" in sample
    assert "syncthing serve" in sample, "the sampler saw no Syncthing"
    assert len(sample.splitlines()) > 200, "the sampler saw too few processes"
    assert holds(sample, secrets) == []


def test_no_secret_in_the_hosts_journal(lab_host: Host, secrets: dict[str, str]) -> None:
    journal = lab_host.check_output("journalctl --no-pager")
    assert "syncthing" in journal
    assert holds(journal, secrets) == []


def test_no_secret_in_a_world_readable_file(lab_host: Host, secrets: dict[str, str]) -> None:
    patterns = "\n".join(secrets.values())
    found = lab_host.run(
        "find / -xdev -type f -perm /o+r -size -2M -not -path '/proc/*' -not -path '/sys/*' -print0 "
        f"| xargs -0 grep -l -F '{patterns}' 2>/dev/null"
    )
    assert found.stdout == ""


def test_auth_key_is_in_no_file(lab_host: Host, secrets: dict[str, str]) -> None:
    found = lab_host.run(
        "find / -xdev -type f -size -20M -not -path '/proc/*' -not -path '/sys/*' -print0 "
        f"| xargs -0 grep -l -F '{secrets['auth key']}' 2>/dev/null"
    )
    assert found.stdout == ""


def test_ansible_leaves_no_temporary_files(lab_host: Host) -> None:
    assert lab_host.run("ls -d /home/*/.ansible/tmp/* /root/.ansible/tmp/*").stdout == ""
