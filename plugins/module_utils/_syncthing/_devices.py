# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolve device names to IDs, and find the devices and folders to replace or remove: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t
from urllib.parse import urlsplit

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._device_id import InvalidDeviceID, parse_device_id
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import SyncthingError, role
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._schema import Json, Present


def resolve(devices: list[Json], folders: list[Json], present: list[Json]) -> tuple[list[Json], list[Json], list[str]]:
    """Give each named device its ID. Unknown devices are left out, and folders that name them are marked.

    A peer outside this run is found by the name that it was paired with or, if that was changed, by its address.
    """
    declared = [_members(folder) for folder in folders]
    ids = _ids(devices, [member for members in declared for member in members or []], present)
    known = [{**device, "device_id": ids[device["name"]]} for device in devices if device["name"] in ids]
    unresolved = {device["name"] for device in devices if device["name"] not in ids}
    resolved = []
    for folder, members in zip(folders, declared):
        if members is None:
            resolved.append(folder)
            continue
        strangers = [member["name"] for member in members if not member.get("device_id") and member["name"] not in ids]
        unresolved.update(strangers)
        found = [
            member if member.get("device_id") else {**member, "device_id": ids[member["name"]]}
            for member in members
            if member.get("device_id") or member["name"] in ids
        ]
        resolved.append({**folder, "devices": found, "unresolved": strangers})
    return known, resolved, sorted(unresolved)


def _members(folder: Json) -> list[Json] | None:
    """The declared devices of a folder, from both options; None if none are declared."""
    if folder.get("devices") is None and folder.get("device_names") is None:
        return None
    return [*({"name": name} for name in folder.get("device_names") or []), *(folder.get("devices") or [])]


def _ids(devices: list[Json], members: list[Json], present: list[Json]) -> dict[str, str]:
    """Map the names of all known devices to their IDs."""
    ids = {device["name"]: device["deviceID"] for device in present if device.get("name")}
    ids.update({device["name"]: device["device_id"] for device in devices if device.get("device_id")})
    named = {member["name"]: member for member in members if not member.get("device_id")}
    named.update({device["name"]: device for device in devices})
    for name in [name for name in named if name not in ids]:
        found = _by_address(named[name], present, {ids[one] for one in named if one in ids})
        if found:
            ids[name] = found
    return ids


def _by_address(device: Json, present: list[Json], taken: t.Collection[str]) -> str | None:
    """The single device that is dialed at the inventory's name, or at an address that is declared for it."""
    name, hosts = device["name"].casefold(), _hosts(device)
    found = [
        one["deviceID"]
        for one in present
        if one["deviceID"] not in taken and any(host in hosts or _label(host) == name.partition(".")[0] for host in _hosts(one))
    ]
    return found[0] if len(found) == 1 else None


def _hosts(device: Json) -> set[str]:
    """The hosts in a device's addresses, such as tcp://pi.tailnet.ts.net:22000."""
    found = set()
    for address in device.get("addresses") or []:
        try:
            host = urlsplit(address).hostname
        except ValueError:
            continue
        found |= {host.casefold()} if host else set()
    return found


def _label(host: str) -> str | None:
    """The first label of a name; None for an address."""
    return None if ":" in host or re.fullmatch(r"[\d.]+", host) else host.partition(".")[0]


def replaced(present: Present, devices: list[Json], own_id: str, allowed: bool) -> dict[str, str]:
    """Map old device IDs to the new ones of the same name. This host itself, named by its host name, is never replaced.

    Both may exist already, if an earlier run ended between adding the new device and removing the old one.
    """
    known: dict[str, list[str]] = {}
    for key, one in present.devices.items():
        if key != own_id:
            known.setdefault(one.get("name") or "", []).append(key)
    found: dict[str, str] = {}
    for device in devices:
        new = device["device_id"]
        others = [key for key in known.get(device["name"], []) if key != new]
        if others and not allowed and new not in present.devices:
            raise SyncthingError(
                f"device {device['name']} is known here as {others[0]}, and is to be {new}. If the machine was set "
                "up from scratch, remove its old node from the tailnet, where it keeps the name (Tailscale's admin console, or "
                f"`headscale nodes delete`), and set replace_devices: true for one run {role('syncthing_mesh_replace_devices')}; "
                "if not, another machine may be posing as it"
            )
        if allowed:
            found.update((old, new) for old in others)
    return found


def to_remove(
    present: Present, declared: Json, own_id: str, successors: t.Mapping[str, str], partial: bool
) -> dict[str, list[str]]:
    """IDs of the present devices and folders to remove. While the ID of a declared device is unknown, nothing is purged."""
    wanted = {device["device_id"] for device in declared["devices"]}
    devices = set(successors)
    for text in declared.get("absent_devices") or []:
        found = _devices_called(present, text) - {own_id}
        if wanted & found:
            raise SyncthingError(f"absent_devices names {text}, which is among devices as well: take it out of one of them")
        devices |= found
    if declared.get("purge_devices") and not partial:
        # An introducer would add its devices again.
        devices |= {key for key, one in present.devices.items() if key not in wanted and not one.get("introducedBy")}
    folders = set(declared.get("absent_folders") or [])
    ids = {folder["id"] for folder in declared["folders"]}
    for folder_id in sorted(folders & ids):
        raise SyncthingError(f"absent_folders names {folder_id}, which is among folders as well: take it out of one of them")
    if declared.get("purge_folders") and not partial:
        folders |= set(present.folders) - ids
    return {"devices": sorted(devices - {own_id}), "folders": sorted(folders & set(present.folders))}


def _devices_called(present: Present, text: str) -> set[str]:
    try:
        return {parse_device_id(text)} & set(present.devices)
    except InvalidDeviceID:
        return {key for key, one in present.devices.items() if one.get("name") == text}
