"""Print, as one JSON object, everything on this host that a deployment could change or leave behind."""

import glob
import hashlib
import http.client
import json
import os
import socket
import stat
import subprocess

ROOTS = ("/etc/openclaw*", "/var/lib/openclaw*", "/etc/systemd/system", "/usr/local/lib/openclaw*", "/tmp", "/var/tmp",
         "/run/openclaw*", "/dev/shm")  # fmt: skip
# Of systemd, runc and the monitor of logins, not of a deployment.
PASSING = ("systemd-private-", "runc-process", "openclaw-auth-")
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo",
         stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}  # fmt: skip


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


def containers(docker):
    """Return every container, running or not."""
    found = []
    for entry in docker.ask("/containers/json?all=1"):
        whole = docker.ask(f"/containers/{entry['Id']}/json")
        found.append(
            {
                "name": whole["Name"].lstrip("/"),
                "id": whole["Id"],
                "image": whole["Image"],
                "status": whole["State"]["Status"],
                "health": (whole["State"].get("Health") or {}).get("Status", ""),
                "restarts": whole["RestartCount"],
                "started": whole["State"]["StartedAt"],
                "project": whole["Config"]["Labels"].get("com.docker.compose.project", ""),
            }
        )
    return found


def described(path):
    """Return kind, mode, owner, links, and content or target."""
    found = os.lstat(path)
    kind = KINDS[stat.S_IFMT(found.st_mode)]
    content = ""
    if kind == "file":
        with open(path, "rb") as file:
            content = f"{found.st_size} {hashlib.sha256(file.read()).hexdigest()}"
    elif kind == "link":
        content = os.readlink(path)
    links = found.st_nlink if kind == "file" else 1
    return f"{kind} {stat.S_IMODE(found.st_mode):04o} {found.st_uid}:{found.st_gid} {links} {content}"


def files():
    """Return every file below the roots."""
    found = {}
    tops = [match for pattern in ROOTS for match in glob.glob(pattern)]
    for top in [top for top in tops if not os.path.basename(top).startswith(PASSING)]:
        found[top] = described(top)
        for folder, directories, names in os.walk(top):
            directories[:] = [name for name in directories if not name.startswith(PASSING)]
            for name in directories + [name for name in names if not name.startswith(PASSING)]:
                path = os.path.join(folder, name)
                try:
                    found[path] = described(path)
                except FileNotFoundError:
                    continue  # a system's temporary file
    return found


def processes():
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


def main():
    """Look."""
    docker = Docker()
    argv = ["systemctl", "is-active", "openclaw-gateway.service"]
    unit = subprocess.run(argv, capture_output=True, text=True, check=False)
    images = docker.ask("/images/json?all=1")
    with open("/proc/self/mounts", encoding="utf-8") as file:
        mounts = [line.split()[1] for line in file]
    print(
        json.dumps(
            {
                "containers": containers(docker),
                "images": {tag: image["Id"] for image in images for tag in image["RepoTags"] or []},
                "untagged": [image["Id"] for image in images if not image["RepoTags"]],
                "networks": sorted(network["Name"] for network in docker.ask("/networks")),
                "volumes": sorted(volume["Name"] for volume in docker.ask("/volumes")["Volumes"] or []),
                "files": files(),
                "unit": unit.stdout.strip(),
                "processes": processes(),
                "mounts": sorted(
                    path for path in mounts if not path.startswith(("/var/lib/docker/", "/run/", "/proc"))
                ),
            }
        )
    )


main()
