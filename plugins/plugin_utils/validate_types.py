# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check values against an argument specification, with messages that name the place of each problem: pure functions.

Ansible's own validator names neither the variable nor the place in it, stops at the first invalid container, and shows values
that may be secret. This one uses the same specifications and Ansible's own conversions. It also refuses values that Ansible
would silently convert to nonsense: a list or mapping as text, `true` as a number, text as a mapping.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t

from ansible.module_utils.common import validation
from ansible.module_utils.parsing.convert_bool import BOOLEANS_FALSE, BOOLEANS_TRUE

Spec = t.Mapping[str, t.Any]
# The values of these keys are never shown, at any place.
SECRET_KEYS = frozenset({"api_key", "apikey", "encryption_password", "encryptionpassword", "password", "secret", "token"})
MAX_LENGTH = 80
WORDS = {"str": "text", "path": "text", "int": "a whole number", "bool": "true or false", "list": "a list", "dict": "a mapping"}
KINDS = ((bool, "true or false"), (int, "a number"), (float, "a number"), (str, "text"), (dict, "a mapping"), (list, "a list"))


class Invalid:
    """The marker for an invalid value, which is reported already and not checked again."""


INVALID = Invalid()


def checked(value: t.Any, spec: Spec, where: str, strict_lists: bool = False) -> tuple[t.Any, list[str]]:
    """The value as a module would get it, or INVALID, and the problems of it and its parts."""
    kind = spec.get("type", "str")
    if value is None:
        return _checked_null(spec, kind, where)
    if kind == "list":
        return _checked_list(value, spec, where, strict_lists)
    if kind == "dict":
        return _checked_dict(value, spec, where)
    return _checked_single(value, spec, kind, where)


def _checked_single(value: t.Any, spec: Spec, kind: str, where: str) -> tuple[t.Any, list[str]]:
    secret = bool(spec.get("no_log")) or is_secret(where)
    converted = _converted(value, kind)
    if converted is INVALID and secret and kind == "str":
        return INVALID, [f"{where} is no text: put it between quotation marks"]
    if converted is INVALID:
        return INVALID, [f"{where} {describe_value(value, secret)}: it must be {WORDS.get(kind, kind)}{_advice(value, kind)}"]
    choices = spec.get("choices")
    if choices and _chosen(converted, choices) not in choices:
        allowed = ", ".join(str(choice) or "nothing" for choice in choices)
        return INVALID, [f"{where} {describe_value(value, secret)}: it must be one of {allowed}"]
    return converted, []


def _checked_null(spec: Spec, kind: str, where: str) -> tuple[t.Any, list[str]]:
    """Accept null where Ansible accepts it: for options without default and choices, and as empty text."""
    if spec.get("choices") and spec.get("default") is None:
        return INVALID, [f"{where} is empty (null): it must be one of {', '.join(map(str, spec['choices']))}"]
    if spec.get("required"):
        return INVALID, [f"{where} is empty (null): it must be {WORDS.get(kind, kind)}"]
    if spec.get("choices"):
        allowed = ", ".join(str(choice) or "nothing" for choice in spec["choices"])
        return INVALID, [f"{where} is empty (null): remove the line, or write one of {allowed}"]
    if spec.get("default") is None:
        return None, []
    if kind in ("str", "path") and not spec.get("choices"):
        return "", []
    return INVALID, [f"{where} is empty (null): remove the line for its default, or write {WORDS.get(kind, kind)}"]


def _checked_list(value: t.Any, spec: Spec, where: str, strict: bool) -> tuple[t.Any, list[str]]:
    elements = spec.get("elements", "str")
    if not isinstance(value, (list, tuple)):
        if elements == "dict" or isinstance(value, dict) or (strict and not isinstance(value, (list, tuple))):
            return INVALID, [_no_list(value, spec, where)]
        value = [part.strip() for part in value.split(",")] if isinstance(value, str) else [_converted(value, "str")]
        value = [part for part in value if part is not INVALID]
    sound, found = [], []
    for index, item in enumerate(value):
        inner, problems = _checked_element(item, spec, f"{where}[{index}]", elements)
        found += problems
        if inner is not INVALID:
            sound.append(inner)
    return sound, found


