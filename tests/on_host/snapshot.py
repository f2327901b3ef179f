"""What is there on this host, in three views of the same things, so that two looks can be compared.

snapshot.py deployment        all that a deployment could change or leave behind, by content, as one JSON object
snapshot.py units PLAN        one set of units; PLAN is JSON: `word` that their names begin with, `units`, `folders`
snapshot.py watch             for each line of standard input, what on the host differs from the look before; by inode
                              and times, which show also what was written again with the same content
"""

import contextlib
import glob
import hashlib
import http.client
import json
import os
import re
import socket
import stat
import subprocess
import sys
import time

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo",
         stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}  # fmt: skip
UNITS = "/etc/systemd/system"


# --- files ----------------------------------------------------------------------------------------------------------


def described(path, content=None, times=False):
    """Return kind, mode, owner, links and target of a path, and what ``content`` makes of a file's bytes."""
    found = os.lstat(path)
    kind = KINDS[stat.S_IFMT(found.st_mode)]
    inside = ""
    if kind == "link":
        inside = os.readlink(path)
    elif kind == "file" and content:
        with open(path, "rb") as file:
            inside = content(file.read())
    elif times:
        inside = f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
    links = found.st_nlink if kind == "file" or times else 1
    return f"{kind} {stat.S_IMODE(found.st_mode):04o} {found.st_uid}:{found.st_gid} {links} {inside}"


def digest(content):
    return f"{len(content)} {hashlib.sha256(content).hexdigest()}"


def below(top, skipped=()):
    """Return a path and all that is below it, but what begins with one of these names or is one of these paths."""
    found = [top]
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if kept(folder, name, skipped)]
        found += [os.path.join(folder, name) for name in (*folders, *names) if kept(folder, name, skipped)]
    return found


def kept(folder, name, skipped):
    return not name.startswith(tuple(skipped)) and os.path.join(folder, name) not in skipped


def files(paths, **how):
    """Describe these paths; what was a temporary file of the system and is gone by now is not there."""
    found = {}
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            found[path] = described(path, **how)
    return found


# --- Docker and systemd ---------------------------------------------------------------------------------------------


class Docker(http.client.HTTPConnection):
    """The daemon's own answers."""

    def __init__(self):
        super().__init__("localhost")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect("/var/run/docker.sock")

    def ask(self, path):
        self.request("GET", path)
        return json.loads(self.getresponse().read())

    def containers(self):
        """Return every container, running or not."""
        found = []
        for entry in self.ask("/containers/json?all=1"):
            whole = self.ask(f"/containers/{entry['Id']}/json")
            found.append(
                {
                    "name": whole["Name"].lstrip("/"),
                    "id": whole["Id"],
                    "image": whole["Image"],
                    "status": whole["State"]["Status"],
                    "health": (whole["State"].get("Health") or {}).get("Status", ""),
                    "restarts": whole["RestartCount"],
                    "started": whole["State"]["StartedAt"],
                    "pid": whole["State"]["Pid"],
                    "project": whole["Config"]["Labels"].get("com.docker.compose.project", ""),
                }
            )
        return found

    def images(self):
        return self.ask("/images/json?all=1")

    def networks(self):
        return {network["Name"]: network["Id"] for network in self.ask("/networks")}

    def volumes(self):
        return {volume["Name"]: volume["CreatedAt"] for volume in self.ask("/volumes")["Volumes"] or []}


