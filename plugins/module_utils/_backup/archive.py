# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One tar stream, compressed and encrypted by programs of the distribution; read back without trusting any of it.

``tar`` reads what is written here. What is read here is only what is written here: regular files, with the header of
:func:`_image.archive.header`, and a name in a pax record where a header has no room for it.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._backup.encrypt import surroundings
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.manifest import refused
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import shown, spoken
from ansible_collections.openclaw.hardening.plugins.module_utils._image.archive import END as _END
from ansible_collections.openclaw.hardening.plugins.module_utils._image.archive import header, padding
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import end
from ansible_collections.openclaw.hardening.plugins.module_utils._system.program import find_program

PIECE = 1 << 20
# What stands behind the last file.
END = _END
_BLOCK = 512
_LARGEST_NAME_RECORD = 256 << 10
_SHORT = re.compile(rb"[ -~]{1,99}")
_LARGEST_SIZE = 8 << 30  # of a header's size field
_SUFFIX = re.compile(r".*\.tar\.(zst|gz)(?:\.(age|gpg))?")
_RECORDS = re.compile(rb"(?:21 hdrcharset=BINARY\n)?[0-9]{1,6} path=(.+)\n[0-9]{1,3} size=([0-9]{1,19})\n", re.DOTALL)
_REPORT = 4096


# --- names --------------------------------------------------------------------------------------------------------


def suffix(kind: str) -> str:
    """Return the end of an archive's name: how it is compressed here, and by what it is encrypted."""
    return f".tar.{'zst' if find_program('zstd') else 'gz'}{f'.{kind}' if kind else ''}"


def how(path: str) -> tuple[str, str]:
    """Return how an archive is compressed and encrypted, from its name."""
    match = _SUFFIX.fullmatch(os.path.basename(path))
    if match is None:
        raise refused(f"the name {shown(os.path.basename(path))}, which no backup has")
    return match[1], match[2] or ""


def compressor(path: str, *, back: bool = False) -> list[str]:
    """Return the command that packs or unpacks a stream; gzip is part of every distribution."""
    if how(path)[0] == "gz":
        return ["gzip", "--decompress", "--stdout"] if back else ["gzip", "-4", "--stdout"]
    if find_program("zstd") is None:
        raise HardeningError("zstd", "no such program", "the package zstd, with which the archive was packed")
    return ["zstd", "--quiet", "--decompress", "--stdout"] if back else ["zstd", "--quiet", "-3", "-T0", "--stdout"]


# --- programs -----------------------------------------------------------------------------------------------------


@dataclass
class Chain:
    """Programs, each of which reads what the one before writes; killed when they take longer than they may."""

    commands: Sequence[Sequence[str]]
    seconds: float
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _reports: list[IO[bytes]] = field(default_factory=list)
    _late: bool = False

    @contextmanager
    def run(self, first: Any, last: Any) -> Iterator[None]:  # noqa: ANN401 (what Popen takes)
        """Start them between two ends while the block runs."""
        timer = threading.Timer(self.seconds, self._end)
        source = first
        try:
            for number, argv in enumerate(self.commands):
                self._reports.append(tempfile.TemporaryFile())  # noqa: SIM115 (closed below)
                target = last if number == len(self.commands) - 1 else subprocess.PIPE
                process = subprocess.Popen(list(argv), stdin=source, stdout=target, stderr=self._reports[-1],
                                           env=surroundings(), start_new_session=True)  # fmt: skip
                if number and source is not None:
                    source.close()  # the program alone has it: it learns when the next one ends
                self.processes.append(process)
                source = process.stdout
            timer.start()
            yield
        finally:
            timer.cancel()
            self._end()
            for report in self._reports:
                report.close()

    def check(self) -> None:
        """Wait for all of them; refuse what one of them reported."""
        for process, argv, report in zip(self.processes, self.commands, self._reports):
            try:
                code = process.wait(self.seconds)
            except subprocess.TimeoutExpired:
                code = None
            if self._late or code is None:
                needed = f"an end within {self.seconds:g} seconds"
                raise HardeningError(argv[0], "no end in time; it was ended", needed, "timeout")
            if code:
                report.seek(0)
                output = spoken(report.read(_REPORT).decode("utf-8", "replace"), 300)
                raise HardeningError(argv[0], f"exit code {code} ({output or 'no output'})", "exit code 0")

    def _end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                self._late = True
                end(process, 1.0)


@dataclass
class Sink:
    """What comes out of the last program: written and hashed by us, so that a full disk is our own error."""

    handle: int
    size: int = 0
    total: Any = field(default_factory=hashlib.sha256)
    error: OSError | None = None

    def drain(self, source: IO[bytes]) -> None:
        """Take all of it; on a failure let the programs know by closing their pipe."""
        try:
            while piece := source.read1(PIECE):  # type: ignore[attr-defined]
                self.total.update(piece)
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(self.handle, rest) :]
                self.size += len(piece)
        except OSError as error:
            self.error = error
        finally:
            source.close()


