# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of site.yml on a host that already matches: its module calls and the length of its output, with doubles of the modules.

What it costs on real hosts is counted in molecule/default/tests/mesh/test_65_cost.py.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import re
import sys
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.filter.syncthing import FilterModule
from jinja2 import Environment, StrictUndefined
from playbook import ansible_playbook

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
MANAGED = "# Managed by Ansible (homelab.tailsync.%s).\n"
DEVICE = "MFZWI3D-BONSGYC-YLTMRWG-C43ENR5-QXGZDMM-FZWI3DP-BONSGYY-LTMRWAD"
NODE = {"backend_state": "Running", "ipv4": "100.64.0.1", "ipv6": "", "dns_name": "nas.tail.net.", "addresses": ["100.64.0.1"]}
# Accepts any arguments, records the call, and returns a prepared answer.
MODULE = """#!/usr/bin/python
import json, os, pathlib
from ansible.module_utils import basic

given = basic._load_params()
module = basic.AnsibleModule({name: {"type": "raw"} for name in given if not name.startswith("_")}, supports_check_mode=True)
with (pathlib.Path(os.environ["DOUBLE"]) / "calls").open("a") as file:
    file.write("NAME\\n")
module.exit_json(**json.loads((pathlib.Path(os.environ["DOUBLE"]) / "NAME.json").read_text()))
"""
ACTION = """
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        return {**super().run(tmp, task_vars), "changed": False, "address": "nas", "ssh_common_args": "-o HostName=nas"}
"""
INVENTORY = {
    "tailsync": {
        "hosts": {"nas": {"ansible_connection": "local", "ansible_become": False}},
        "vars": {
            "ansible_python_interpreter": sys.executable,
            "syncthing_mesh_folders": {},
            "syncthing_package_source": "vendor",
        },
    }
}


def file(text: str, **others: t.Any) -> dict[str, t.Any]:
    return {"kind": "file", "mode": "0644", "sha256": hashlib.sha256(text.encode()).hexdigest(), **others}


def drop_in() -> str:
    environment = Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True, keep_trailing_newline=True)
    environment.filters.update({f"homelab.tailsync.{key}": value for key, value in FilterModule().filters().items()})
    text = (CHECKOUT / "roles/syncthing/templates/service.conf.j2").read_text(encoding="utf-8")
    return environment.from_string(text).render(
        syncthing_user="syncthing",
        syncthing_home="/var/lib/syncthing",
        syncthing_gui_group="",
        syncthing_address_timeout=60,
        syncthing_listen_addresses=["tcp://100.64.0.1:22000"],
        __syncthing_gui_directory="/run/syncthing",
    )


