# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders of one call that are refused while everything else is done.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import FolderRefused

Result = t.TypeVar("Result")
Refused = t.Dict[str, t.Optional[str]]  # noqa: UP006  (3.9 at run time)


class Refusals:
    """Collect refused folders. Unless `partial`, the first refusal is raised."""

    def __init__(self, folders: t.Iterable[t.Mapping[str, t.Any]], partial: bool) -> None:
        self._paths = {str(folder["id"]): folder.get("path") for folder in folders}
        self._partial = partial
        self._reasons: dict[str, str] = {}

    @property
    def ids(self) -> set[str]:
        return set(self._reasons)

    @property
    def found(self) -> list[Refused]:
        return [
            {"id": key, "path": path, "reason": self._reasons[key]} for key, path in self._paths.items() if key in self._reasons
        ]

    def add(self, error: FolderRefused) -> None:
        """Record a refusal. A folder that is left out already cannot be the cause of another one."""
        if not self._partial or error.folder_id in self._reasons:
            raise error
        prefix = f"folder {error.folder_id}: "
        text = str(error)
        self._reasons[error.folder_id] = text[len(prefix) :] if text.startswith(prefix) else text

    @contextlib.contextmanager
    def collected(self) -> t.Iterator[None]:
        """Record a refusal by the block."""
        try:
            yield
        except FolderRefused as error:
            self.add(error)

    def settled(self, attempt: t.Callable[[], Result]) -> Result:
        """Repeat an attempt without the folders that it refuses, until it refuses none."""
        while True:
            with self.collected():
                return attempt()
