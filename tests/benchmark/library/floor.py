# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cheapest module that uses Syncthing's REST API: one GET of its configuration."""

from __future__ import annotations

import re
from pathlib import Path

import requests
from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(argument_spec={"home": {"type": "path", "required": True}})
    text = Path(module.params["home"], "config.xml").read_text(encoding="utf-8")
    key, address = (re.findall(f"<{name}>(.+)</{name}>", text) for name in ("apikey", "address"))
    own = next(one for one in address if one.startswith("127."))
    answer = requests.get(f"http://{own}/rest/config", headers={"X-API-Key": key[0]}, timeout=30)
    module.exit_json(changed=False, version=answer.json()["version"])


if __name__ == "__main__":
    main()
