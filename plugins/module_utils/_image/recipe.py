# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an image is made of, by content; and, purely, what has to be done to have it under its name."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core import validate as core_validate
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._files.regular import pieces, regular
from ansible_collections.openclaw.hardening.plugins.module_utils._image import tags

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENT_LABEL = "io.openclaw.hardening.content"
BASE_LABEL = "io.openclaw.hardening.base"
SOURCE = "source"

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_ARGUMENT = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_SECRET_ID = re.compile(r"[a-z][a-z0-9_]{0,31}")
_SECRETIVE = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|PRIVATE", re.IGNORECASE)
# What a source tree holds that its build makes itself, or that must not leave the tree.
_IGNORED = frozenset({".git", "node_modules", ".env", ".pnpm-store"})
_IGNORED_AT_TOP = frozenset({"dist"})


@dataclass(frozen=True)
class Base:
    """Where the first stage comes from."""

    source: str
    ref: str = ""
    packages: tuple[str, ...] = ()
    max_age_days: int = 30
    refresh: bool = False


@dataclass(frozen=True)
class Recipe:
    """Everything an image is made from."""

    name: str
    dockerfile: str
    context: dict[str, str]
    base: Base
    build_args: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    checkout: str = ""

    @property
    def previous(self) -> str:
        """The name under which the image before this one stays for a rollback."""
        return tags.previous(self.name)


@dataclass(frozen=True)
class Existing:
    """What the daemon has: the image of the name, the one before, and one of the wanted content under any name.

    ``recorded`` is the id of the image that was verified last, ``has_stale_files`` whether a killed run left something.
    """

    tagged: client.Image | None = None
    previous: client.Image | None = None
    same_content: client.Image | None = None
    recorded: str = ""
    has_stale_files: bool = False


@dataclass(frozen=True)
class Plan:
    """What to do, and what a diff shows."""

    actions: tuple[str, ...]
    before: dict[str, str]
    after: dict[str, str]


def validate(recipe: Recipe) -> Recipe:
    """Return the recipe when every part of it may be used, before anything is changed.

    :raises HardeningError: the part that may not, and what it needs.
    """
    client.reference("name", recipe.name)
    if not re.search(r"^FROM\s", recipe.dockerfile, re.MULTILINE):
        raise HardeningError("dockerfile", "no FROM line", "the text of a Dockerfile", "dockerfile")
    if re.match(r"(\s*#.*\n)*?\s*#\s*syntax\s*=", recipe.dockerfile):
        raise HardeningError(
            "dockerfile", "a '# syntax=' line", "none: it pulls a frontend from a registry", "dockerfile"
        )
    core_validate.encoded("dockerfile", recipe.dockerfile)
    for name, text in recipe.context.items():
        if not _FILE.fullmatch(name) or name in ("Dockerfile", SOURCE):
            raise HardeningError("context", core_validate.shown(name), "a plain file name", "context")
        core_validate.encoded("context", text)
    for name, value in recipe.build_args.items():
        if not _ARGUMENT.fullmatch(name) or name == "BASE_IMAGE":
            raise HardeningError(
                "build_args", core_validate.shown(name), "a name of A-Z, 0-9 and _ (not BASE_IMAGE)", "build_args"
            )
        if _SECRETIVE.search(name):
            raise HardeningError("build_args", name, "no secret: arguments stay in the image's history", "secrets")
        core_validate.printable(f"build_args.{name}", value)
    for name, path in recipe.secrets.items():
        if not _SECRET_ID.fullmatch(name):
            raise HardeningError("secrets", core_validate.shown(name), "an id of a-z, 0-9 and _", "secrets")
        _readable_secret(f"secrets.{name}", path)
    if recipe.checkout:
        _source_tree("checkout_path", recipe.checkout)
    return recipe


