"""Carries out the advice of a message, word by word, so that what is shown and what is tried cannot drift apart.

A remediation is one way, or several between "; or ". A way is a row of clauses between "; ", each in one of FORMS; what
an operator types or sets stands in backticks, what depends on the host in capitals. A clause in no form fails, so no
text is shown that no test can follow.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

OR = "; or "
SITE = "run the playbook openclaw.hardening.site, where this collection deployed it"
_SPAN = re.compile(r"`([^`]+)`")
_CAPITALS = re.compile(r"\b[A-Z][A-Z_]+\b")
# Capitals that are words of a command, not what a host has to fill in.
_WORDS = frozenset(
    {
        "CMD",
        "COPY",
        "FROM",
        "LABEL",
        "HEALTHCHECK",
        "USER",
        "RUN",
        "ALL",
        "AS",
        "UTC",
        "DNAT",
        "DOCKER",
        "DROP",
        "ESTABLISHED",
        "PREROUTING",
        "RELATED",
    }
)


class CannotFollowError(Exception):
    """A text that nobody could follow to the letter."""


@dataclass
class Patient:
    """What advice is applied to. Changes are kept here until a command runs; then ``write`` brings them to the host.

    :param gateway: the service in the compose file.
    :param values: what the capitals stand for.
    :param dockerfile: the lines of the Dockerfile after its FROM.
    :param settings: the content of a JSON file, by its path.
    """

    gateway: dict[str, Any]
    values: dict[str, str] = field(default_factory=dict)
    dockerfile: list[str] = field(default_factory=list)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    run: Callable[[str], object] = lambda _command: None
    build: Callable[[str], object] = lambda _options: None

    def fill(self, text: str) -> str:
        """Put what this host has in the place of the capitals."""

        def known(match: re.Match[str]) -> str:
            if match[0] in _WORDS:
                return match[0]
            if match[0] not in self.values:
                raise CannotFollowError(f"{match[0]} in {text!r} is not known")
            return self.values[match[0]]

        return _CAPITALS.sub(known, text)

    def named(self, what: str) -> list[str]:
        """Return what the finding names."""
        return self.values.get(what, "").split()


def ways(text: str) -> list[str]:
    """Return the ways that a text offers."""
    return [way for way in text.split(OR) if way]


def clauses(way: str) -> list[tuple[str, list[str]]]:
    """Return the clauses of a way, with ``#`` for each thing in backticks, and those things."""
    spans = iter(_SPAN.findall(way))
    masked = re.sub(r" \([^()`]*\)", "", _SPAN.sub("#", way))
    return [(clause.strip(), [next(spans) for _span in range(clause.count("#"))]) for clause in masked.split("; ")]


def follow(way: str, patient: Patient) -> None:
    """Do what a way reports."""
    for clause, spans in clauses(way):
        form, _match = _form(clause)
        form(patient, spans)


def understood(way: str) -> None:
    """Fail for a way that cannot be followed."""
    for clause, _spans in clauses(way):
        _form(clause)


def _form(clause: str) -> tuple[Callable[[Patient, list[str]], None], re.Match[str]]:
    for pattern, form in FORMS.items():
        match = re.fullmatch(pattern, clause)
        if match:
            return form, match
    raise CannotFollowError(f"{clause!r} is in no form that tests/advice.py can carry out")


# --- the service --------------------------------------------------------------------------------------------------


def _set(patient: Patient, spans: list[str]) -> None:
    for span in spans:
        patient.gateway.update(yaml.safe_load(patient.fill(span)))


def _add(patient: Patient, spans: list[str]) -> None:
    for span in spans:
        for key, items in yaml.safe_load(patient.fill(span)).items():
            there = patient.gateway.setdefault(key, [])
            there.extend(item for item in items if item not in there)


def _remove(patient: Patient, spans: list[str]) -> None:
    for span in spans:
        patient.gateway.pop(span, None)


