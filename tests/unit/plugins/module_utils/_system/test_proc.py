"""What is read of /proc: listeners of a table, sockets and names of real processes, and of one that ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._system import capabilities, proc
from ansible_collections.openclaw.hardening.plugins.module_utils._system.proc import Listener

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LINE = "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {uid} 0 {inode} 1 0 100 0 0 10 0\n"
GONE = 2**22 + 1


@pytest.mark.parametrize(
    ("digits", "address"),
    [
        ("0100007F", "127.0.0.1"),
        ("00000000", "0.0.0.0"),
        ("020013AC", "172.19.0.2"),
        ("00000000000000000000000000000000", "::"),
        ("00000000000000000000000001000000", "::1"),
        ("0000000000000000FFFF00000100007F", "127.0.0.1"),
        ("B80D0120000000000000000007000000", "2001:db8::7"),
    ],
)
def test_addresses_of_the_kernel_on_a_little_endian_processor(digits, address):
    if os.sys.byteorder == "little":
        assert proc.kernel_address(digits) == address


def test_only_sockets_that_listen(tmp_path):
    (tmp_path / "tcp").write_text(
        HEAD
        + LINE.format(local="0100007F:4965", state="0A", uid=0, inode=7)
        + LINE.format(local="020013AC:0016", state="01", uid=0, inode=8)
        + "broken\n"
    )
    assert proc.read_listeners(str(tmp_path)) == (Listener("127.0.0.1", 18789, 0, 7),)
    (tmp_path / "tcp6").write_text(HEAD + LINE.format(local="0" * 32 + ":0050", state="0A", uid=33, inode=9))
    assert proc.read_listeners(str(tmp_path))[1] == Listener("::", 80, 33, 9)


def test_a_process_that_is_gone_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        proc.read_listeners(str(tmp_path / "none"))


def test_the_holder_of_a_socket_is_found_by_its_inode(tmp_path):
    path = str(tmp_path / "d.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        inodes = proc.unix_socket_inodes(os.path.realpath(path))
        assert inodes
        assert inodes <= proc.socket_inodes(os.getpid())
    assert proc.unix_socket_inodes("/none/such.sock") == set()


def test_a_process_is_known_by_its_program_owner_group_and_words():
    argv = [sys.executable, "-c", "input()", "one word", "", "-x"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, env={"A": "b=c"}) as child:
        deadline = time.monotonic() + 20
        while not proc.strings(child.pid, "cmdline")[1:] and time.monotonic() < deadline:
            time.sleep(0.01)
        assert child.pid in proc.pids()
        assert proc.program(child.pid).startswith("python")
        assert proc.owner(child.pid) == os.getuid()
        assert proc.control_group(child.pid) == proc.control_group(os.getpid())
        assert proc.strings(child.pid, "cmdline")[1:] == ["-c", "input()", "one word", "-x"]
        assert proc.strings(child.pid, "environ")[0] == "A=b=c"
        own, younger = proc.started(os.getpid()), proc.started(child.pid)
        assert own is not None
        assert younger is not None
        assert own <= younger <= proc.uptime() * os.sysconf("SC_CLK_TCK")
        child.communicate(b"\n")


def test_a_process_that_ended_is_an_error_or_nothing():
    for read in (proc.program, proc.owner, proc.control_group, proc.socket_inodes, proc.descriptors):
        with pytest.raises(OSError):
            read(GONE)
    assert proc.started(GONE) is None


def test_the_start_is_behind_a_name_that_may_hold_anything():
    fields = " ".join(str(number) for number in range(3, 53))
    for name in ("a", "a) b (c", ") 1 2 3"):
        assert proc.start_field(f"7 ({name}) {fields}".encode()) == b"22"


def test_memory_is_in_bytes():
    assert 0 < proc.memory("MemAvailable") <= proc.memory("MemTotal")
    assert proc.memory("MemNone") == 0


def test_capabilities_have_their_numbers():
    """The ends and a middle of the list in capabilities(7): one name too few would shift all behind it."""
    assert capabilities.names_of(0) == []
    assert capabilities.names_of(1 | 1 << 21 | 1 << 40) == ["CHOWN", "SYS_ADMIN", "CHECKPOINT_RESTORE"]
    assert capabilities.names_of(1 << 41) == ["capability 41"]
    assert capabilities.SYSTEMD_NAMES[12] == "cap_net_admin"
    assert len(capabilities.SYSTEMD_NAMES) == len(set(capabilities.CAPABILITIES)) == 41
