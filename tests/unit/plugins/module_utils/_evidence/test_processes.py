"""/proc as a tree of files that say what a kernel would, and the real one with real processes."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import processes
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.processes import Kernel, Limits, look
from ansible_collections.openclaw.hardening.plugins.module_utils._system.mountinfo import mount_table

ID = "c0ffee" + "0" * 58
HOST = {kind: f"{kind}:[1]" for kind in processes.NAMESPACES}
OWN = {kind: f"{kind}:[2]" for kind in processes.NAMESPACES}
STATUS = {
    "Name": "node",
    "State": "S (sleeping)",
    "PPid": "1",
    "Uid": "1000\t1000\t1000\t1000",
    "Gid": "1001\t1001\t1001\t1001",
    "Groups": "1001 44 ",
    "NSpid": "0",
    "CapInh": "0000000000000000",
    "CapPrm": "0000000000000000",
    "CapEff": "0000000000000000",
    "CapBnd": "0000000000000400",
    "CapAmb": "0000000000000000",
    "NoNewPrivs": "1",
    "Seccomp": "2",
}
ROOT_MOUNT = "172 63 0:55 / / ro,relatime - overlay overlay rw,lowerdir=/a\n"


@dataclass
class Tree:
    """A root directory with the parts of /proc and /sys that are read."""

    top: Path

    def process(
        self,
        pid: int,
        cgroup: str = f"0::/docker/{ID}\n",
        namespaces: dict[str, str] | None = None,
        threads: int = 1,
        **status: str,
    ) -> Path:
        """Make a process; return its directory."""
        directory = self.top / "proc" / str(pid)
        (directory / "ns").mkdir(parents=True)
        (directory / "cgroup").write_text(cgroup)
        (directory / "ns/pid").symlink_to((namespaces or OWN)["pid"])
        for thread in range(pid, pid + threads):
            self.thread(directory / "task" / str(thread), namespaces or OWN, **status)
        return directory

    def thread(self, directory: Path, namespaces: dict[str, str] = OWN, **status: str) -> None:
        (directory / "ns").mkdir(parents=True)
        for kind, identity in namespaces.items():
            (directory / "ns" / kind).symlink_to(identity)
        self.status(directory, **status)
        (directory / "cmdline").write_bytes(b"node\0gateway\0")
        (directory / "environ").write_bytes(b"HOME=/home/node\0BAD\0A=b=c\0")
        (directory / "oom_score_adj").write_text("-5\n")
        (directory / "stat").write_text(f"1 (a) b) S {' '.join('0' * 18)} 777 0\n")
        (directory / "mountinfo").write_text(ROOT_MOUNT)

    def status(self, directory: Path, **status: str) -> None:
        lines = {**STATUS, **status}
        (directory / "status").write_text("".join(f"{key}:\t{value}\n" for key, value in lines.items() if value != "-"))

    def sys(self, path: str, content: str = "") -> None:
        file = self.top / "sys" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """Make a host with its PID 1, a foreign container, and the container's process 100."""
    made = Tree(tmp_path)
    for name in ("proc", "sys"):
        monkeypatch.setattr(processes, name.upper(), str(tmp_path / name))
    monkeypatch.setattr(processes, "ENGINE_SOCKET", str(tmp_path / "docker.sock"))
    monkeypatch.setattr(processes, "PAUSE", 0)
    init = made.process(1, "0::/init.scope\n", HOST)
    for kind in HOST.keys() - {"pid"}:
        (init / "ns" / kind).symlink_to(HOST[kind])
    made.process(50, "0::/user.slice\n", HOST)
    (tmp_path / "proc/self").mkdir()
    (tmp_path / "proc/self/mountinfo").write_text("")
    (tmp_path / "proc/uptime").touch()
    made.process(100)
    return made


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """Run one of these at each look that follows; what is left was not needed."""
    steps: list[Callable[[], object]] = []
    monkeypatch.setattr(processes.time, "sleep", lambda _seconds: steps.pop(0)() if steps and _seconds else None)
    monkeypatch.setattr(processes, "PAUSE", 1)
    return steps