def _checked_element(item: t.Any, spec: Spec, where: str, elements: str) -> tuple[t.Any, list[str]]:
    if item is None:
        return INVALID, [f"{where} is empty (null): remove it, or give it a value"]
    if elements == "dict":
        return checked(
            item, {"type": "dict", "options": spec.get("options"), "required_one_of": spec.get("required_one_of")}, where
        )
    return checked(item, {"type": elements, "choices": spec.get("choices"), "no_log": spec.get("no_log")}, where)


def _no_list(value: t.Any, spec: Spec, where: str) -> str:
    secret = bool(spec.get("no_log")) or is_secret(where)
    if spec.get("elements") == "dict":
        example = "[{port: '445', proto: tcp, from: 192.168.1.0/24}]" if where.startswith("firewall") else "[{…}, {…}]"
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool) and not secret:
        example = f"[{shown(value).strip(chr(39))}]"
    else:
        example = "[one, another]"
    return f"{where} {describe_value(value, secret)}: write a list, such as {example}"


def _checked_dict(value: t.Any, spec: Spec, where: str) -> tuple[t.Any, list[str]]:
    options = spec.get("options")
    if not isinstance(value, dict):
        keys = f" with keys of {listed(options)}" if options else ", such as {key: value}"
        return INVALID, [f"{where} is {kind_of(value)}: it must be a mapping{keys}"]
    if options is None:
        return value, _key_problems(value, where)
    sound: dict[str, t.Any] = {}
    found: list[str] = []
    for key, item in value.items():
        name = key_text(key)
        if key not in options:
            found.append(unknown_key(where, name, options))
            continue
        inner, problems = checked(item, options[key], f"{where}.{name}")
        found += problems
        if inner is not INVALID:
            sound[name] = inner
    found += [
        f"{where} has no {name}: {_needs(option)}"
        for name, option in options.items()
        if option.get("required") and name not in value
    ]
    for names in spec.get("required_one_of") or ():
        if not any(value.get(name) is not None for name in names):
            found.append(f"{where} needs one of {', '.join(names)}")
    return sound, found


def _needs(option: Spec) -> str:
    return f"add it, one of {', '.join(map(str, option['choices']))}" if option.get("choices") else "add it"


def unknown_key(where: str, name: str, options: t.Iterable[str]) -> str:
    known = sorted(set(options))
    # As Syncthing's own configuration writes it: deviceID, maxSendKbps.
    close = next((one for one in known if one.replace("_", "") == name.lower()), None) or nearest(name, known)
    rest = ", and settings for the rest" if "settings" in known else ""
    return f"{where}.{name} is no key of it{f' (is {close} meant?)' if close else ''}: use one of {', '.join(known)}{rest}"


