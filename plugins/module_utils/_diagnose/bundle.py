# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The support bundle: what helpers of an operator need, redacted, bounded in bytes and seconds, made in memory."""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.facts import Host, Present
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.openclaw_config import parse
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import look as look_file
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.redact import MASK, Redactor
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run
from ansible_collections.openclaw.hardening.plugins.module_utils._system.deadline import Deadline

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

PART = 512 << 10
WHOLE = 6 << 20
SECONDS = 180.0
_COMMAND = 30
_EXPORT = 90
_MOST_MEMBERS = 40
_MEMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:[./][A-Za-z0-9][A-Za-z0-9_-]*)*")
_HOST = (
    ("uname", "-a"),
    ("cat", "/etc/os-release"),
    ("uptime",),
    ("df", "--human-readable", "--local"),
    ("df", "--inodes", "--local"),
    ("free", "--mebi"),
    ("systemctl", "--version"),
    ("systemctl", "--failed", "--no-pager", "--plain"),
    ("docker", "version"),
    ("docker", "compose", "version"),
    ("docker", "ps", "--all", "--no-trunc"),
    ("docker", "system", "df"),
)
# OpenClaw's own export, in the memory of the container; the file is gone when the program ends. It goes out as base64.
_PROGRAM = """
const fs = require('fs'), { spawnSync } = require('child_process');
const folder = fs.mkdtempSync('/tmp/openclaw-diagnosis-'), path = folder + '/export.zip';
try {
  const argv = ['openclaw.mjs', 'gateway', 'diagnostics', 'export', '--json', '--output', path];
  const done = spawnSync('node', argv, { stdio: ['ignore', 'ignore', 'inherit'], timeout: LIMIT });
  const good = done.status === 0 && fs.statSync(path).size < MOST;
  if (good) process.stdout.write(fs.readFileSync(path).toString('base64'));
  else process.exitCode = 1;
} finally { fs.rmSync(folder, { recursive: true, force: true }); }
"""


@dataclass
class Bundle:
    """The parts so far, and what was left out, with the reason."""

    redact: Redactor
    parts: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, name: str, text: str, *, tail: bool = False) -> None:
        """Add a text: redacted as a whole, then cut, because half of a secret is not recognised.

        :param tail: the end is worth more than the beginning.
        """
        name, text = self.redact(name), self.redact(text).encode("utf-8", "replace").decode()
        if len(text) > PART:
            self.left_out.append(f"{name}: {len(text) - PART} of {len(text)} characters")
            text = text[-PART:] if tail else text[:PART]
        if self.size + len(text) > WHOLE:
            self.left_out.append(f"{name}: the bundle is full")
            return
        self.size += len(text)
        self.parts[name] = text

    def packed(self, top: str) -> bytes:
        """Return the archive."""
        listed = {"parts": {name: len(text) for name, text in self.parts.items()}, "left_out": self.left_out}
        manifest = self.redact(json.dumps(listed, indent=2))
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name, text in {"manifest.json": manifest, **self.parts}.items():
                content = text.encode()
                member = tarfile.TarInfo(f"{top}/{name}")
                member.size, member.mode = len(content), 0o600
                archive.addfile(member, io.BytesIO(content))
        return gzip.compress(raw.getvalue(), mtime=0)