def pids(kernel: Kernel) -> list[int]:
    return [process.pid for process in kernel.processes]


# --- processes ----------------------------------------------------------------------------------------------------


def test_everything_about_a_process_is_read(tree):
    kernel = look(ID, 100)
    (process,) = kernel.processes
    assert (process.pid, process.command) == (100, "node")
    assert process.uids == (1000,) * 4
    assert process.gids == (1001,) * 4
    assert process.groups == (44, 1001)
    assert process.capabilities == {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapBnd": 1 << 10, "CapAmb": 0}
    assert process.no_new_privileges
    assert process.seccomp == 2
    assert process.label == ""
    assert process.namespaces == OWN
    assert process.argv == ("node", "gateway")
    assert process.environment == {"HOME": "/home/node", "BAD": "", "A": "b=c"}
    assert process.oom_score_adj == -5
    assert "home" not in repr(process)
    assert "gateway" not in repr(process)
    assert kernel.main_pid == 100
    assert kernel.host_namespaces == HOST
    assert kernel.engine_group == 0


@pytest.mark.parametrize(
    "cgroup",
    [
        f"0::/system.slice/docker-{ID}.scope\n",
        f"0::/docker/{ID}/inside\n",
        f"9:name=systemd:/docker/{ID}\n8:pids:/docker/{ID}\n0::/\n",
        f"12:cpu,cpuacct:/mine.slice/docker-{ID}.scope\n",
    ],
)
def test_processes_are_found_by_their_control_group(tree, cgroup):
    tree.process(30, cgroup, HOST)
    tree.process(31, "0::/docker/" + ID[::-1] + "\n", HOST)
    assert pids(look(ID, 100)) == [100, 30]  # the main one is the first


def test_processes_in_another_control_group_are_found_by_their_pid_namespace(tree):
    tree.process(120, "0::/\n")
    assert pids(look(ID, 100)) == [100, 120]


def test_the_pid_namespace_of_the_host_reports_nothing(tree):
    tree.process(60, namespaces=HOST)
    assert pids(look(ID, 60)) == [60, 100]


def test_without_rights_on_a_foreign_its_numbers_tell(tree, monkeypatch):
    real = os.readlink
    link = str(tree.top / "proc/50/ns/pid")

    def readlink(path: str) -> str:
        if path == link:
            raise PermissionError(path)
        return real(path)

    monkeypatch.setattr(processes.os, "readlink", readlink)
    foreign_ones = tree.top / "proc/50"
    tree.status(foreign_ones, NSpid="50")
    assert pids(look(ID, 100)) == [100]
    tree.status(foreign_ones, NSpid="50\t7")
    with pytest.raises(PermissionError):
        look(ID, 100)


def test_zombies_and_processes_that_end_meanwhile_are_left_out(tree):
    tree.process(120, State="Z (zombie)")
    tree.process(121, State="X (dead)")
    shutil.rmtree(tree.process(122) / "task")
    (tree.process(123) / "task/123/environ").unlink()
    (tree.process(124) / "task/124/status").unlink()
    (tree.process(125) / "cgroup").unlink()
    assert pids(look(ID, 100)) == [100]


def test_a_process_that_could_not_be_read_at_first_is_read_again(tree, pauses):
    (tree.process(123) / "task/123/environ").unlink()
    pauses.append((tree.top / "proc/123/task/123/environ").touch)
    assert pids(look(ID, 100)) == [100, 123]


def test_a_process_lives_while_one_of_its_threads_does(tree):
    tree.status(tree.process(120, threads=2) / "task/120", State="Z (zombie)")
    (tree.top / "proc/120/task/120/environ").unlink()
    assert pids(look(ID, 100)) == [100, 120]


def test_the_worst_thread_counts(tree):
    task = tree.process(120, threads=2) / "task/121"
    tree.status(
        task, Uid="1000\t0\t0\t0", Gid="5\t5\t5\t5", Groups="998", CapEff="2", NoNewPrivs="0", Seccomp="0", Name="other"
    )
    process = look(ID, 100).processes[1]
    assert process.command == "node"
    assert process.uids == (1000, 1000, 1000, 1000, 0)
    assert process.gids == (1001, 1001, 1001, 1001, 5)
    assert process.groups == (44, 998, 1001)
    assert process.capabilities["CapEff"] == 2
    assert not process.no_new_privileges
    assert process.seccomp == 0


def test_hostile_bytes_do_no_harm(tree):
    task = tree.process(120, Name="x\\nUid:\t0") / "task/120"
    (task / "cmdline").write_bytes(b"\xff\n\0\x1b[2J\0")
    (task / "environ").write_bytes(b"A\xff=\xfe\0=\0")
    process = look(ID, 100).processes[1]
    assert process.uids == (1000,) * 4
    assert process.argv == ("\\xff\n", "\x1b[2J")
    assert process.environment == {"A\\xff": "\\xfe", "": ""}


def test_a_kernel_that_cannot_say_is_refused(tree):
    tree.process(120, NoNewPrivs="-")
    with pytest.raises(HardeningError, match=r"no line 'NoNewPrivs', needed Linux 4\.10"):
        look(ID, 100)


def test_a_kernel_without_seccomp_filters_nothing(tree):
    tree.process(120, Seccomp="-")
    assert look(ID, 100).processes[1].seccomp == 0


@pytest.mark.parametrize(
    ("pid", "words"), [(0, "found not running"), (99, "main process 99 is gone"), (50, "50 is gone")]
)
def test_a_container_that_does_not_run_is_refused(tree, pid, words):
    with pytest.raises(HardeningError, match=f"container c0ffee000000: .*{words}.*, needed a running container"):
        look(ID, pid)


# --- what runc still prepares -------------------------------------------------------------------------------------

INIT = {"Name": "runc:[2:INIT]", "PPid": "50", "CapEff": "1ffffffffff", "Uid": "0\t0\t0\t0"}


def test_what_runc_prepares_is_read_when_it_is_done(tree, pauses):
    task = tree.process(120, **INIT) / "task/120"
    pauses += [lambda: None, lambda: tree.status(task)]
    kernel = look(ID, 100)
    assert [process.command for process in kernel.processes] == ["node", "node"]
    assert kernel.processes[1].uids == (1000,) * 4


def test_what_runc_gives_up_is_no_process(tree, pauses):
    directory = tree.process(120, **INIT)
    pauses.append(lambda: shutil.rmtree(directory))
    assert pids(look(ID, 100)) == [100]


def test_what_runc_starts_meanwhile_is_found(tree, pauses):
    directory = tree.process(120, **INIT)

    def turn_over() -> None:
        shutil.rmtree(directory)
        tree.process(121)

    pauses.append(turn_over)
    assert pids(look(ID, 100)) == [100, 121]


def test_who_only_calls_itself_runc_counts(tree, pauses):
    tree.process(120, **INIT)
    looks: list[int] = []
    pauses += [lambda: looks.append(1)] * (processes.AGAIN + 5)
    found = look(ID, 100).processes[1]
    assert found.command == "runc:[2:INIT]"
    assert found.uids == (0,) * 4
    assert len(looks) == processes.AGAIN


def test_who_was_made_inside_counts_at_once(tree, pauses):
    tree.process(120, **{**INIT, "PPid": "100"})
    pauses.append(lambda: pytest.fail("no need to wait"))
    assert pids(look(ID, 100)) == [100, 120]


def test_a_number_that_was_given_out_again_starts_anew(tree, pauses):
    stat = tree.process(120, **INIT) / "task/120/stat"
    pauses += [lambda: None, lambda: stat.write_text(stat.read_text().replace("777", "778"))]
    assert pids(look(ID, 100)) == [100]


# --- security module, Docker's group ------------------------------------------------------------------------------


def test_apparmor_labels(tree):
    (tree.top / "sys/kernel/security/apparmor").mkdir(parents=True)
    tree.sys("module/apparmor/parameters/enabled", "Y\n")
    attr = tree.top / "proc/100/task/100/attr"
    attr.mkdir()
    (attr / "current").write_text("docker-default (enforce)\n")
    kernel = look(ID, 100)
    assert kernel.security_module == "apparmor"
    assert kernel.processes[0].label == "docker-default (enforce)"
    # Where several modules are stacked, `current` may be another one's.
    for directory in (tree.top / "proc/1/attr/apparmor", attr / "apparmor"):
        directory.mkdir(parents=True)
    (attr / "apparmor/current").write_text("unconfined\n")
    assert look(ID, 100).processes[0].label == "unconfined"


@pytest.mark.parametrize(("enforce", "mode"), [("1", ""), ("0", " (permissive)")])
def test_selinux_labels(tree, enforce, mode):
    tree.sys("fs/selinux/enforce", enforce)
    attr = tree.top / "proc/100/task/100/attr"
    attr.mkdir()
    (attr / "current").write_bytes(b"system_u:system_r:container_t:s0\0")
    kernel = look(ID, 100)
    assert kernel.security_module == "selinux"
    assert kernel.processes[0].label == f"system_u:system_r:container_t:s0{mode}"


def test_a_module_that_is_off_or_out_of_reach_is_none(tree):
    tree.sys("module/apparmor/parameters/enabled", "Y\n")
    assert look(ID, 100).security_module == ""
    (tree.top / "sys/kernel/security/apparmor").mkdir(parents=True)
    tree.sys("module/apparmor/parameters/enabled", "N\n")
    assert look(ID, 100).security_module == ""


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EACCES])
def test_only_the_modules_own_silence_is_no_label(tree, monkeypatch, code):
    tree.sys("fs/selinux/enforce", "1")
    real = processes._read

    def read(path: str) -> bytes:
        if path.endswith("attr/current"):
            raise OSError(code, path)
        return real(path)

    monkeypatch.setattr(processes, "_read", read)
    if code == errno.EINVAL:
        assert look(ID, 100).processes[0].label == ""
    else:
        with pytest.raises(PermissionError):
            look(ID, 100)


