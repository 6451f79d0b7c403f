# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of several hosts that contradict each other."""

from __future__ import annotations

import copy
import typing as t

import odd_inputs
import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import validate

FOLDERS = odd_inputs.VALID["syncthing_mesh_folders"]
OWN = {"videos": {"path": "/srv/sync/videos", "devices": ["vps", "phone"]}}


def hosts(**folders: t.Any) -> dict[str, dict[str, t.Any]]:
    shared = copy.deepcopy(odd_inputs.VALID)
    return {
        host: {**shared, "tailscale_hostname": host, "syncthing_mesh_folders": folders.get(host, FOLDERS)}
        for host in odd_inputs.HOSTS
    }


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        ({"pi": {}}, ["syncthing_mesh_folders.documents is shared with pi, but syncthing_mesh_folders of pi", "(on nas, vps)"]),
        (
            {"nas": {**FOLDERS, "videos": {"path": "/srv/videos", "devices": {"nas": {}, "pi": None}}}},
            ["videos is shared", "pi"],
        ),
    ],
)
def test_folder_that_another_member_does_not_declare_is_refused(folders: t.Any, words: list[str]) -> None:
    told = validate.problems(hosts(**folders), inventory=odd_inputs.HOSTS)
    assert all(word in told[0] for word in words), told
    assert len(told) == len({problem.split(" ")[0] for problem in told}), "one problem for each folder"


@pytest.mark.parametrize(
    "folders",
    [
        {},
        {"pi": copy.deepcopy(FOLDERS)},  # the same in other words
        {"pi": {**FOLDERS, "photos": {**FOLDERS["photos"], "label": "Photos"}}},  # a label of its own
        {"vps": {**FOLDERS, **OWN}},  # with a phone only
    ],
)
def test_folders_that_each_member_declares_are_accepted(folders: t.Any) -> None:
    assert validate.problems(hosts(**folders), inventory=odd_inputs.HOSTS) == []