@dataclass(frozen=True)
class Collector:
    """Reads the parts on the host."""

    module: AnsibleModule
    docker_host: str
    host: Host

    def fill(self, bundle: Bundle, made: dict[str, Any]) -> None:
        """Add everything; what fails is named in the manifest.

        :param made: texts and structures that are there already, by the name of their file.
        """
        deadline = Deadline(SECONDS)
        for name, value in made.items():
            bundle.add(name, value if isinstance(value, str) else json.dumps(value, indent=2, sort_keys=True))
        parts: dict[str, Callable[[Bundle], None]] = {
            "host.txt": self._host,
            "units": self._units,
            "journal.txt": self._journal,
            "container.log": self._log,
            "container.json": self._inspect,
            "config-shape.json": self._config,
            "openclaw": self._export,
        }
        for name, part in parts.items():
            if not deadline.left():
                bundle.left_out.append(f"{name}: no time was left")
                continue
            try:
                part(bundle)
            except (HardeningError, OSError, ValueError) as error:
                bundle.left_out.append(f"{name}: {harmless(bundle.redact(str(error)))}")

    def _output(self, *argv: str, seconds: float = _COMMAND) -> str:
        answer = run(self.module, list(argv), check=False, timeout=seconds)
        return answer.stdout + answer.stderr

    def _host(self, bundle: Bundle) -> None:
        bundle.add("host.txt", "\n".join(f"# {' '.join(argv)}\n{self._tried(*argv)}" for argv in _HOST))

    def _tried(self, *argv: str) -> str:
        try:
            return self._output(*argv)
        except HardeningError as error:
            return f"{error}\n"

    def _units(self, bundle: Bundle) -> None:
        for name in self.host.subject.units:
            shown = self._output("systemctl", "show", "--no-pager", "--", name)
            bundle.add(f"units/{name}.txt", f"{self._output('systemctl', 'cat', '--no-pager', '--', name)}\n{shown}")

    def _journal(self, bundle: Bundle) -> None:
        units = [f"--unit={name}" for name in self.host.subject.units]
        argv = ["journalctl", "--no-pager", "--quiet", "--utc", "--since=-3days", "--lines=3000", *units]
        bundle.add("journal.txt", self._output(*argv), tail=True)

    def _container(self) -> client.Container:
        present = self.host.container
        if not isinstance(present, Present):
            raise HardeningError("the container", present.why, "a container")
        if present.container is None:
            raise HardeningError("the container", "none", "one")
        return present.container

    def _log(self, bundle: Bundle) -> None:
        argv = [*client.cli(self.docker_host), "logs", "--timestamps", "--tail", "3000", "--", self._container().id]
        bundle.add("container.log", self._output(*argv), tail=True)

    def _inspect(self, bundle: Bundle) -> None:
        attrs = json.loads(json.dumps(self._container().attrs))
        config = attrs.get("Config") or {}
        # A value of the environment helps nobody as much as it could harm.
        config["Env"] = [f"{entry.partition('=')[0]}={MASK}" for entry in config.get("Env") or []]
        bundle.add("container.json", json.dumps(attrs, indent=2, sort_keys=True))

    def _config(self, bundle: Bundle) -> None:
        state = look_file(self.host.subject.config)
        tree = parse(state.content.decode("utf-8", "replace")) if state and state.type == "file" else None
        shown = "not there, or not understood" if tree is None else json.dumps(shape(tree), indent=2)
        bundle.add("config-shape.json", shown)

    def _export(self, bundle: Bundle) -> None:
        container = self._container()
        if not container.running:
            raise HardeningError(
                "gateway diagnostics export", f"a container that is {container.status}", "one that runs"
            )
        program = _PROGRAM.replace("LIMIT", str((_EXPORT - 10) * 1000)).replace("MOST", str(4 << 20))
        argv = [*client.cli(self.docker_host), "exec", "--", container.id, "node", "-e", program]
        answer = run(self.module, argv, timeout=_EXPORT, waits_for="openclaw gateway diagnostics export")
        for name, text in unzipped(answer.stdout):
            bundle.add(f"openclaw/{name}", text, tail=True)


def unzipped(text: str) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of a ZIP archive in base64; the container may have written anything (pure).

    :raises ValueError: it is no such archive.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(base64.b64decode(text, validate=True)))
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        for entry in entries[:_MOST_MEMBERS]:
            if _MEMBER.fullmatch(entry.filename) and len(entry.filename) <= 120:
                with archive.open(entry) as file:
                    yield entry.filename, file.read(2 * PART).decode("utf-8", "replace")
    except (zipfile.BadZipFile, binascii.Error, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(f"no ZIP archive ({type(error).__name__})") from error


def shape(tree: Any, depth: int = 0) -> Any:  # noqa: ANN401 (JSON)
    """Return a configuration without its texts: keys, numbers and switches stay (pure)."""
    if depth > 20:
        return "…"
    if isinstance(tree, dict):
        return {harmless(str(key), 64): shape(value, depth + 1) for key, value in list(tree.items())[:500]}
    if isinstance(tree, list):
        return [shape(value, depth + 1) for value in tree[:50]]
    return tree if isinstance(tree, (bool, int, float)) or tree is None else f"text of {len(str(tree))} characters"