@pytest.mark.usefixtures("as_root")
def test_the_group_of_the_socket(tree):
    (tree.top / "docker.sock").touch()
    os.chown(tree.top / "docker.sock", 0, 998)
    assert look(ID, 100).engine_group == 998


# --- mounts -------------------------------------------------------------------------------------------------------


def test_a_mount_table_is_translated():
    root, odd, empty = mount_table(
        ROOT_MOUNT.encode()
        + b"1 2 3:4 /a\\040b /c\\134d\\011\xff ro,nosuid shared:1 master:2 - fuse.x src\\040y rw,a=b\\040c\n"
        + b"1 2 0:5 / /e rw - tmpfs  rw\n"
    )
    assert (root.path, root.kind, root.source, root.root) == ("/", "overlay", "overlay", "/")
    assert root.options == ("ro", "relatime")
    assert root.super_options == ("rw", "lowerdir=/a")
    assert root.propagation == ()
    assert not root.writable
    assert (odd.path, odd.root, odd.source) == ("/c\\d\t\\xff", "/a b", "src y")
    assert odd.propagation == ("shared:1", "master:2")
    assert (empty.source, empty.super_options, empty.writable) == ("", ("rw",), True)


def test_there_is_one_table_for_each_mount_namespace(tree):
    tree.process(40)
    other = tree.process(120, namespaces={**OWN, "mnt": "mnt:[3]"})
    tree.process(121, namespaces={**OWN, "mnt": "mnt:[3]"})
    (other / "task/120/mountinfo").write_text(ROOT_MOUNT.replace("ro,", "rw,"))
    (tree.top / "proc/40/task/40/mountinfo").write_text("")
    assert [[mount.writable for mount in table] for table in look(ID, 100).mounts] == [[False], [True]]


