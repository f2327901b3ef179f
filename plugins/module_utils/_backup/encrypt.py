# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Encryption of a backup for a public key, by age or GnuPG: the key that opens it is never kept on the host."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import remove_tree
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import open_directory
from ansible_collections.openclaw.hardening.plugins.module_utils._system import command, lock, proc
from ansible_collections.openclaw.hardening.plugins.module_utils._system.program import environment, find_program

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

AGE, GPG = "age", "gpg"
_AGE_RECIPIENT = re.compile(r"age1[0-9a-z]{58}")
_GPG_RECIPIENT = re.compile(r"-----BEGIN PGP PUBLIC KEY BLOCK-----[\x20-\x7e\r\n]+-----END PGP PUBLIC KEY BLOCK-----")
_NEEDED = "a public key: age1… of age, or what gpg --armor --export prints"
_LARGEST_KEY = 64 << 10
_GPG = ["gpg", "--batch", "--no-tty", "--no-options", "--quiet"]


@dataclass(frozen=True)
class Recipient:
    """Who can open a backup. :param kind: the program, and the end of the archive's name; empty is nobody but root."""

    kind: str = ""
    key: str = ""


def recipient(option: str, text: str) -> Recipient:
    """Read a public key; what looks like a secret one is refused without showing it."""
    key = text.strip()
    if not key:
        return Recipient()
    if "PRIVATE KEY" in key or key.upper().startswith("AGE-SECRET-KEY-"):
        raise HardeningError(option, "a secret key (not shown)", f"{_NEEDED}; keep the secret one elsewhere", option)
    if _AGE_RECIPIENT.fullmatch(key):
        return Recipient(AGE, key)
    if len(key) <= _LARGEST_KEY and _GPG_RECIPIENT.fullmatch(key):
        return Recipient(GPG, key)
    raise HardeningError(option, f"{len(key)} characters that are no such key", _NEEDED, option)


def need(kind: str) -> None:
    """Refuse when the program is not there."""
    if kind and find_program(kind) is None:
        raise HardeningError(kind, "no such program", f"the package {'gnupg' if kind == GPG else kind}")


@contextmanager
def sealing(to: Recipient, project: str) -> Iterator[list[str]]:
    """Yield the command that encrypts its input; nothing without a recipient."""
    need(to.kind)
    if not to.kind:
        yield []
    elif to.kind == AGE:
        yield ["age", "--encrypt", "--recipient", to.key]
    else:
        with _folder(project) as folder:
            _put(f"{folder}/recipient.asc", to.key)
            yield [*_GPG, "--homedir", folder, "--no-autostart", "--trust-model", "always", "--compress-algo", "none",
                   "--recipient-file", f"{folder}/recipient.asc", "--encrypt", "--output", "-"]  # fmt: skip


@contextmanager
def opening(module: AnsibleModule, kind: str, key: str, project: str) -> Iterator[list[str]]:
    """Yield the command that decrypts its input; the key is in memory for that long, in no command line."""
    need(kind)
    if not kind:
        yield []
        return
    if not key.strip():
        found = "an encrypted archive and no key"
        raise HardeningError("key", found, f"the secret key of {kind} that belongs to its recipient", "key")
    with _folder(project) as folder:
        _put(f"{folder}/key", f"{key.strip()}\n")
        if kind == AGE:
            yield ["age", "--decrypt", "--identity", f"{folder}/key"]
            return
        gpg = [*_GPG, "--homedir", folder]
        try:
            with _without_the_word(kind):
                command.run(module, [*gpg, "--import", "--", f"{folder}/key"])
            yield [*gpg, "--decrypt", "--output", "-"]
        finally:
            command.run(module, ["gpgconf", "--homedir", folder, "--kill", "all"], check=False)


@contextmanager
def _without_the_word(kind: str) -> Iterator[None]:
    """Say that a key cannot be used, without what the program reports about it."""
    try:
        yield
    except HardeningError as error:
        needed = f"a secret key that {kind} can read, without a passphrase"
        raise HardeningError("key", "something else (not shown)", needed, "key") from error


@contextmanager
def _folder(project: str) -> Iterator[str]:
    """Yield a folder of root in memory (tmpfs(5)), which is gone afterwards; those of killed runs go first."""
    above, name = os.path.dirname(lock.host_wide("units")), f"key-{project}-{os.getpid()}"
    with open_directory(above) as handle:
        for entry in os.listdir(handle):
            owner = re.fullmatch(rf"key-{re.escape(project)}-([0-9]{{1,10}})", entry)
            if owner and (entry == name or proc.started(int(owner[1])) is None):
                remove_tree(handle, entry)
        os.mkdir(name, 0o700, dir_fd=handle)
        try:
            yield f"{above}/{name}"
        finally:
            remove_tree(handle, name)


def _put(path: str, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(handle, "w") as file:
        file.write(text)


def surroundings() -> dict[str, str]:
    """Return the environment of both programs: no setting of the caller's."""
    return {**environment(), "LC_ALL": "C.UTF-8"}
