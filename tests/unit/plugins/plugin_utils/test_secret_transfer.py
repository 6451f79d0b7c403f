# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that cannot be read, and secrets that would be written to a file on the host."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
import yaml
from ansible_collections.homelab.tailsync.plugins.plugin_utils import secret_transfer
from playbook import ansible_playbook

CLEAR = "a-neighbour-in-clear"
HOSTS = "all: {hosts: {nas: {ansible_host: 127.0.0.9}, pi: {ansible_host: 127.0.0.8}}}\n"
ROLES = ("tailscale", "firewall", "syncthing", "syncthing_mesh")
SITE = [{"homelab.tailsync.check_inputs": {"roles": list(ROLES)}, "become": True, "run_once": True}]
PIPELINING = {"ansible_pipelining": True, "ansible_ssh_pipelining": True}


@pytest.fixture
def vaulted(tmp_path: pathlib.Path) -> str:
    """A value encrypted by ansible-vault with another password than that of the run."""
    (tmp_path / "mine").write_text("mine", encoding="ascii")
    (tmp_path / "other").write_text("other", encoding="ascii")
    command = [
        "ansible-vault", "encrypt_string", "--vault-id", f"other@{tmp_path}/other", "--encrypt-vault-id", "other", "x",
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.strip()


def play(
    place: pathlib.Path, variables: str, run: t.Mapping[str, t.Any], *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    (place / "group_vars").mkdir()
    (place / "group_vars" / "all.yml").write_text(variables, encoding="utf-8")
    (place / "hosts.yml").write_text(HOSTS, encoding="utf-8")
    (place / "play.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, **run}]), encoding="utf-8")
    (place / "mine").write_text("mine", encoding="ascii")
    given = ("-i", "hosts.yml", "--vault-id", "mine@mine", "-vvvv", *arguments, "play.yml")
    return ansible_playbook(*given, cwd=place, **environment)


def inline(vaulted: str, indent: int) -> str:
    return vaulted.replace("\n", "\n" + " " * indent)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("tailscale", "tailscale_oauth_client_secret"),
        ("syncthing", "syncthing_api_key"),
        ("syncthing", "syncthing_mesh_gui"),
        ("syncthing_mesh", "syncthing_mesh_folders"),
        ("firewall", "firewall_extra_rules"),
    ],
)
@pytest.mark.parametrize("alone", [True, False], ids=["role", "site"])
def test_no_other_value_is_shown_when_a_variable_cannot_be_decrypted(
    role: str, name: str, alone: bool, tmp_path: pathlib.Path, vaulted: str
) -> None:
    variables = {
        "tailscale_oauth_client_secret": f"tailscale_oauth_client_secret: {inline(vaulted, 2)}",
        "syncthing_api_key": f"syncthing_api_key: {inline(vaulted, 2)}",
        "syncthing_mesh_gui": f"syncthing_mesh_gui:\n  user: {CLEAR}\n  password: {inline(vaulted, 4)}",
        "syncthing_mesh_folders": "syncthing_mesh_folders:\n  photos:\n    devices:\n"
        f"      pi: {{encryption_password: {CLEAR}}}\n"
        f"      nas:\n        encryption_password: {inline(vaulted, 10)}",
        "firewall_extra_rules": f"firewall_extra_rules: {inline(vaulted, 2)}",
    }[name]
    text = f"tailscale_auth_key: {CLEAR}\nsyncthing_private_key: {CLEAR}\n{variables}\ntailscale_api_token: {CLEAR}\n"
    done = play(tmp_path, text, {"roles": [f"homelab.tailsync.{role}"]} if alone else {"tasks": SITE})
    output = done.stdout + done.stderr
    assert done.returncode == 2, output
    place = {
        "syncthing_mesh_gui": "syncthing_mesh_gui.password",
        "syncthing_mesh_folders": "syncthing_mesh_folders.photos.devices.nas.encryption_password",
    }.get(name, name)
    assert f"{place} cannot be resolved: it is encrypted with a vault password that was not given" in output
    assert CLEAR not in output


@pytest.mark.slow
@pytest.mark.parametrize("template", ["{{ nothing_such }}", "{{ 1 / 0 }}", "{{ lookup('ansible.builtin.file', '/no/such') }}"])
def test_no_other_value_is_shown_when_a_variable_cannot_be_resolved(template: str, tmp_path: pathlib.Path) -> None:
    done = play(
        tmp_path, f'tailscale_auth_key: {CLEAR}\ntailscale_api_url: "{template}"\n', {"roles": ["homelab.tailsync.tailscale"]}
    )
    output = done.stdout + done.stderr
    assert "tailscale_api_url cannot be resolved" in output
    assert CLEAR not in output


@pytest.mark.slow
def test_variables_of_other_roles_may_have_another_vault_password(tmp_path: pathlib.Path, vaulted: str) -> None:
    done = play(tmp_path, f"tailscale_console_login: {inline(vaulted, 2)}\n", {"tasks": SITE[:1]})
    assert done.returncode == 0, done.stdout


PIPELINED: dict[str, t.Any] = {
    "connection": "ssh",
    "can_pipeline": True,
    "become": "sudo",
    "become_can_pipeline": True,
    "wanted": True,
    "keeps_files": False,
    "pipelines": True,
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"become": "su", "become_can_pipeline": False, "pipelines": False}, "the become method su cannot pipeline"),
        ({"connection": "podman", "can_pipeline": False, "pipelines": False}, "the connection plugin podman cannot pipeline"),
        ({"wanted": False, "pipelines": False}, "ansible_ssh_pipelining"),
        ({"keeps_files": True, "pipelines": False}, None),
    ],
)
def test_settings_that_prevent_pipelining_give_a_warning(change: dict[str, t.Any], words: str | None) -> None:
    warning = secret_transfer.warning_of(secret_transfer.Transfer(**{**PIPELINED, **change}))
    assert (warning is None) if words is None else words in str(warning)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"tailscale_auth_key": "", "syncthing_mesh_folders": {"a": {"devices": {"pi": {}}}}}, []),
        ({"tailscale_auth_key": "k", "tailscale_hostname": "nas"}, ["tailscale_auth_key"]),
        (
            {"syncthing_mesh_folders": {"a": {"devices": {"pi": {"encryption_password": "s"}}}, "b": {"devices": ["pi"]}}},
            ["syncthing_mesh_folders.a.devices.pi.encryption_password"],
        ),
        ({"syncthing_mesh_gui": {"user": "me", "password": "s"}}, ["syncthing_mesh_gui.password"]),
    ],
)
def test_set_secrets_are_listed_by_their_path(values: dict[str, t.Any], expected: list[str]) -> None:
    assert secret_transfer.secrets_of(values) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-e", "ansible_become_method=su"], "become method su"),
        (["-e", "ansible_ssh_pipelining=false"], "ansible_ssh_pipelining"),
        (["-e", "ansible_pipelining=false"], None),  # the other variable of the tasks still applies
        ([], None),
    ],
)
def test_missing_pipelining_gives_one_warning(arguments: list[str], words: str | None, tmp_path: pathlib.Path) -> None:
    done = play(
        tmp_path,
        "tailscale_auth_key: tskey-auth-x\nsyncthing_api_key: x\n",
        {"tasks": [{**SITE[0], "vars": PIPELINING}]},
        *arguments,
    )
    assert done.returncode == 0, done.stdout
    assert (done.stdout + done.stderr).count("while a task with a secret runs") == (0 if words is None else 1)
    assert words is None or words in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("secret", "code"), [("tskey-auth-x", 2), ('""', 0)])
def test_kept_remote_files_are_refused_only_with_a_secret(secret: str, code: int, tmp_path: pathlib.Path) -> None:
    done = play(tmp_path, f"tailscale_auth_key: {secret}\n", {"tasks": SITE}, ANSIBLE_KEEP_REMOTE_FILES="1")
    assert done.returncode == code, done.stdout
    assert ("would leave tailscale_auth_key in a file" in done.stdout) == (code == 2)
