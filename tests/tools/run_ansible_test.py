# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test on the files that git tracks or would track: `sanity` or `units`, with its own arguments.

ansible-test wants a real path that ends in ansible_collections/NAMESPACE/NAME, skips
every file of a copy inside another git checkout and then reports success. So the
copy is outside the checkout, and a run without tests is a failure.
"""

from __future__ import annotations

import argparse
import pathlib
import re
import shutil
import subprocess
import sys

# ansible-test bootstraps pip in its virtual environments with a file that it would
# download; this file replaces it and uses the pip that Python bundles.
GET_PIP = """\
import os
import subprocess
import sys

environment = dict(os.environ)  # as it was before ensurepip points PIP_CONFIG_FILE at nothing
import ensurepip

ensurepip.bootstrap(upgrade=True)
arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *arguments], env=environment))
"""

# The line that shows that a test ran, for each command of ansible-test, and the noun for such a line.
RAN = {
    "sanity": re.compile(r'^Running sanity test "'),
    "units": re.compile(r"^=+ .*\b[1-9][0-9]* (passed|tests? collected)"),
}
WHAT = {"sanity": "tests run", "units": "contexts run"}


def tracked_files(checkout: pathlib.Path) -> list[str]:
    command = ["git", "-C", str(checkout), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # The symlink that makes the checkout a collection path would make the copy contain itself.
    return [name for name in listed.split("\0") if name and not name.startswith("collections/") and (checkout / name).exists()]


def copy(checkout: pathlib.Path, collection: pathlib.Path) -> None:
    shutil.rmtree(collection, ignore_errors=True)
    for name in tracked_files(checkout):
        target = collection / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(checkout / name, target, follow_symlinks=False)


def provide_get_pip() -> None:
    cache = pathlib.Path("~/.ansible/test/cache").expanduser()
    cache.mkdir(parents=True, exist_ok=True)
    for version in ("20_3_4", "21_3_1", "23_1_2", "24_2", "25_0_1", "25_1_1"):
        path = cache / f"get_pip_{version}.py"
        if not path.exists():
            path.write_text(GET_PIP, encoding="utf-8")


def run(command: list[str], collection: pathlib.Path) -> int:
    """Run ansible-test; a run without tests is a failure."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    ansible_test = pathlib.Path(sys.executable).with_name("ansible-test")
    kind, *arguments = command
    process = subprocess.Popen(
        [ansible_test, kind, "--venv", "--python", version, "--color", "no", *arguments],
        cwd=collection,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    ran = 0
    for line in process.stdout or ():
        if not line.lstrip().startswith("<"):  # each of the tests that pytest collects
            print(line, end="", flush=True)
        ran += bool(RAN[kind].search(line))
    code = process.wait()
    if code == 0 and ran == 0:
        print(f"ansible-test {kind} ran no test", file=sys.stderr)
        return 1
    print(f"{kind}: {ran} {WHAT[kind]}, exit {code}")
    return code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for the copy, outside any git checkout")
    parser.add_argument("kind", choices=RAN)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="arguments for ansible-test")
    given = parser.parse_args()
    collection = given.work / "ansible_collections" / "homelab" / "tailsync"
    copy(pathlib.Path(__file__).resolve().parents[2], collection)
    provide_get_pip()
    return run([given.kind, *given.arguments], collection)


if __name__ == "__main__":
    sys.exit(main())
