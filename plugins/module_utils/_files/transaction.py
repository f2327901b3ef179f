# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several files of root as one: all of them are changed, or none is, whatever is killed in between.

Every new file is complete beside its name, and what lies there is kept under a second name, before a record of the
change is written. Only then the new files take their places. The record goes when the caller is content, or has put
everything back: while it is there, the change is *pending*, and a later run can tell, also after a reset of the host.
To keep and to put back needs no space.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
import stat
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack, suppress
from functools import partial

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files import managed
from ansible_collections.openclaw.hardening.plugins.module_utils._files.atomic import (
    abandoned,
    completed,
    sweep,
    take_place,
    temporary_name,
    write_all,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import FileState, ManagedFile
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import failures, parent

_ROOT = (0,)
# systemd and run-parts pass over names with a dot in front.
_RECORD = re.compile(r"\.[0-9a-f]{16}\.hardening-pending")
_Places = dict[str, tuple[int, str]]


# --- look ---------------------------------------------------------------------------------------------------------


def record(folder: str, names: Iterable[str]) -> str:
    """Return where a change of the set with these names is recorded."""
    identity = hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:16]
    return f"{folder}/.{identity}.hardening-pending"


def pending(folder: str, paths: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the records in ``folder`` that speak of any of ``paths``, each with all that it speaks of."""
    if managed.look_directory(folder) is None:
        return {}
    found = {}
    for name in sorted(filter(_RECORD.fullmatch, os.listdir(folder))):
        place = f"{folder}/{name}"
        try:
            listed = json.loads(managed.read_bytes(place))
        except ValueError:
            listed = None
        if not isinstance(listed, list) or not all(isinstance(path, str) for path in listed):
            raise HardeningError(place, "text that no run wrote", "a record of a change, or nothing; remove it")
        if not set(listed).isdisjoint(paths):
            found[place] = tuple(listed)
    return found


def kept(path: str) -> FileState | None:
    """Read what is kept of ``path``; ``None`` when there was nothing."""
    folder, name = posixpath.split(path)
    return managed.look(f"{folder}/{_names(name)[0]}")


def stale_files(paths: Iterable[str]) -> tuple[str, ...]:
    """Return those of ``paths`` beside which a killed run left something."""
    found = []
    for path in paths:
        with suppress(OSError, HardeningError), parent(path, _ROOT) as (folder, name):
            if any(_stat(folder, left) for left in _names(name)) or any(abandoned(folder, _beside(name))):
                found.append(path)
    return tuple(found)


# --- act ----------------------------------------------------------------------------------------------------------


def exchange(
    place: str, write: Sequence[ManagedFile], remove: Sequence[str] = (), unconfirmed: Collection[str] = ()
) -> None:
    """Write and remove all of these. Before the first takes its place, a failure undoes everything; later, the
    caller has to put back.

    :param place: the record of this change.
    :param unconfirmed: paths of changes that are pending; what is kept of those is older, and stays.
    """
    paths = [*(file.path for file in write), *remove]
    with ExitStack() as stack:
        places: _Places = {}
        ready = []
        for path in paths:
            with failures(path):
                places[path] = stack.enter_context(parent(path, _ROOT))
        for file in write:
            with failures(file.path):
                folder, name = places[file.path]
                sweep(folder, _beside(name))
                fill = partial(write_all, content=file.content)
                new = completed(folder, name, fill, mode=file.mode, uid=file.uid, gid=file.gid)
                ready.append((file.path, *stack.enter_context(new)))
        _keep({path: places[path] for path in paths if path not in unconfirmed}, place, sorted({*paths, *unconfirmed}))
        for path, temporary, handle in ready:
            with failures(path):
                take_place(places[path][0], temporary, places[path][1], handle, path)
        for path in remove:
            with failures(path):
                os.unlink(places[path][1], dir_fd=places[path][0])
        _sync(places)


def put_back(path: str) -> bool:
    """Let are at ``path`` what is kept of it, which stays kept; return whether anything changed."""
    with failures(path), parent(path, _ROOT) as (folder, name):
        before, nothing = _names(name)
        here, old = _stat(folder, name), _stat(folder, before)
        if old is not None and not (here and os.path.samestat(here, old)):
            temporary = temporary_name(name)
            os.link(before, temporary, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        elif old is None and here is not None and _stat(folder, nothing) is not None:
            os.unlink(name, dir_fd=folder)
        else:
            return False
        os.fsync(folder)
        return True


def commit(records: Iterable[str], paths: Iterable[str]) -> None:
    """Forget these changes, then what was kept for them and what lies unfinished beside them."""
    for place in records:
        managed.remove(place)
    for path in paths:
        with suppress(FileNotFoundError), parent(path, _ROOT) as (folder, name), failures(path):
            sweep(folder, _beside(name))
            _forget(folder, name)
            os.fsync(folder)


def _keep(places: _Places, place: str, touched: list[str]) -> None:
    """Keep what is at these places and write the record, all of it on the disk before this returns."""
    try:
        for path, (folder, name) in places.items():
            before, nothing = _names(name)
            with failures(path):
                _forget(folder, name)
                here = _stat(folder, name)
                if here is None:
                    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                    os.close(os.open(nothing, flags, 0o600, dir_fd=folder))
                elif stat.S_ISREG(here.st_mode):
                    os.link(name, before, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        _sync(places)
        managed.write(ManagedFile(place, json.dumps(touched).encode(), 0o600))
    except BaseException:
        for folder, name in places.values():
            with suppress(OSError):
                _forget(folder, name)
        raise


def _forget(folder: int, name: str) -> None:
    # A file system that is mounted for reading refuses to remove also what is not there.
    for left in filter(lambda left: _stat(folder, left), _names(name)):
        os.unlink(left, dir_fd=folder)


def _sync(places: _Places) -> None:
    for path, (folder, _name) in places.items():
        with failures(path):
            os.fsync(folder)


def _beside(name: str) -> str:
    return re.escape(name[:200])


def _names(name: str) -> tuple[str, str]:
    """Return the second name of a file that is kept, and that of an empty one which reports that there was none."""
    # A name may have 255 bytes.
    short = name if len(name.encode()) <= 200 else hashlib.sha256(name.encode()).hexdigest()
    return f".{short}.hardening-old", f".{short}.hardening-new"


def _stat(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
