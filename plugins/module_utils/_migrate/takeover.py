# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the configuration and the environment of a base to those of a hardened deployment; pure.

Secrets leave the configuration and become files, to which it refers. What belongs to the deployment is left out and
named. Paths of another home are rewritten where they lead into the state, else named.
"""

from __future__ import annotations

import re
import secrets as random_numbers
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless, listed
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets import plain
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.patterns import is_secret
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.strength import weakness

TOKEN = "gateway_token"  # noqa: S105 (a name)
STATE = "/home/node/.openclaw"
# What belongs to the deployment; roles/openclaw_gateway/vars/main.yml has the same, with the option in its place.
RESERVED = (
    "gateway.mode",
    "gateway.bind",
    "gateway.customBindHost",
    "gateway.port",
    "gateway.tailscale",
    "gateway.auth.mode",
    "gateway.auth.token",
    "gateway.auth.password",
    "gateway.controlUi.allowedOrigins",
    "gateway.controlUi.dangerouslyDisableDeviceAuth",
    "gateway.controlUi.dangerouslyAllowHostHeaderOriginFallback",
    "secrets.providers.gateway_token",
    "update",
    "discovery.mdns",
)
# OpenClaw's own notes about the file.
_NOTES = ("meta", "wizard")
# Those are the answer to the deployment's own settings, and nothing that an operator chose.
_QUIET = ("gateway.mode", "gateway.port", "gateway.auth.mode")
# Where OpenClaw reads a secret from the environment, and where its configuration has the same.
_CHANNELS = {
    "TELEGRAM_BOT_TOKEN": ("channels", "telegram", "botToken"),
    "DISCORD_BOT_TOKEN": ("channels", "discord", "token"),
    "SLACK_BOT_TOKEN": ("channels", "slack", "botToken"),
    "SLACK_APP_TOKEN": ("channels", "slack", "appToken"),
}
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_FOREIGN = re.compile(r"(?:/Users/|/home/|/root/|[A-Za-z]:\\)")
_IN_STATE = re.compile(r"(?:/Users/[^/]+|/home/[^/]+|/root)/\.openclaw(?=/|$)")
_LONGEST = 36


@dataclass
class Takeover:
    """What a hardened deployment takes over.

    :param secrets: by the name of the file; never shown.
    :param hardened: what is otherwise afterwards, by key.
    :param left: what does not come along, and where it could be put.
    :param rewritten: keys with a path of another home, which leads into the state now.
    """

    config: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    hardened: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    rewritten: list[str] = field(default_factory=list)
    keeps_token: bool = False


def take_over(config: Mapping[str, Any], environment: Mapping[str, str], inside: str) -> Takeover:
    """Return what a base becomes.

    :param inside: its state directory, as it sees it.
    :raises HardeningError: a secret would stay in plain text, or a variable that it refers to has no value.
    """
    result = Takeover()
    _take_token(result, config, environment)
    kept = {key: value for key, value in config.items() if key not in _NOTES}
    for path in RESERVED:
        if _removed(kept, path) and path not in _QUIET:
            result.hardened.append(f"{path}: left to the deployment")
    walker = _Walker(result, environment, inside, {path for path, _reason in plain.find(kept)})
    result.config = {key: walker.taken(value, key, key) for key, value in kept.items()}
    _take_environment(result, environment, walker)
    if walker.unset:
        needed = "a value for each variable that the configuration refers to, in the environment of the base"
        raise HardeningError("the configuration of the base", f"no {listed(walker.unset)}", needed)
    found = [path for path, _reason in plain.find(result.config)]
    if found:
        needed = "no secret in plain text in what is taken over; refer to it there (${NAME}, or a SecretRef)"
        raise HardeningError("the configuration of the base", f"a secret at {listed(found)}", needed)
    return result


def _take_token(result: Takeover, config: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """Keep the token when it is strong; OpenClaw itself takes that of the configuration first."""
    auth = _at(config, "gateway.auth")
    auth = auth if isinstance(auth, Mapping) else {}
    declared = auth.get("token")
    token = declared if isinstance(declared, str) and declared else environment.get("OPENCLAW_GATEWAY_TOKEN", "")
    if isinstance(declared, str):
        token = _REFERENCE.sub(lambda found: environment.get(found[1], ""), token)
    elif isinstance(declared, Mapping):
        token = environment.get(str(declared.get("id")), "") if declared.get("source") == "env" else ""
    why = weakness(token) if token else "no token that could be read"
    result.keeps_token = not why
    result.secrets[TOKEN] = random_numbers.token_hex(32) if why else token
    if why:
        result.hardened.append(f"gateway.auth.token: a new one, because the base had {why}")
    else:
        result.hardened.append("gateway.auth.token: the same, in a file")
    if auth.get("password") or auth.get("mode") == "password" or environment.get("OPENCLAW_GATEWAY_PASSWORD"):
        result.hardened.append("gateway.auth.password: the token takes its place")


def _take_environment(result: Takeover, environment: Mapping[str, str], walker: _Walker) -> None:
    """Bring the secrets of the environment to where the configuration has the same."""
    for name, value in sorted(environment.items()):
        if not value or name in walker.used or name.startswith("OPENCLAW_GATEWAY_") or not is_secret(name, value):
            continue
        channel = _CHANNELS.get(name)
        place = _at(result.config, ".".join(channel[:2])) if channel else None
        if channel and isinstance(place, dict) and channel[2] not in place:
            place[channel[2]] = walker.reference(".".join(channel), value)
            continue
        result.left.append(f"variable {harmless(name, 80)}: a secret that the configuration does not refer to")


@dataclass
class _Walker:
    """Goes through the configuration, and names each key as ``plain`` does."""

    result: Takeover
    environment: Mapping[str, str]
    inside: str
    plain: set[str]
    used: set[str] = field(default_factory=set)
    unset: list[str] = field(default_factory=list)

    def taken(self, node: object, path: str, within: str) -> Any:  # noqa: ANN401 (what JSON has)
        """Return what takes the place of an entry."""
        if isinstance(node, Mapping):
            if node.get("source") == "env" and isinstance(node.get("id"), str):
                return self._from_environment(str(node["id"]), path)
            return {str(key): self.taken(value, _joined(path, str(key)), str(key)) for key, value in node.items()}
        if isinstance(node, list):
            return [self.taken(value, f"{path}[{number}]", within) for number, value in enumerate(node)]
        if path in self.plain:
            return self.reference(path, self._filled(str(node)))
        return self._text(node, path, within) if isinstance(node, str) else node

    def reference(self, path: str, value: str) -> dict[str, str]:
        """Keep a secret in a file, and return how the configuration refers to it."""
        name = _file_name(path, self.result.secrets)
        self.result.secrets[name] = value
        self.result.hardened.append(f"{path}: a secret, in a file ({name})")
        return {"source": "file", "provider": name, "id": "value"}

    def _from_environment(self, name: str, path: str) -> dict[str, str]:
        value = self.environment.get(name)
        self.used.add(name)
        if not value:
            self.unset.append(name)
        return self.reference(path, value or "")

    def _filled(self, text: str) -> str:
        self.used.update(_REFERENCE.findall(text))
        self.unset += [name for name in _REFERENCE.findall(text) if not self.environment.get(name)]
        return _REFERENCE.sub(lambda found: self.environment.get(found[1], ""), text)

    def _text(self, text: str, path: str, within: str) -> Any:  # noqa: ANN401 (a reference, or the text)
        names = _REFERENCE.findall(text)
        if names:
            filled = self._filled(text)
            if plain.find({within: filled}) or any(is_secret(name, self.environment.get(name, "")) for name in names):
                return self.reference(path, filled)
            text = filled
        moved = _IN_STATE.sub(STATE, text) if _FOREIGN.match(text) else text
        if self.inside != STATE and f"{moved}/".startswith(f"{self.inside}/"):
            moved = f"{STATE}{moved[len(self.inside) :]}"
        if moved != text:
            self.result.rewritten.append(path)
        elif _FOREIGN.match(text) and not f"{text}/".startswith("/home/node/"):
            self.result.left.append(f"{path}: a path outside of the state, which the container does not have")
        return moved


def _joined(path: str, name: str) -> str:
    return f"{path}.{name[:80]}"


def _file_name(path: str, known: Mapping[str, str]) -> str:
    """Return the name of the file of a secret, as the roles name them."""
    stem = re.sub(r"[^a-z0-9]+", "_", path.lower()).strip("_")[-_LONGEST:].strip("_") or "secret"
    names: Iterator[str] = (f"provider_{stem}{number or ''}" for number in range(1000))
    return next(name for name in names if name not in known)


def _at(config: Mapping[str, Any], path: str) -> object:
    node: object = config
    for name in path.split("."):
        node = node.get(name) if isinstance(node, Mapping) else None
    return node


def _removed(config: dict[str, Any], path: str) -> bool:
    """Take a key out, with copies of what is above it; what is empty then goes, too."""
    *above, last = path.split(".")
    nodes = [config]
    for name in above:
        inner = nodes[-1].get(name)
        if not isinstance(inner, Mapping):
            return False
        nodes[-1][name] = dict(inner)
        nodes.append(nodes[-1][name])
    if nodes[-1].pop(last, None) is None:
        return False
    for node, name in reversed(list(zip(nodes, above))):
        if not node[name]:
            del node[name]
    return True