def _remove_item(patient: Patient, spans: list[str]) -> None:
    *items, key = spans
    wrong = {item.replace("=", ":") for item in items}
    there = patient.gateway.get(key) or []
    there[:] = [item for item in there if item.replace("=", ":") not in wrong]


def _volumes(patient: Patient) -> Iterator[dict[str, Any]]:
    """The volumes that the finding names by their target."""
    yield from [volume for volume in patient.gateway["volumes"] if volume["target"] in patient.named("TARGET")]


def _set_in_volumes(patient: Patient, spans: list[str]) -> None:
    for volume in _volumes(patient):
        for span in spans:
            volume.update(yaml.safe_load(span))


def _remove_from_volumes(patient: Patient, spans: list[str]) -> None:
    for volume in _volumes(patient):
        for span in spans:
            volume.get("bind", {}).pop(span, None)


def _remove_volumes(patient: Patient, _spans: list[str]) -> None:
    for volume in _volumes(patient):
        patient.gateway["volumes"].remove(volume)


def _remove_device_volumes(patient: Patient, _spans: list[str]) -> None:
    there = patient.gateway.get("volumes", [])
    there[:] = [volume for volume in there if not str(volume.get("source", "")).startswith("/dev/")]


def _tmpfs(patient: Patient, spans: list[str]) -> None:
    there = patient.gateway["tmpfs"]
    places = [entry.partition(":")[0] for entry in there]
    there[:] = [patient.fill(spans[0].replace("PLACE", place)) for place in places]


def _remove_variables(patient: Patient, spans: list[str]) -> None:
    for key in spans:
        for name in patient.named("VARIABLE"):
            there = patient.gateway.get(key) or {}
            if isinstance(there, dict):
                there.pop(name, None)
            else:
                there[:] = [entry for entry in there if entry.partition("=")[0] != name]


def _remove_options(patient: Patient, spans: list[str]) -> None:
    for key in spans:
        there = patient.gateway.get(key) or []
        for name in patient.named("OPTION"):
            if name in there:
                del there[there.index(name) : there.index(name) + 2]


def _remove_keys(patient: Patient, _spans: list[str]) -> None:
    for key in patient.named("KEY"):
        patient.gateway.pop(key, None)


def _remove_ssh(patient: Patient, spans: list[str]) -> None:
    for key in spans:
        if "sshd" in str(patient.gateway.get(key, "")):
            del patient.gateway[key]


# --- the image ----------------------------------------------------------------------------------------------------


def _append(patient: Patient, spans: list[str]) -> None:
    patient.dockerfile += [patient.fill(span) for span in spans]


def _name_stage(patient: Patient, spans: list[str]) -> None:
    patient.values["STAGE"] = spans[0]


def _without(*words: str) -> Callable[[Patient, list[str]], None]:
    def form(patient: Patient, _spans: list[str]) -> None:
        patient.dockerfile[:] = [line for line in patient.dockerfile if not line.startswith(words)]

    return form


def _copy_instead(patient: Patient, _spans: list[str]) -> None:
    patient.dockerfile[:] = [re.sub(r"^ADD https?://\S+", "COPY checked", line) for line in patient.dockerfile]


def _remove_sshd(patient: Patient, _spans: list[str]) -> None:
    patient.dockerfile[:] = [line for line in patient.dockerfile if "sshd" not in line]


def _build(patient: Patient, spans: list[str]) -> None:
    patient.build(" ".join(spans))


# --- files and commands -------------------------------------------------------------------------------------------

_DAEMON = "/etc/docker/daemon.json"
_CONFIG = "/etc/openclaw/openclaw.json"


def _remove_setting(patient: Patient, spans: list[str]) -> None:
    for span in spans:
        patient.settings[_DAEMON].pop(span, None)


def _remove_settings_named(patient: Patient, _spans: list[str]) -> None:
    for name in patient.named("OPTION"):
        patient.settings[_DAEMON].pop(name, None)


