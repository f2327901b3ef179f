# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Archives of images on the controller, by image id: each proven when it arrives, whole or not there at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import printable
from ansible_collections.openclaw.hardening.plugins.module_utils._image import archive
from ansible_collections.openclaw.hardening.plugins.module_utils._system.lock import wait_for

OPTION = "controller_cache"
_KEPT = 3  # images
_LOCK = "lock"
_PART = ".part"


class ArchiveCache:
    """One directory of the user who runs Ansible."""

    def __init__(self, directory: str, max_size: int) -> None:
        """Make the directory when it is missing; one in which another user can write is refused."""
        self.max_size = max_size
        path = _absolute(directory)
        try:
            os.makedirs(path, mode=0o700, exist_ok=True)
            self.directory = os.path.realpath(path)
            found = os.stat(self.directory)
        except OSError as error:
            raise HardeningError(
                OPTION, f"{path} ({error.strerror})", "a directory that can be made", OPTION
            ) from error
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            needed = "a directory of the user who runs Ansible that nobody else can write to"
            raise HardeningError(
                OPTION, f"{path} of uid {found.st_uid}, mode {found.st_mode & 0o7777:04o}", needed, OPTION
            )

    @contextmanager
    def alone(self, timeout: float) -> Iterator[None]:
        """Hold the cache while the block runs; what killed runs left is removed. The kernel ends a dead one's hold."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(os.path.join(self.directory, _LOCK), flags, 0o600)
        try:
            if not wait_for(handle, timeout):
                found = f"another run at work after {timeout:g} seconds of waiting"
                raise HardeningError(self.directory, found, "to be the only run that fills it", "timeout")
            for name in os.listdir(self.directory):
                if name.endswith(_PART):
                    os.unlink(os.path.join(self.directory, name))
            yield
        finally:
            os.close(handle)

    def find(self, identity: str) -> str:
        """Return the whole archive of an image, or nothing; it counts as used."""
        path = self._path(identity)
        if not os.path.isfile(path):
            return ""
        with suppress(FileNotFoundError):
            os.utime(path)
        return path

    def find_proven(self, identity: str) -> str:
        """Return the whole archive of an image after reading all of it; one that is broken goes."""
        path = self.find(identity)
        if path and not archive.is_whole(path, identity, self.max_size):
            self.drop(identity)
            return ""
        return path

    def layers(self, identity: str) -> tuple[str, ...]:
        """Return the layers of an image whose archive is here, lowest first; an archive of another image goes."""
        path = self.find(identity)
        if not path:
            return ()
        try:
            with archive.opened(path, OPTION) as file:
                return archive.read(file, identity).layers
        except HardeningError:
            self.drop(identity)
            return ()

    def part(self, identity: str) -> str:
        """Name the file in which an archive arrives; the caller holds the cache."""
        return self._path(identity) + _PART

    def accept(self, identity: str) -> str:
        """Prove the archive that arrived, and keep it; the caller holds the cache."""
        part = self.part(identity)
        try:
            with archive.opened(part, OPTION) as file:
                archive.prove(file, archive.read(file, identity), self.max_size)
                os.fchmod(file.fileno(), 0o600)
                os.fsync(file.fileno())
            os.replace(part, self._path(identity))
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(part)
            raise
        self.prune()
        return self.find(identity)

    def above(self, identity: str, known: int) -> str:
        """Return the archive without the lowest layers that a host knows; the caller holds the cache."""
        whole, target = self.find(identity), self._path(identity, known)
        if not known or os.path.isfile(target):
            return target if known else whole
        part = target + _PART
        with archive.opened(whole, OPTION) as file, open(part, "xb") as out:
            archive.cut(file, archive.read(file, identity), known, out)
        os.chmod(part, 0o600)
        os.replace(part, target)
        return target

    def drop(self, identity: str) -> None:
        """Remove all archives of an image."""
        for name in os.listdir(self.directory):
            if _of_image(name) == _of_image(archive.file_name(identity)):
                with suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.directory, name))

    def _path(self, identity: str, known: int = 0) -> str:
        return os.path.join(self.directory, archive.file_name(identity, known))

    def prune(self) -> None:
        """Keep the images that were used last; the caller holds the cache."""
        used: dict[str, float] = {}
        for name in os.listdir(self.directory):
            image = _of_image(name)
            if image:
                used[image] = max(used.get(image, 0), os.stat(os.path.join(self.directory, name)).st_mtime)
        for image in sorted(used, key=lambda key: used[key], reverse=True)[_KEPT:]:
            self.drop(f"sha256:{image}")


def there(directory: str, identity: str) -> str:
    """Return the archive of an image, if there is one, and touch nothing: for predictions."""
    path = os.path.join(_absolute(directory), archive.file_name(identity))
    return path if os.path.isfile(path) else ""


def _absolute(directory: str) -> str:
    return os.path.abspath(os.path.expanduser(printable(OPTION, directory)))


def _of_image(name: str) -> str:
    return name[:64] if re.fullmatch(archive.FILE_NAMES, name) else ""
