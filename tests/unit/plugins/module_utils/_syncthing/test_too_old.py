# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Syncthing that does not know `generate` is named with its version, not with its help."""

from __future__ import annotations

import pathlib

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _identity


def test_syncthing_without_generate_is_too_old(tmp_path: pathlib.Path) -> None:
    program = tmp_path / "syncthing"
    program.write_text('#!/bin/sh\necho "syncthing v1.12.1-ds1 \\"Fermium Flea\\" (go1.15)"\n', encoding="utf-8")
    program.chmod(0o755)
    said = _identity._generate_problem("Usage: syncthing [options]\n\n  -audit", str(program))
    assert "(v1.12.1-ds1) is too old" in said
    assert "-audit" not in said
    assert _identity._generate_problem("no space left", str(program)) == "syncthing generate failed: no space left"