def content_hash(recipe: Recipe, platform: str) -> str:
    """Hash everything that decides what the image contains; equal hashes need no second build.

    :param platform: distribution and architecture of a base made on this host.
    """
    base = recipe.base
    identity = [base.source, base.ref or platform, *sorted(base.packages)]
    parts: dict[str, Any] = {
        "format": 1,
        "dockerfile": recipe.dockerfile,
        "context": recipe.context,
        "build_args": recipe.build_args,
        "base": identity,
        "checkout": tree_hash(recipe.checkout) if recipe.checkout else "",
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def choose(images: list[client.Image], tagged: client.Image | None) -> client.Image | None:
    """Pick the image of the wanted content: the one in use, else the newest that once passed verification."""
    # Only a verified image ever got a name other than the candidate's.
    verified = [image for image in images if any(not tag.startswith(f"{tags.CANDIDATE}:") for tag in image.tags)]
    for image in verified:
        if tagged and image.id == tagged.id:
            return image
    return verified[0] if verified else None


def decide(recipe: Recipe, wanted: str, existing: Existing) -> Plan:
    """Return what has to be done so that ``recipe.name`` is an image of the content ``wanted``."""
    tagged, same = existing.tagged, existing.same_content
    before = {
        "image": recipe.name if tagged else "(absent)",
        "content_hash": tagged.labels.get(CONTENT_LABEL, "(unknown)") if tagged else "(none)",
        "image_id": tagged.id if tagged else "(none)",
        "base": tagged.labels.get(BASE_LABEL, "(unknown)") if tagged else "(none)",
    }
    clean = ("clean",) if existing.has_stale_files else ()
    if recipe.base.refresh or same is None:
        built = {"image_id": "(built)", "base": recipe.base.ref or "(made on this host)"}
        return Plan((*clean, "build", "verify", "tag"), before, {"image": recipe.name, "content_hash": wanted, **built})
    after = {
        "image": recipe.name,
        "content_hash": wanted,
        "image_id": same.id,
        "base": same.labels.get(BASE_LABEL, "(unknown)"),
    }
    verify = () if existing.recorded == same.id else ("verify",)
    tag = () if tagged and tagged.id == same.id else ("tag",)
    return Plan((*clean, *verify, *tag), before, after)


def stage(recipe: Recipe, folder: str) -> None:
    """Write the build context; the daemon sees this folder and nothing else of the host.

    Modes go into the image: they are the same under every umask, and only the executable bit is the source's.
    """
    for name, text in {**recipe.context, "Dockerfile": recipe.dockerfile}.items():
        with open(os.path.join(folder, name), "x", encoding="utf-8") as handle:
            handle.write(text if text.endswith("\n") else f"{text}\n")
            os.fchmod(handle.fileno(), 0o644)
    if not recipe.checkout:
        return
    before = tree_hash(recipe.checkout)
    target = os.path.join(folder, SOURCE)
    _folder(target)
    for relative, found in _tree(recipe.checkout):
        source, copy = os.path.join(recipe.checkout, relative), os.path.join(target, relative)
        if stat.S_ISDIR(found.st_mode):
            _folder(copy)
        else:
            _copy(source, copy, found)
            if stat.S_ISREG(found.st_mode):
                os.chmod(copy, 0o755 if found.st_mode & 0o100 else 0o644)  # noqa: S103
    if tree_hash(target) != before:
        raise HardeningError(
            "checkout_path", "a tree that changed while it was read", "a tree at rest", "checkout_path"
        )


def _folder(path: str) -> None:
    os.mkdir(path)
    os.chmod(path, 0o755)  # noqa: S103


def _copy(source: str, copy: str, found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(source), copy)
        return
    with regular(source, follow=False) as file, open(copy, "xb") as out:
        for piece in pieces(file):
            out.write(piece)
    shutil.copystat(source, copy, follow_symlinks=False)


def tree_hash(top: str) -> str:
    """Hash names, kinds, executable bits, link targets and contents of a source tree."""
    total = hashlib.sha256()
    for relative, found in _tree(top):
        path = os.path.join(top, relative)
        if stat.S_ISLNK(found.st_mode):
            kind, content = "link", os.readlink(path).encode(errors="surrogateescape")
        elif stat.S_ISDIR(found.st_mode):
            kind, content = "directory", b""
        else:
            kind, content = "program" if found.st_mode & 0o100 else "file", _file_hash(path)
        total.update(f"{kind}\0{relative}\0".encode(errors="surrogateescape") + content + b"\0")
    return total.hexdigest()


def _file_hash(path: str) -> bytes:
    """Hash one regular file, in pieces."""
    total = hashlib.sha256()
    with regular(path, follow=False) as file:
        for piece in pieces(file):
            total.update(piece)
    return total.digest()


def _tree(top: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield what a build needs of a source tree, directories first, in one order everywhere."""
    for folder, directories, files in os.walk(top):
        relative = os.path.relpath(folder, top)
        at_top = relative == "."
        ignored = _IGNORED | _IGNORED_AT_TOP if at_top else _IGNORED
        directories[:] = sorted(name for name in directories if name not in ignored)
        for name in sorted([*directories, *(name for name in files if name not in ignored)]):
            path = name if at_top else os.path.join(relative, name)
            found = os.lstat(os.path.join(top, path))
            if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode) or stat.S_ISLNK(found.st_mode)):
                raise HardeningError(
                    "checkout_path", f"the special file {path}", "files, directories and links", "checkout_path"
                )
            yield path, found


def _readable_secret(option: str, path: str) -> None:
    """Refuse a path that cannot be handed to the builder as a secret."""
    core_validate.absolute_path(option, path)
    if "," in path:
        raise HardeningError(option, core_validate.shown(path), "a path without a comma", option)
    try:
        found = os.stat(path)
    except OSError as error:
        raise HardeningError(
            option, f"{path} ({error.strerror})", "a readable file on the build host", option
        ) from error
    if not stat.S_ISREG(found.st_mode) or not 0 < found.st_size <= 500 * 1024:
        raise HardeningError(option, f"{path} ({found.st_size} bytes)", "a file of 1 byte to 500 KiB", option)


def _source_tree(option: str, path: str) -> None:
    """Refuse a directory that does not follow OpenClaw's build contract."""
    core_validate.absolute_path(option, path)
    missing = [name for name in ("package.json", "pnpm-lock.yaml") if not os.path.isfile(os.path.join(path, name))]
    if missing:
        raise HardeningError(option, f"{path} without {' and '.join(missing)}", "an OpenClaw source tree", option)
    try:
        with regular(os.path.join(path, "package.json")) as file:
            scripts = json.loads(b"".join(pieces(file))).get("scripts") or {}
    except (ValueError, AttributeError) as error:
        raise HardeningError(option, f"{path}/package.json that is no JSON object", "OpenClaw's", option) from error
    for script in ("build", "ui:build"):
        if script not in scripts:
            raise HardeningError(
                option, f"{path}/package.json without the script {script!r}", "OpenClaw's scripts", option
            )
