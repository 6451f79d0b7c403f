# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about the operating system of the host: a few of Ansible's own facts, by the same names.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import importlib
import platform
import struct
import sys
import types
import typing as t
from pathlib import Path

FACTS = "ansible.module_utils.facts"


@contextlib.contextmanager
def _without_the_others() -> t.Iterator[None]:
    """For a while, a package of facts that imports nothing by itself.

    ansible-core's own imports all its collectors as soon as one is wanted, which a host compiles anew at each call.
    """
    if FACTS in sys.modules:
        yield
        return
    package = types.ModuleType(FACTS)
    package.__path__ = [f"{path}/facts" for path in importlib.import_module("ansible.module_utils").__path__]
    sys.modules[FACTS] = package
    try:
        yield
    finally:
        del sys.modules[FACTS]


with _without_the_others():
    from ansible.module_utils.facts.system.distribution import DistributionFactCollector
    from ansible.module_utils.facts.system.pkg_mgr import PkgMgrFactCollector
    from ansible.module_utils.facts.system.service_mgr import ServiceMgrFactCollector

OS_RELEASE = Path("/etc/os-release")
NAMES = ("distribution", "distribution_release", "distribution_version", "distribution_major_version", "os_family")


def gather(module: t.Any) -> dict[str, t.Any]:
    """Gather the present state; changes nothing on the host."""
    found: dict[str, t.Any] = DistributionFactCollector().collect(module=module)
    # ansible-core's collectors use each other's facts by their names in a playbook.
    known = {"ansible_system": platform.system(), **{f"ansible_{name}": value for name, value in found.items()}}
    found.update(PkgMgrFactCollector().collect(module=module, collected_facts=known))
    found.update(ServiceMgrFactCollector().collect(module=module, collected_facts=known))
    return {
        **{name: found.get(name) for name in (*NAMES, "pkg_mgr", "service_mgr")},
        "architecture": platform.machine(),
        "userspace_bits": str(8 * struct.calcsize("P")),  # of Python, which may be a 32-bit program on a 64-bit kernel
        "os_release": _read(OS_RELEASE),
    }


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""
