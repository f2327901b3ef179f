"""What the kernel reports about every process of the container: not what a file asks for, but what is in force."""

from __future__ import annotations

import json

import pytest
from conftest import CONTAINER, on_host

# Prints what /proc reports, sampled for as long as a command runs beside the gateway.
# Processes are found by their control group, so `docker exec` is included; runc is not yet what it is going to start.
LOOK = r"""
import errno, glob, json, os, pathlib, subprocess, sys
container, *command = sys.argv[1:]
seen = {}

def sample():
    for directory in glob.glob("/proc/[0-9]*"):
        try:
            read = lambda name: pathlib.Path(directory, name).read_text()
            if container not in read("cgroup") or "runc" in os.readlink(directory + "/exe"):
                continue
            argv = read("cmdline").split("\0")[:-1]
            status = dict(line.split(":\t", 1) for line in read("status").splitlines() if ":\t" in line)
            if status["State"].startswith("Z"):
                continue
            seen[directory + " " + " ".join(argv)] = {
                "argv": argv, "status": status,
                "mounts": read("mountinfo").splitlines(), "cgroup": read("cgroup").splitlines(),
            }
        except (FileNotFoundError, ProcessLookupError):
            continue
        except OSError as error:
            if error.errno != errno.EINVAL:  # the mounts of a process that is ending
                raise

sample()
if command:
    beside = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while beside.poll() is None:
        sample()
json.dump(list(seen.values()), sys.stdout)
"""
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
TMPFS = {"/tmp": "102400k", "/home/node/.npm": "204800k", "/home/node/.cache": "204800k"}
STATE = "/home/node/.openclaw"
READ_ONLY = ("/", "/etc/openclaw/openclaw.json", "/run/secrets/gateway_token", "/etc/passwd", "/etc/group")


@pytest.fixture(scope="module")
def processes(host, ssh) -> list[dict]:
    """Return every process of the container, the gateway's and those of a CLI call that ran beside it."""
    container = host.check_output("docker inspect -f '{{.Id}}' %s", CONTAINER)
    return json.loads(on_host(ssh, LOOK, container, "/usr/local/bin/openclaw", "health"))


@pytest.fixture(scope="module")
def mounts(processes) -> dict[str, dict]:
    """Return the mounts of the gateway: mount point → type, options of the mount, options of the file system."""
    table = {}
    for line in next(process for process in processes if "gateway" in process["argv"])["mounts"]:
        mount, filesystem = (part.split() for part in line.split(" - "))
        table[mount[4]] = {"type": filesystem[0], "options": mount[5].split(","), "super": filesystem[2].split(",")}
    return table


def test_gateway_and_command_line_were_both_seen(host, processes):
    pid = int(host.check_output("docker inspect -f '{{.State.Pid}}' %s", CONTAINER))
    assert str(pid) in [process["status"]["Pid"] for process in processes]
    assert any("gateway" in process["argv"] for process in processes)
    assert any("health" in process["argv"] for process in processes)


def test_every_process_runs_as_the_service_account(host, processes):
    uid, gid = host.check_output("id -u openclaw"), host.check_output("id -g openclaw")
    assert uid != "0"
    for process in processes:
        assert process["status"]["Uid"].split() == [uid] * 4, process["argv"]
        assert process["status"]["Gid"].split() == [gid] * 4, process["argv"]
        assert set(process["status"]["Groups"].split()) <= {gid}, process["argv"]


@pytest.mark.parametrize("kind", CAPABILITIES)
def test_no_process_has_or_can_get_a_capability(processes, kind):
    assert {int(process["status"][kind], 16) for process in processes} == {0}


def test_no_process_gains_privileges_and_each_is_filtered(processes):
    for process in processes:
        assert process["status"]["NoNewPrivs"] == "1", process["argv"]
        assert process["status"]["Seccomp"] == "2", process["argv"]


@pytest.mark.parametrize("path", READ_ONLY)
def test_root_configuration_and_secrets_are_mounted_read_only(mounts, path):
    assert "ro" in mounts[path]["options"]


@pytest.mark.parametrize(("path", "size"), TMPFS.items())
def test_scratch_space_is_small_and_not_executable(mounts, path, size):
    assert mounts[path]["type"] == "tmpfs"
    assert {"rw", "noexec", "nosuid", "nodev"} <= set(mounts[path]["options"])
    assert f"size={size}" in mounts[path]["super"]


def test_nothing_else_can_be_written(mounts):
    """Docker's own /dev, /proc and /sys aside, what is mounted read-write is what was allowed."""
    writable = {path for path, mount in mounts.items() if "rw" in mount["options"]}
    own = {path for path in writable if path.split("/")[1] in ("dev", "proc", "sys")}
    assert writable - own == {STATE, *TMPFS}


def test_a_program_in_scratch_space_does_not_run(host):
    """The flag does what it reports: a copy of a program that works cannot be run from there."""
    copy = "cp /bin/true {0}/probe && {0}/probe; code=$?; rm -f {0}/probe; exit $code"
    assert host.run("docker exec %s sh -c /bin/true", CONTAINER).rc == 0
    for path in TMPFS:
        assert host.run("docker exec %s sh -c %s", CONTAINER, copy.format(path)).rc == 126


def limit(host, processes, controller: str, v1: str, v2: str) -> str:
    """Read a limit of the container's control group, of version 1 or 2."""
    lines = next(process for process in processes if "gateway" in process["argv"])["cgroup"]
    for _number, controllers, path in (line.split(":", 2) for line in lines):
        if controller in controllers.split(","):
            return host.check_output("cat %s", f"/sys/fs/cgroup/{controllers}{path}/{v1}")
    unified = next(path for number, _empty, path in (line.split(":", 2) for line in lines) if number == "0")
    return host.check_output("cat %s", f"/sys/fs/cgroup{unified}/{v2}")


def test_memory_is_limited_and_there_is_no_swap(host, processes):
    assert limit(host, processes, "memory", "memory.limit_in_bytes", "memory.max") == str(2 << 30)
    swap = limit(host, processes, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max")
    assert swap in (str(2 << 30), "0")  # version 1 counts memory and swap together, version 2 swap alone


def test_processes_are_limited(host, processes):
    assert limit(host, processes, "pids", "pids.max", "pids.max") == "512"


def test_processor_time_is_limited(host, processes):
    quota = limit(host, processes, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0]
    assert int(quota) > 0  # -1 and "max" mean no limit
