# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program of the maintenance units: this collection's own code as one file that Python runs, without Ansible."""

from __future__ import annotations

DOCUMENTATION = r"""
name: maintenance_program
short_description: The program that audits and backs up a host without Ansible
version_added: 0.1.0
author: OpenClaw Hardening maintainers (@openclaw)
description:
  - Returns the code that the role C(openclaw_maintenance) installs on a host, as the base64 of the gzip of a zip
    archive that Python runs (U(https://docs.python.org/3/library/zipapp.html)).
  - It has those files of C(plugins/module_utils) that the jobs import, and no others, so that the host checks by the
    same rules and makes the same backups as the modules.
  - The archive is the same, byte for byte, for the same collection on every controller.
options: {}
"""

EXAMPLES = r"""
- name: Install the program
  openclaw.hardening.systemd_unit:
    files:
      - path: /usr/local/lib/openclaw-hardening/maintenance.pyz
        content: "{{ lookup('openclaw.hardening.maintenance_program') }}"
        encoding: gzip
    units: "{{ units }}"
"""

RETURN = r"""
_raw:
  description: The archive, gzip and base64.
  type: list
  elements: str
"""

import base64
import gzip
import io
import re
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from ansible.plugins.lookup import LookupBase

_COLLECTION = Path(__file__).resolve().parents[2]
_IMPORT = re.compile(
    r"^\s*from ansible_collections\.openclaw\.hardening\.plugins\.([\w.]+) import (\([^)]*\)|[^\n(]+)$", re.MULTILINE
)
_FIRST = "module_utils._maintenance.program"
# What starts it, and what its notifier is made of.
_FILES = {
    "__main__.py": "roles/openclaw_maintenance/files/main.py",
    "maintenance_notifier.py": "roles/openclaw_maintenance/files/maintenance_notifier.py",
    "auth_notifier.py": "roles/openclaw_auth_monitor/files/auth_notifier.py",
}
# The earliest that a zip archive can express.
_DATE = (1980, 1, 1, 0, 0, 0)


class LookupModule(LookupBase):  # type: ignore[misc]
    """Packs the program."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return the archive as one string."""
        return [packed()]


@lru_cache(maxsize=1)
def packed() -> str:
    """Return the gzip of the archive in base64."""
    return base64.b64encode(gzip.compress(archive(), mtime=0)).decode()


def archive() -> bytes:
    """Return the zip archive. It is stored, because every controller has to make the same bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as file:
        for name, source in sorted({**_FILES, **dict(_modules())}.items()):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            file.writestr(entry, (_COLLECTION / source).read_bytes() if source else b"")
    return content.getvalue()


def _modules() -> Iterator[tuple[str, str]]:
    """Yield what the program imports of this collection, with the packages above it, by its name in the archive."""
    found: set[str] = set()
    waiting = {_FIRST}
    while waiting:
        module = waiting.pop()
        found.add(module)
        waiting |= set(_imported(module)) - found
    folders = {"ansible_collections", "ansible_collections/openclaw"}
    for module in found:
        path = f"plugins/{module.replace('.', '/')}.py"
        yield f"ansible_collections/openclaw/hardening/{path}", path
        folders |= {f"ansible_collections/openclaw/hardening/{parent}".removesuffix("/.")
                    for parent in Path(path).parents}  # fmt: skip
    for folder in folders:
        yield f"{folder}/__init__.py", ""


def _imported(module: str) -> Iterator[str]:
    # Read as text: a syntax tree takes ten times as long, and each host of a play waits for it.
    for where, taken in _IMPORT.findall(_source(module).read_text(encoding="utf-8")):
        for name in filter(None, map(str.strip, taken.strip("()").split(","))):
            inner = f"{where}.{name.split()[0]}"
            yield inner if _source(inner).is_file() else where


def _source(module: str) -> Path:
    return _COLLECTION / f"plugins/{module.replace('.', '/')}.py"