def output(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout.decode()


def shown(names, properties):
    """Return properties of units, as text, by unit."""
    texts = output("systemctl", "show", f"--property={','.join(properties)}", "--", *names).strip().split("\n\n")
    return dict(zip(names, texts))


# --- deployment -----------------------------------------------------------------------------------------------------

ROOTS = ("/etc/openclaw*", "/var/lib/openclaw*", UNITS, "/usr/local/lib/openclaw*", "/tmp", "/var/tmp",
         "/run/openclaw*", "/dev/shm")  # fmt: skip
# Of systemd, runc and the monitor of logins, not of a deployment.
NOT_OURS = ("systemd-private-", "runc-process", "openclaw-auth-")


def deployment():
    """Return all that a deployment could change or leave behind."""
    docker = Docker()
    images = docker.images()
    tops = [top for pattern in ROOTS for top in glob.glob(pattern) if not os.path.basename(top).startswith(NOT_OURS)]
    with open("/proc/self/mounts", encoding="utf-8") as file:
        mounts = [line.split()[1] for line in file]
    return {
        "containers": docker.containers(),
        "images": {tag: image["Id"] for image in images for tag in image["RepoTags"] or []},
        "untagged": [image["Id"] for image in images if not image["RepoTags"]],
        "networks": sorted(docker.networks()),
        "volumes": sorted(docker.volumes()),
        "files": files((path for top in tops for path in below(top, NOT_OURS)), content=digest),
        "unit": output("systemctl", "is-active", "openclaw-gateway.service").strip(),
        "processes": left_running(),
        "mounts": sorted(path for path in mounts if not path.startswith(("/var/lib/docker/", "/run/", "/proc"))),
    }


def left_running():
    """Return what modules and their helpers would leave running."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        line = b" ".join(words).decode("utf-8", "replace").strip()
        if "compose" in line and ("/root/.modules" in line or line.startswith("docker ") or "/docker-compose" in line):
            found.append(line)
    return found


# --- units ----------------------------------------------------------------------------------------------------------

PROPERTIES = ("ActiveState", "UnitFileState", "NeedDaemonReload", "NextElapseUSecRealtime", "InvocationID", "MainPID")


def units(word, units, folders):
    """Return files and links of a set of units, what systemd reports, and what its processes run with."""
    paths = [path for folder in folders if os.path.isdir(folder) for path in below(folder)]
    paths += [path for path in below(UNITS)[1:] if os.path.basename(path).startswith(word) or "hardening-" in path]
    paths += glob.glob("/root/.ansible/tmp/openclaw-units-*")
    states, running = {}, {}
    for name, text in shown(units, PROPERTIES).items():
        states[name] = dict(line.split("=", 1) for line in text.splitlines())
        pid = states[name].pop("MainPID", "0")
        if pid != "0":
            with open(f"/proc/{pid}/environ", encoding="utf-8") as file:
                found = dict(line.split("=", 1) for line in file.read().split("\0") if "=" in line)
            running[name] = {key: found.get(key, "") for key in ("UNIT", "PROGRAM", "SETTINGS")}
    return {"files": files(paths, content=bytes.decode), "units": states, "running": running}


# --- watch ----------------------------------------------------------------------------------------------------------

SETTLING = 3.0  # seconds in which what only came and went may be gone again
# Everything below these is looked at, with owner, mode, size, times and link target.
DEEP = ("/etc", "/usr/local", "/root", "/home", "/opt", "/srv", "/run/systemd/system", "/run/systemd/transient",
        "/var/lib/openclaw*")  # fmt: skip
# Of these, what is in them: programs make and remove temporary files there all the time.
SHALLOW = ("/", "/dev", "/run", "/tmp", "/usr", "/var", "/var/lib", "/var/spool", "/var/tmp", "/root/.ansible/tmp")
PASSING = ("runc-process", "openclaw-auth-")  # of each health check; what the monitor's timer makes, whenever it ticks
# The modules under test, Ansible's own folder (its content is looked at above), what units of their own timers keep.
SKIPPED = ("/root/.modules", "/root/.ansible", "/var/lib/openclaw-auth-notifier")
# Each run signs it, and wipes it: what counts is that it is there, root's and private.
LOCKS = ("/var/lib/openclaw-hardening/deploy.lock", "/var/lib/openclaw-hardening/image.lock")
OUR_UNITS = ("docker.service", "openclaw-gateway.service", "openclaw-gateway-firewall.service")
UNIT_PROPERTIES = ("Id", "UnitFileState", "FragmentPath", "DropInPaths", "InvocationID", "NRestarts")
OF_SESSIONS = re.compile(r"user@|user-runtime-dir@|openclaw-auth-notifier").match


def everything():
    """Look at all that a refused request could have touched."""
    found = {}
    for top in filter(os.path.isdir, SHALLOW):
        names = [name for name in os.listdir(top) if not name.startswith(PASSING)]
        inside = files(os.path.join(top, name) for name in names)
        found.update((f"in {path}", text) for path, text in inside.items())
    tops = [top for pattern in DEEP for top in glob.glob(pattern) if top not in SKIPPED]
    paths = [path for top in tops for path in below(top, SKIPPED)]
    found.update(files((path for path in paths if path not in LOCKS), times=True))
    found.update(files(path for path in paths if path in LOCKS))
    found.update(all_units())
    docker = Docker()
    for container in docker.containers():
        del container["health"]  # it comes and goes with the checks
        found[f"container {container['name']}"] = json.dumps(container)
    found.update((f"image {image['Id']}", str(sorted(image["RepoTags"] or []))) for image in docker.images())
    found.update((f"network {name}", identity) for name, identity in docker.networks().items())
    found.update((f"volume {name}", made) for name, made in docker.volumes().items())
    return found


def all_units():
    """Return the units but those that come and go by themselves: of timers, of containers' mounts, of sessions."""
    kinds = "--type=service,timer,path,socket,target"
    lines = output("systemctl", "list-units", "--all", "--full", "--plain", "--no-legend", kinds).splitlines()
    found = {name: states for name, *states in (line.split(maxsplit=4)[:4] for line in lines)}
    for name, states in found.items():
        if name.endswith(".timer"):
            states.pop()  # it waits, or its unit runs just now
    ticked = {name.replace(".timer", ".service") for name in found if name.endswith(".timer")}
    steady = {name: states for name, states in found.items() if name not in ticked and not OF_SESSIONS(name)}
    return {
        **{f"unit {name}": " ".join(states) for name, states in steady.items()},
        **{f"of unit {name}": text for name, text in shown(OUR_UNITS, UNIT_PROPERTIES).items()},
    }


def changes(before, after):
    """Report in words what differs."""
    return [
        f"{name}: {before.get(name, 'nothing')} became {after.get(name, 'nothing')}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def copy_up():
    """Bring all that is looked at to the host's own layer: the first change below a directory changes its ctime there.

    A host is a container on overlayfs; on a server there is nothing to bring.
    """
    for top in (top for pattern in DEEP for top in glob.glob(pattern)):
        for path in below(top, ()):
            with contextlib.suppress(OSError):
                found = os.lstat(path)
                os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns), follow_symlinks=False)


def watch():
    """Look again for each line, until it is as it was or the time to stabilize is over."""
    copy_up()
    known = everything()
    print(json.dumps([]), flush=True)
    for _line in sys.stdin:
        end = time.monotonic() + SETTLING
        while (found := changes(known, after := everything())) and time.monotonic() < end:
            time.sleep(0.3)
        known = after
        print(json.dumps(found), flush=True)


if sys.argv[1] == "watch":
    watch()
elif sys.argv[1] == "units":
    print(json.dumps(units(**json.loads(sys.argv[2]))))
else:
    print(json.dumps(deployment()))