# --- limits -------------------------------------------------------------------------------------------------------


def limits(tree: Tree, cgroup: str, mounts: dict[str, str], **files: str) -> Limits:
    """Read limits from control groups that are mounted in the tree: folder to the rest of its mountinfo line."""
    lines = [f"1 2 3:4 / {tree.top}/sys/fs/cgroup{folder} rw - {rest}\n" for folder, rest in mounts.items()]
    (tree.top / "proc/self/mountinfo").write_text("".join(lines))
    (tree.top / "proc/100/cgroup").write_text(cgroup)
    for path, content in files.items():
        tree.sys(f"fs/cgroup/{path}", content)
    return look(ID, 100).limits


V2 = {"": "cgroup2 cgroup2 rw"}
V1 = {"/memory": "cgroup c rw,memory", "/cpu,cpuacct": "cgroup c rw,cpu,cpuacct", "/pids": "cgroup c rw,pids"}


@pytest.mark.parametrize("below", ["", "/init", "/a/b"])
def test_limits_of_version_2(tree, below):
    own = f"system.slice/docker-{ID}.scope"
    files = {"memory.max": "2147483648\n", "memory.swap.max": "0\n", "cpu.max": "150000 100000\n", "pids.max": "512\n"}
    found = limits(tree, f"0::/{own}{below}\n", V2, **{f"{own}/{name}": text for name, text in files.items()})
    assert found == Limits(2 << 30, 2 << 30, 1.5, 512)


