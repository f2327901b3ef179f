# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The gateway's credential: where it comes from, how strong it is, and where else its value turned up.

What guards the gateway is found as OpenClaw finds it (src/gateway/auth-resolve.ts): command line, configuration,
environment, ``.env`` of the state directory, ``env`` of the configuration. Values stay in fields that nothing shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.openclaw_config import leaves
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.patterns import (
    in_arguments,
    in_environment,
    is_literal,
    is_secret_name,
    is_shaped,
    secrets_of_arguments,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.strength import strength

if TYPE_CHECKING:
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Settings
    from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.files import FileFacts, Place
    from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.processes import Process

# A shorter value would turn up everywhere by chance.
SHORTEST = 8
_KINDS = {"token": "OPENCLAW_GATEWAY_TOKEN", "password": "OPENCLAW_GATEWAY_PASSWORD"}
_VARIABLE = re.compile(r"\$(?:\{([A-Z_][A-Z0-9_]*)\}|([A-Z_][A-Z0-9_]*))")


@dataclass(frozen=True)
class Credential:
    """A token or password. ``kept``: file, configuration, environment, arguments; ``origin`` reports it in words."""

    kind: str
    kept: str
    origin: str
    strong: bool
    strength: str
    value: str = field(repr=False)


@dataclass(frozen=True)
class SecretFacts:
    """What is known about secrets; names only, but for the fields that are never shown.

    :param mode: how the gateway is guarded: token, password, none, trusted-proxy.
    :param credential: what guards it; None: nothing, or ``trouble`` reports why it is not known.
    :param surfaces: places beside its own file in which the credential's value was found; ``searched``: all of them.
    :param environment: where and name of the variables that hold a secret; ``arguments``: where and option.
    :param processes: how many were looked at.
    :param literals: entries of the configuration that hold a secret and not a reference to one.
    """

    mode: str
    credential: Credential | None = None
    trouble: str = ""
    surfaces: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    arguments: tuple[tuple[str, str], ...] = ()
    literals: tuple[str, ...] = ()
    processes: int = 0
    token: str = field(default="", repr=False)
    values: tuple[str, ...] = field(default=(), repr=False)


class _Unknown(Exception):
    """The credential exists, and cannot be read from here."""


def look(
    settings: Settings, attrs: Mapping[str, Any], files: FileFacts, processes: tuple[Process, ...], log: str | None
) -> SecretFacts:
    """Find the credential and look for its value everywhere; ``log`` None: it could not be read."""
    variables = _variables(settings, files)
    commands = [(*settings.entrypoint, *settings.command), *(process.argv for process in processes)]
    options = _options(commands)
    mode, credential, trouble = _credential(files, variables, options)
    surfaces: list[str] = []
    searched: list[str] = []
    if credential and len(credential.value) >= SHORTEST:
        texts = list(_texts(attrs, files, processes, log))
        searched = list(dict.fromkeys(source for source, _where, _text in texts))
        surfaces = _found(credential.value, texts)
    if credential and credential.kept != "file" and not surfaces:
        surfaces = [credential.origin]
    literals = [] if files.configuration is None else list(_literals(files.configuration))
    return SecretFacts(
        mode,
        credential,
        trouble,
        tuple(surfaces),
        tuple(searched),
        _named_variables(processes),
        _named_options(processes),
        tuple(path for path, _value in literals),
        len(processes),
        credential.value if credential else "",
        _values(credential, files, variables, processes, commands, [value for _path, value in literals]),
    )


# --- the credential -----------------------------------------------------------------------------------------------


def _variables(settings: Settings, files: FileFacts) -> dict[str, tuple[str, str]]:
    """Name to value and origin; the environment wins over ``.env``, and that over the configuration."""
    found: dict[str, tuple[str, str]] = {}
    block = (files.configuration or {}).get("env")
    if isinstance(block, Mapping):
        nested = block.get("vars")
        for name, value in {**block, **(nested if isinstance(nested, Mapping) else {})}.items():
            if isinstance(value, str):
                found[str(name)] = (value, f"env.{name} of the configuration")
    state = files.state.target if files.state else None
    for place in files.dotenv:
        if state and place.target == f"{state}/.env":
            found.update({name: (value, f"{name} in {place.target}") for name, value in _dotenv(place)})
    for name, value in {**settings.environment, **files.environment}.items():
        found[name] = (value, f"environment variable {name}")
    return found


def _dotenv(place: Place) -> Iterator[tuple[str, str]]:
    for line in (_content(place) or "").splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            yield name.replace("export ", "", 1).strip(), value.strip().strip("'\"")


def _content(place: Place) -> str | None:
    """Return what the running container reads."""
    return place.mounted if place.mounted is not None else place.text


def _options(commands: list[tuple[str, ...]]) -> dict[str, str]:
    """Options of ``openclaw gateway`` that decide how it is guarded."""
    found: dict[str, str] = {}
    for argv in commands:
        command = [part for word in argv for part in word.split()]
        if "gateway" not in command and argv is not commands[0]:
            continue
        for index, word in enumerate(command):
            name, equals, value = word.partition("=")
            if name in ("--auth", "--token", "--password", "--password-file"):
                following = command[index + 1] if index + 1 < len(command) else ""
                found.setdefault(name[2:], value if equals else following)
    return found


def _credential(
    files: FileFacts, variables: Mapping[str, tuple[str, str]], options: Mapping[str, str]
) -> tuple[str, Credential | None, str]:
    """Return mode, credential, and why the credential is not known."""
    if files.configuration is None:
        path = files.config.target if files.config else "the configuration"
        return "", None, f"{path} could not be understood"
    gateway = files.configuration.get("gateway")
    auth = gateway.get("auth") if isinstance(gateway, Mapping) else None
    auth = auth if isinstance(auth, Mapping) else {}
    mode = options.get("auth") or str(auth.get("mode") or "")
    trouble = ""
    for kind in [mode] if mode in _KINDS else [] if mode else ["password", "token"]:
        try:
            found = _resolve(kind, auth.get(kind), files, variables, options)
        except _Unknown as unknown:
            return kind, None, str(unknown)
        if found:
            return kind, found, ""
    remote = gateway.get("remote") if isinstance(gateway, Mapping) else None
    if isinstance(remote, Mapping) and mode in ("", *_KINDS) and any(remote.get(kind) for kind in _KINDS):
        # OpenClaw's last resort, meant for clients; whether it guards depends on the version.
        trouble = "only gateway.remote has a credential, and it was not checked"
    if any(name == "$include" for _path, name, _value in leaves(files.configuration)):
        trouble = "the configuration includes other files, which were not read"
    return mode or "token", None, trouble


def _resolve(
    kind: str,
    wanted: object,
    files: FileFacts,
    variables: Mapping[str, tuple[str, str]],
    options: Mapping[str, str],
) -> Credential | None:
    """Find the value of one kind, in OpenClaw's order."""
    if options.get(kind):
        return _made(kind, "arguments", f"option --{kind} of the command line", options[kind])
    if kind == "password" and options.get("password-file"):
        raise _Unknown(f"the password comes from {options['password-file']}, which was not read")
    if isinstance(wanted, Mapping):
        return _from_reference(kind, wanted, files, variables)
    if isinstance(wanted, str) and wanted.strip():
        match = _VARIABLE.fullmatch(wanted.strip())
        if match:
            return _from_variable(kind, match[1] or match[2], variables)
        if re.search(r"\$\{[A-Z_]", wanted):
            raise _Unknown(f"gateway.auth.{kind} is put together from variables")
        return _made(kind, "configuration", f"gateway.auth.{kind} of the configuration", wanted)
    return _from_variable(kind, _KINDS[kind], variables) if variables.get(_KINDS[kind], ("",))[0].strip() else None


def _made(kind: str, kept: str, origin: str, value: str) -> Credential:
    value = value.strip()
    strong, words = strength(kind, value)
    return Credential(kind, kept, origin, strong, words, value)


def _from_variable(kind: str, name: str, variables: Mapping[str, tuple[str, str]]) -> Credential:
    value, origin = variables.get(name, ("", ""))
    if not value.strip():
        raise _Unknown(f"gateway.auth.{kind} names the variable {name}, which is not set")
    return _made(kind, "environment", origin, value)


def _from_reference(
    kind: str, reference: Mapping[str, Any], files: FileFacts, variables: Mapping[str, tuple[str, str]]
) -> Credential:
    """Follow a SecretRef (OpenClaw, gateway/secrets/secretref-contract)."""
    source, name, pointer = (str(reference.get(key) or "") for key in ("source", "provider", "id"))
    if source == "env":
        return _from_variable(kind, pointer, variables)
    if source != "file":
        raise _Unknown(f"gateway.auth.{kind} comes from the source {source or 'without a name'!r}, which was not asked")
    section = (files.configuration or {}).get("secrets")
    section = section if isinstance(section, Mapping) else {}
    defaults, providers = section.get("defaults"), section.get("providers")
    if not name and isinstance(defaults, Mapping):
        name = str(defaults.get("file") or "")
    provider = providers.get(name) if isinstance(providers, Mapping) else None
    path = provider.get("path") if isinstance(provider, Mapping) else None
    single = isinstance(provider, Mapping) and provider.get("mode") == "singleValue"
    place = next((place for place in files.secrets if _is(place, path)), None)
    text = _content(place) if place else None
    if place is None or text is None:
        raise _Unknown(f"the secret file of provider {name!r} could not be read")
    value = text if single else _pointed(text, pointer)
    if not value or not value.strip():
        raise _Unknown(f"{place.target} holds nothing for {pointer!r}")
    return _made(kind, "file", f"file {place.target}", value)


def _is(place: Place, path: object) -> bool:
    """Return whether a path of the configuration, which may begin with ``~``, is this place."""
    return isinstance(path, str) and (place.target == path or (path[:2] == "~/" and place.target.endswith(path[1:])))


def _pointed(text: str, pointer: str) -> str | None:
    """Return the text that a JSON pointer (RFC 6901) leads to."""
    try:
        node = json.loads(text)
    except (ValueError, RecursionError):
        return None
    for part in pointer.split("/")[1:]:
        node = node.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
    return node if isinstance(node, str) else None


# --- where it turned up -------------------------------------------------------------------------------------------


def _texts(
    attrs: Mapping[str, Any], files: FileFacts, processes: tuple[Process, ...], log: str | None
) -> Iterator[tuple[str, str, str]]:
    """Source, place within it, and text of everything that is searched."""
    for path, name, value in leaves({**attrs}):
        yield "docker inspect", path.rpartition(".")[0], str(name)
        for text in [value] if isinstance(value, str) else value if isinstance(value, list) else []:
            if isinstance(text, str):
                yield "docker inspect", path, text
    known: set[object] = set()
    for process in processes:
        # What a child inherited is named once.
        for name, value in [pair for pair in process.environment.items() if pair not in known]:
            yield "environment of the processes", f"{name} of process {process.pid}", value
        if process.argv not in known:
            yield "command lines of the processes", f"process {process.pid}", "\0".join(process.argv)
        known |= {process.argv, *process.environment.items()}
    for place in (*files.compose, *files.dotenv, *([files.config] if files.config else [])):
        for text in (place.text, place.mounted):
            if text is not None:
                yield place.path, "", text
    if log is not None:
        yield "log", "", log


def _found(value: str, texts: list[tuple[str, str, str]]) -> list[str]:
    forms = {value, json.dumps(value)[1:-1], quote(value, safe="")}
    found = [(source, where) for source, where, text in texts if any(form in text for form in forms)]
    return list(dict.fromkeys(f"{source} ({where})" if where else source for source, where in found))


def _named_variables(processes: tuple[Process, ...]) -> tuple[tuple[str, str], ...]:
    """Secret variables with the first process that has each: a child inherits them all."""
    found: dict[str, str] = {}
    for process in processes:
        for name in in_environment(process.environment):
            found.setdefault(name, f"/proc/{process.pid}/environ")
    return tuple((where, name) for name, where in found.items())


def _named_options(processes: tuple[Process, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((f"/proc/{process.pid}/cmdline", name) for process in processes for name in in_arguments(process.argv))


def _literals(configuration: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and value of the entries that hold a secret itself."""
    for path, name, value in leaves(configuration):
        if not isinstance(value, str):
            continue
        secret = is_secret_name(str(name)) or str(name).lower() == "authorization"
        if (secret and is_literal(value)) or is_shaped(value):
            yield path, value


def _values(
    credential: Credential | None,
    files: FileFacts,
    variables: Mapping[str, tuple[str, str]],
    processes: tuple[Process, ...],
    commands: list[tuple[str, ...]],
    literals: list[str],
) -> tuple[str, ...]:
    """Everything that must not be shown, the longest first, so that no part of one is left behind."""
    found = [credential.value] if credential else []
    found += literals
    known = {name: value for name, (value, _origin) in variables.items()}
    for environment in (known, *(process.environment for process in processes), *map(dict, map(_dotenv, files.dotenv))):
        found += [environment[name] for name in in_environment(environment)]
    for command in commands:
        found += [value for _name, value in secrets_of_arguments(command)]
    for place in files.secrets:
        for text in filter(None, (place.text, place.mounted)):
            found.append(text)
            found += [line for line in text.splitlines() if len(line) <= 4096][:100]
            found += _strings(text)
    return tuple(sorted({v.strip() for v in found if len(v.strip()) >= SHORTEST}, key=lambda v: (-len(v), v)))


def _strings(text: str) -> list[str]:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [value for _path, _name, value in leaves(tree) if isinstance(value, str)]