def _key_problems(value: t.Any, where: str, depth: int = 0) -> list[str]:
    """The problems of keys in free mappings, which are passed to a module and must be text."""
    found: list[str] = []
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, (str, int)) or isinstance(key, bool):
                found.append(f"{where} has the key {key_text(key)}, which is no text: put it between quotation marks")
            found += _key_problems(item, f"{where}.{key_text(key)}", depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += _key_problems(item, f"{where}[{index}]", depth + 1)
    return found


def _converted(value: t.Any, kind: str) -> t.Any:
    """Convert with Ansible's own functions, but refuse values that would become nonsense."""
    if isinstance(value, (dict, list, tuple)):
        return INVALID
    try:
        if kind == "int":
            # Python accepts digits of all scripts, ufw and Syncthing do not.
            odd = value is True or (isinstance(value, str) and not value.isascii())
            return INVALID if odd else int(validation.check_type_int(value))
        if kind == "bool":
            return validation.check_type_bool(value)
        if kind == "float":
            return validation.check_type_float(value)
        return str(value)
    except (TypeError, ValueError, ArithmeticError):
        return INVALID


def _chosen(value: t.Any, choices: t.Collection[t.Any]) -> t.Any:
    """The choice for a word that YAML reads as true or false; like Ansible, only if one choice fits."""
    words = {"False": BOOLEANS_FALSE, "True": BOOLEANS_TRUE}.get(value, ()) if isinstance(value, str) else ()
    meant = [choice for choice in choices if choice in words]
    return meant[0] if len(meant) == 1 and value not in choices else value


def _advice(value: t.Any, kind: str) -> str:
    if kind == "bool":
        return ", without quotation marks"
    if kind == "str" and isinstance(value, float):
        return ", so put it between quotation marks"
    return ""


# --- words --------------------------------------------------------------------------------------


def is_secret(where: str) -> bool:
    """Whether the value at a path is a secret, by its last key."""
    last = re.sub(r"\[\d+\]$", "", where).rpartition(".")[2].lower()
    return last in SECRET_KEYS or last.endswith(("_password", "_secret", "_token", "_auth_key", "_api_key", "_private_key"))


def describe_value(value: t.Any, secret: bool) -> str:
    """`is 'x'` for a value that may be shown, else only the kind of the value."""
    if secret or isinstance(value, (dict, list, tuple)) or value is None:
        return f"is {kind_of(value)}"
    return f"is {shown(value)}"


def shown(value: t.Any) -> str:
    """A value for a message: short, in one line, and without the password of a URL."""
    try:
        text = repr(str(value)) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    except ValueError:  # a number with more digits than Python prints
        return "a number that is too long"
    text = without_password(text)
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}…"


def without_password(text: str) -> str:
    """Also without a key of Tailscale's or Headscale's, which stands where it does not belong."""
    for pattern, instead in (
        (r"//[^/@\s]*@", "//…@"),
        (r"[^\s/@:'\"]+:[^\s/@]+@", "…@"),
        (r"([th]skey-[a-z]+-)\w[\w-]*", r"\1…"),
    ):
        text = re.sub(pattern, instead, text)
    return text


def stripped(value: t.Any) -> str:
    """Text without blanks around it; empty for anything else."""
    return value.strip() if isinstance(value, str) else ""


def kind_of(value: t.Any) -> str:
    if value is None:
        return "empty (null)"
    return next((words for kind, words in KINDS if isinstance(value, kind)), type(value).__name__)


def key_text(key: t.Any) -> str:
    """A key of a mapping as text; YAML may have read it as another type."""
    if key is None:
        return "null"
    text = shown(key)
    return text[1:-1] if isinstance(key, str) else text


def listed(keys: t.Iterable[t.Any] | None) -> str:
    return ", ".join(sorted(map(str, keys or ())))


def unique_problems(found: t.Iterable[tuple[str, str]], everywhere: t.Collection[str]) -> list[str]:
    """Each problem once, with the hosts that have it unless all have it."""
    hosts_of: dict[str, list[str]] = {}
    for problem, host in found:
        hosts = hosts_of.setdefault(problem, [])
        if host not in hosts[-1:]:
            hosts.append(host)
    return [problem if len(hosts) == len(everywhere) else f"{problem} (on {some(hosts)})" for problem, hosts in hosts_of.items()]


def some(names: t.Sequence[str], most: int = 5) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def nearest(name: str, known: t.Iterable[str], most: int = 2) -> str | None:
    """The known name with the smallest distance, if that is at most `most` and not every letter differs."""
    found = [(distance(name, other, most), other) for other in known if abs(len(other) - len(name)) <= most]
    return min(((far, other) for far, other in found if far <= most and far < max(len(name), len(other))), default=(0, None))[1]


def distance(one: str, other: str, most: int) -> int:
    """The number of letters to add, remove, replace or swap with their neighbour; `most + 1` if it is larger than `most`."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, there in enumerate(other, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != there))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == there:
                best = min(best, older[j - 2] + 1)
            row.append(best)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)