@pytest.mark.parametrize(("swap", "both"), [("1024", 3072), ("max", 0), ("", 0)])
def test_swap_of_version_2_is_counted_alone(tree, swap, both):
    found = limits(tree, f"0::/{ID}\n", V2, **{f"{ID}/memory.max": "2048", f"{ID}/memory.swap.max": swap})
    assert found == Limits(2048, both, 0.0, 0)


def test_no_limits_of_version_2(tree):
    files = {"memory.max": "max", "memory.swap.max": "0", "cpu.max": "max 100000", "pids.max": "max"}
    assert limits(tree, f"0::/{ID}\n", V2, **{f"{ID}/{name}": text for name, text in files.items()}) == Limits()
    assert limits(tree, f"0::/{ID}/gone\n", {}) == Limits()


GROUPS = (
    f"9:memory:/docker/{ID}\n8:cpuacct,cpu:/docker/{ID}\n7:pids:/docker/{ID}/x\n1:name=systemd:/\n0::/docker/{ID}\n"
)


@pytest.mark.parametrize(
    ("memory", "both", "quota", "pids_max", "expected"),
    [
        ("2048", "4096", "200000", "64", Limits(2048, 4096, 2.0, 64)),
        ("9223372036854771712", "9223372036854771712", "-1", "max", Limits()),
    ],
)
def test_limits_of_version_1(tree, memory, both, quota, pids_max, expected):
    files = {
        "memory/docker/ID/memory.limit_in_bytes": memory,
        "memory/docker/ID/memory.memsw.limit_in_bytes": both,
        "cpu,cpuacct/docker/ID/cpu.cfs_quota_us": quota,
        "cpu,cpuacct/docker/ID/cpu.cfs_period_us": "100000",
        "pids/docker/ID/pids.max": pids_max,
    }
    mounts = {**V1, "/unified": "cgroup2 cgroup2 rw"}
    assert limits(tree, GROUPS, mounts, **{name.replace("ID", ID): text for name, text in files.items()}) == expected


def test_version_1_without_accounting_of_swap(tree):
    assert limits(tree, GROUPS, V1, **{f"memory/docker/{ID}/memory.limit_in_bytes": "2048"}) == Limits(2048)


# --- the real kernel ----------------------------------------------------------------------------------------------