def _remove_dockerd_options(patient: Patient, _spans: list[str]) -> None:
    """As with an editor, in the file that `systemctl cat` names last."""
    if patient.values.get("OPTION"):
        option = patient.values["OPTION"].replace("/", "\\/")
        patient.run(
            f"sed -i 's/ {option}//' \"$(systemctl cat docker.service | sed -n 's/^# \\(\\/.*\\)/\\1/p' | tail -n 1)\""
        )


def _remove_values(patient: Patient, _spans: list[str]) -> None:
    for path in patient.named("SETTING"):
        *way, last = path.split(".")
        there: Any = patient.settings[_CONFIG]
        for name in way:
            there = there[name]
        del there[last]
        if "REFERENCE" in patient.values:
            there[last] = json.loads(patient.values["REFERENCE"])


def _set_values(patient: Patient, spans: list[str]) -> None:
    for span in spans:
        path, _colon, value = patient.fill(span).partition(": ")
        *way, last = path.split(".")
        there: Any = patient.settings[_CONFIG]
        for name in way:
            there = there.setdefault(name, {})
        there[last] = yaml.safe_load(value)


def _run(patient: Patient, spans: list[str]) -> None:
    for span in spans:
        patient.run(patient.fill(span))


def _edit(patient: Patient, spans: list[str]) -> None:
    """An editor that comments out the lines which the finding names, in the file that it is called with last."""
    lines = f"#!/bin/sh\nfor file; do :; done\nexec sed -i 's/{patient.values['LINE']}/# &/' \"$file\"\n"
    editor = f"printf %s {shlex.quote(lines)} > /root/editor; chmod 0700 /root/editor; "
    patient.run(f"{editor}EDITOR=/root/editor {patient.fill(spans[0])}")


S = "#(?:, #| and #)*"
FORMS: dict[str, Callable[[Patient, list[str]], None]] = {
    rf"set {S}(?: of an unprivileged account)? in the service": _set,
    rf"add {S} to the service": _add,
    rf"remove {S} from # of the service": _remove_item,
    rf"remove {S} from the service": _remove,
    rf"set {S} in each volume that is named": _set_in_volumes,
    rf"remove {S} from each volume that is named": _remove_from_volumes,
    r"remove each volume that is named from the service": _remove_volumes,
    r"remove each key that is named from the service": _remove_keys,
    r"remove each volume of /dev from the service": _remove_device_volumes,
    r"set each entry of # to #": lambda patient, spans: _tmpfs(patient, spans[1:]),
    rf"remove each variable that is named from {S} of the service": _remove_variables,
    rf"remove each option that is named, with its value, from {S} of the service": _remove_options,
    rf"remove it from {S} of the service": _remove_ssh,
    r"add # to the last FROM of the Dockerfile": _name_stage,
    rf"add {S}(?: of the image in FROM)? to the end of the Dockerfile(?:, with [a-z ]+)?": _append,
    r"remove each ARG, ENV and LABEL that is named from the Dockerfile": _without("ARG", "ENV", "LABEL"),
    r"replace each ADD of an address in the Dockerfile by COPY of a file whose hash was checked": _copy_instead,
    r"remove the SSH server from the Dockerfile": _remove_sshd,
    r"build the image(?: with # on a refreshed base)?": _build,
    rf"remove {S} from /etc/docker/daemon\.json": _remove_setting,
    r"remove each option that is named from /etc/docker/daemon\.json": _remove_settings_named,
    r"remove each option that is named from the command line of dockerd": _remove_dockerd_options,
    r"remove each value that is named from openclaw\.json, or refer to a secret's file there": _remove_values,
    rf"set {S} in openclaw\.json": _set_values,
    r"run # and comment out each line that is named": _edit,
    # Why or when, in words without a command.
    rf"run {S}(?: (?:for|with|where|when) [a-z' -]+)?": _run,
}