def steady() -> dict[str, t.Any]:
    """The result of host_info for that host."""
    packages = ("tailscale", "tailscale-archive-keyring", "ufw", "syncthing", "python3-requests")
    owner = {"uid": 998, "name": "syncthing"}
    folder, keyrings = "/etc/systemd/system/syncthing@syncthing.service.d", "/usr/share/keyrings/tailscale"
    tailscale = f"deb [signed-by={keyrings}-archive-keyring.gpg] https://pkgs.tailscale.com/stable/debian trixie main\n"
    syncthing = "deb [signed-by=/etc/apt/keyrings/syncthing-archive-keyring.gpg] https://apt.syncthing.net syncthing stable-v2\n"
    pin = "Package: syncthing\nPin: origin apt.syncthing.net\nPin-Priority: 990\n"
    return {
        "changed": False,
        "control_servers": [],
        "as_declared": {"ufw_policy": True, "tailscale_node": NODE},
        "system": {
            "distribution": "Debian",
            "distribution_release": "trixie",
            "architecture": "x86_64",
            "userspace_bits": "64",
            "pkg_mgr": "apt",
            "service_mgr": "systemd",
            "os_release": "ID=debian\n",
        },
        "packages": {name: {"version": "1", "held": False} for name in packages},
        "files": {
            "/etc/apt/sources.list.d/tailscale.list": file(MANAGED % "tailscale" + tailscale),
            f"{keyrings}-archive-keyring.gpg": file("key"),
            "/opt/tailscale/current": None,
            "/etc/default/tailscaled": file("", blocks=[]),
            "/etc/apt/keyrings/syncthing-archive-keyring.gpg": file("key"),
            "/etc/apt/preferences.d/syncthing.pref": file(MANAGED % "syncthing" + pin),
            "/etc/apt/sources.list.d/syncthing.list": file(MANAGED % "syncthing" + syncthing),
            folder: {"kind": "directory", "mode": "0755"},
            f"{folder}/50-tailsync.conf": file(drop_in()),
        },
        "syncthing_unit": {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "NeedDaemonReload": "no"},
        "tailscaled": {
            "unit": {"name": "tailscaled.service", "active": True, "enabled": True, "own": True},
            "daemons": [],
            "other_units": [],
            "interface": {"name": "tailscale0", "present": True, "explained": True, "holder": None},
            "node": {"status": {"BackendState": "Running", "HaveNodeKey": True, "Self": {}}, "prefs": {"WantRunning": True}},
            "state_kept": True,
        },
        "packet_filter": {"rules": [], "services": [], "interfaces": {}, "networks": []},
        "listeners": {"sockets": [], "published": [], "docker_closed": True, "ufw": {"active": True}, "profiles": {}},
        "syncthing": {
            "account": {"exists": True, "uid": 998, "gid": 998, "home": "/var/lib/syncthing", "shell": "/usr/sbin/nologin"},
            "home": {
                "exists": True,
                "directory": True,
                "empty": False,
                "mode": "0700",
                "owner": owner,
                "files": dict.fromkeys(("cert.pem", "config.xml", "key.pem"), owner),
            },
            "configured": True,
            "was_set_up": True,
            "elsewhere": [],
            "device_id": DEVICE,
            "identity_problem": None,
            "restore_problem": None,
            "disk_problem": None,
            "gui_directory": "/run/syncthing",
            "gui_directory_access": {"uid": 998, "gid": 998, "mode": "0700"},
            "gui_group": {"name": None, "gid": None},
        },
    }


ANSWERS: dict[str, dict[str, t.Any]] = {
    "host_info": steady(),
    "tailscale_node": {"joined": False, "node": NODE},
    "ufw_policy": {"commands": [], "rollback": {"armed": False}},
    "syncthing_cluster": {"left_out": []},
}


@pytest.mark.slow
def test_steady_host_costs_two_module_calls_and_short_output(tmp_path: pathlib.Path) -> None:
    collection = tmp_path / "ansible_collections" / "homelab" / "tailsync"
    for folder in ("modules", "action"):
        (collection / "plugins" / folder).mkdir(parents=True)
    patterns = ("[!.]*", "plugins/*", "plugins/modules/*", "plugins/action/*")
    for path in (one for pattern in patterns for one in CHECKOUT.glob(pattern)):
        link = collection / path.relative_to(CHECKOUT)
        if path.name != "collections" and not link.exists():
            link.symlink_to(path)
    for name, answer in ANSWERS.items():
        module = collection / "plugins" / "modules" / f"{name}.py"
        module.unlink()
        module.write_text(MODULE.replace("NAME", name), encoding="ascii")
        (tmp_path / f"{name}.json").write_text(json.dumps({"changed": False, **answer}), encoding="utf-8")
    action = collection / "plugins" / "action" / "ssh_address_info.py"
    action.unlink()
    action.write_text(ACTION, encoding="ascii")
    (tmp_path / "hosts.json").write_text(json.dumps(INVENTORY), encoding="utf-8")
    (tmp_path / "ansible.cfg").write_text("[defaults]\n", encoding="ascii")
    playbook = collection / "playbooks" / "site.yml"
    done = ansible_playbook(
        *("-i", "hosts.json", str(playbook), "--skip-tags", "verify"),
        cwd=tmp_path,
        ANSIBLE_CONFIG=str(tmp_path / "ansible.cfg"),
        ANSIBLE_COLLECTIONS_PATH=str(tmp_path),
        DOUBLE=str(tmp_path),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0" in done.stdout
    calls = (tmp_path / "calls").read_text(encoding="ascii").split()
    assert calls == ["host_info", "syncthing_cluster"]
    headings = re.findall(r"^TASK \[(.*)\]", done.stdout, re.MULTILINE)
    assert len(headings) <= 22, "\n".join(headings)
    ran = re.findall(r"^TASK \[(.*)\] \*+\n(?:ok|included)", done.stdout, re.MULTILINE)
    assert len(ran) <= 12, "\n".join(ran)