@pytest.fixture
def container(as_root: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Run a pid and mount namespace with a good and a bad process in it; return the number of its first process."""
    monkeypatch.setattr(processes, "INIT", "self")  # PID 1 of a test machine may not be ours to look at
    good = (
        "setpriv --no-new-privs --reuid 4242 --regid 4243 --clear-groups --bounding-set -all --inh-caps -all sleep 60"
    )
    argv = ["unshare", "--pid", "--mount", "--fork", "--kill-child", "sh", "-c", f"{good} & sleep 61 & exec sleep 62"]
    beside = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    children = Path(f"/proc/{beside.pid}/task/{beside.pid}/children")
    for _attempt in range(100):
        time.sleep(0.02)
        if beside.poll() is not None:
            pytest.skip("namespaces and credentials cannot be changed here")
        first = children.read_text().split()
        ready = first and len(Path(f"/proc/{first[0]}/task/{first[0]}/children").read_text().split()) == 2
        if ready and all(process.command == "sleep" for process in look(ID, int(first[0])).processes):
            break
    yield int(first[0])
    beside.send_signal(signal.SIGKILL)
    beside.wait()


def test_real_processes(container):
    kernel = look(ID, container)
    assert sorted(process.argv for process in kernel.processes) == [("sleep", str(number)) for number in (60, 61, 62)]
    assert kernel.processes[0].pid == container
    good = next(process for process in kernel.processes if process.argv[1] == "60")
    bad = next(process for process in kernel.processes if process.argv[1] == "61")
    assert (good.uids, good.gids, good.groups) == ((4242,) * 4, (4243,) * 4, ())
    assert good.no_new_privileges
    assert set(good.capabilities.values()) == {0}
    assert bad.uids == (0,) * 4
    assert not bad.no_new_privileges
    assert bad.capabilities["CapEff"] > 0
    assert bad.namespaces["pid"] != kernel.host_namespaces["pid"]
    assert bad.namespaces["net"] == kernel.host_namespaces["net"]
    assert bad.environment["PATH"]
    assert len(kernel.mounts) == 1
    assert kernel.mounts[0][0].path == "/"


def test_looking_is_fast_and_survives_processes_that_come_and_go(container):
    storm = subprocess.Popen(["sh", "-c", "while :; do /bin/true; done"])
    try:
        for _attempt in range(20):
            start = time.monotonic()
            assert len(look(ID, container).processes) == 3
            assert time.monotonic() - start < 1
    finally:
        storm.kill()
        storm.wait()


def test_a_process_that_has_left_its_mount_namespace_is_gone(monkeypatch):
    """Seen with real containers: the kernel reports EINVAL for the mounts of a process that is ending."""

    def ending(path):
        raise OSError(errno.EINVAL, "Invalid argument", path)

    monkeypatch.setattr(processes, "_read", ending)
    with pytest.raises(ProcessLookupError):
        processes._mountinfo("/proc/4711")


# --- the host's own table -----------------------------------------------------------------------------------------


def test_what_the_host_has_mounted_is_read_beside_it(tree: Tree) -> None:
    (tree.top / "proc/1/mountinfo").write_text("20 1 254:0 / / rw - ext4 /dev/vda1 rw\n")
    (tree.top / "proc/1/net").mkdir()
    (tree.top / "proc/1/net/unix").write_text(
        "Num       RefCount Protocol Flags    Type St Inode Path\n"
        "0: 00000002 00000000 00010000 0001 01 123 /run/docker.sock\n"
        "0: 00000002 00000000 00010000 0001 01 124 @abstract\n"
        "0: 00000002 00000000 00000000 0002 01 125\n"
    )
    found = look(ID, 100)
    assert [(mount.path, mount.device) for mount in found.host_mounts] == [("/", "254:0")]
    assert found.host_sockets == ("/run/docker.sock",)


def test_without_the_hosts_table_nothing_is_known_of_it(tree: Tree) -> None:
    (tree.top / "proc/1/mountinfo").unlink(missing_ok=True)
    found = look(ID, 100)
    assert (found.host_mounts, found.host_sockets) == ((), ())