def pack(
    handle: int, path: str, sealed: Sequence[str], seconds: float, fill: Callable[[IO[bytes]], None]
) -> tuple[int, str]:
    """Write an archive to a descriptor; return its size and hash.

    :param fill: writes the plain stream.
    """
    chain = Chain([argv for argv in (compressor(path), sealed) if argv], seconds)
    sink = Sink(handle)
    with chain.run(subprocess.PIPE, subprocess.PIPE):
        into, out = chain.processes[0].stdin, chain.processes[-1].stdout
        if into is None or out is None:
            raise HardeningError(path, "no pipe", "a pipe")
        drain = threading.Thread(target=sink.drain, args=(out,), daemon=True)
        drain.start()
        try:
            with suppress(BrokenPipeError), into:
                fill(into)
        except BaseException:
            for process in chain.processes:
                process.kill()
            raise
        drain.join(seconds)
        if sink.error is not None:
            raise sink.error
        chain.check()
    return sink.size, sink.total.hexdigest()


@contextmanager
def unpack(file: IO[bytes], path: str, opened: Sequence[str], seconds: float) -> Iterator[IO[bytes]]:
    """Yield the plain stream of an archive."""
    chain = Chain([argv for argv in (opened, compressor(path, back=True)) if argv], seconds)
    with chain.run(file, subprocess.PIPE):
        out = chain.processes[-1].stdout
        if out is None:
            raise HardeningError(path, "no pipe", "a pipe")
        with out:
            try:
                yield out
                if out.read(1):
                    raise refused("something behind its end")
            except HardeningError:
                # The program that failed first knows why: a key that does not fit, a stream that is cut off.
                if not out.closed:
                    out.close()
                for process in chain.processes:
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(1)
                if any((process.poll() or 0) > 0 for process in chain.processes):
                    _refuse_in_words(chain)
                raise
            _refuse_in_words(chain)


def _refuse_in_words(chain: Chain) -> None:
    """Refuse the archive in the words of the program that could not read it."""
    try:
        chain.check()
    except HardeningError as error:
        raise refused(f"one that {error.what} cannot read: {error.found}") from error


# --- the stream ---------------------------------------------------------------------------------------------------


def member(name: str, size: int) -> bytes:
    """Return what stands before a file of this name."""
    raw = os.fsencode(name)
    if _SHORT.fullmatch(raw) and size < _LARGEST_SIZE:
        return header(name, size)
    records = _records(raw, size)
    short = size if size < _LARGEST_SIZE else 0
    return header("name", len(records), b"x") + records + padding(len(records)) + header("named-above", short)


def finish(size: int) -> bytes:
    """Return what stands behind a file."""
    return padding(size)


def members(stream: IO[bytes]) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    """Yield name, size and content of each file; a content has to be read to its end before the next one."""
    while True:
        block = _exactly(stream, _BLOCK)
        if block == bytes(_BLOCK):
            if _exactly(stream, len(END) - _BLOCK).strip(b"\0"):
                raise refused("something behind its end")
            return
        size = _number(block)
        name = block[:100].rstrip(b"\0")
        if block == header("name", size, b"x") and size <= _LARGEST_NAME_RECORD:
            name, size = _named(_exactly(stream, size + len(padding(size)))[:size])
            block = _exactly(stream, _BLOCK)
            if block != header("named-above", size if size < _LARGEST_SIZE else 0):
                raise refused("something else than a file where it names one")
        elif not _SHORT.fullmatch(name) or block != header(name.decode("ascii"), size):
            raise refused("something that is no file: a link, a device, or what no backup has")
        yield os.fsdecode(name), size, _content(stream, size)
        _exactly(stream, len(padding(size)))


def _records(raw: bytes, size: int) -> bytes:
    try:
        raw.decode()
        records = b""
    except UnicodeDecodeError:
        records = _record(b"hdrcharset", b"BINARY")
    return records + _record(b"path", raw) + _record(b"size", b"%d" % size)


def _record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest


def _named(records: bytes) -> tuple[bytes, int]:
    """Read the name and the size of a file; exactly what :func:`member` writes."""
    match = _RECORDS.fullmatch(records)
    if match is None or records != _records(match[1], int(match[2])) or b"\0" in match[1]:
        raise refused("a name that cannot be read")
    return match[1], int(match[2])


def _number(block: bytes) -> int:
    try:
        return int(block[124:135], 8)
    except ValueError:
        raise refused("something that is no header of an archive") from None


def _content(stream: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        piece = _exactly(stream, min(PIECE, size))
        size -= len(piece)
        yield piece


def _exactly(stream: IO[bytes], count: int) -> bytes:
    found = stream.read(count)
    if len(found) != count:
        raise refused("less than it promises: it is cut off")
    return found
