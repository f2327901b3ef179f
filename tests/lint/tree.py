"""The files that the linters look at: all that git tracks or would track."""

from __future__ import annotations

import functools
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SHELL_SHEBANG = re.compile(r"#!\s*/(usr/)?bin/(env )?(ba|da)?sh\b")


@functools.cache
def _listed() -> tuple[Path, ...]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=TOP, check=True, stdout=subprocess.PIPE, text=True).stdout
    names = sorted({name for name in listed.split("\0") if name})
    return tuple(Path(name) for name in names if (TOP / name).is_file())


def files(pattern: str) -> list[Path]:
    """Paths, from the top of the checkout, that match a pattern; its star also matches slashes."""
    return [path for path in _listed() if fnmatch(str(path), pattern)]


@functools.cache
def text(path: Path) -> str:
    """Return a file's text, empty when it is not text."""
    content = (TOP / path).read_bytes()
    return "" if b"\0" in content else content.decode(errors="replace")


def is_shell(path: Path) -> bool:
    """Whether this is a shell script, or the template of one."""
    return path.suffix == ".sh" or bool(SHELL_SHEBANG.match(text(path)))
