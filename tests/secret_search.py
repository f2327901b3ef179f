# Runs on the host under test, with NEEDLES set in front of it: prints the surfaces on which one of them shows.
# It comes by standard input, so that its own process shows nothing.
import glob
import json
import os
import stat
import subprocess


def output(*argv, cwd="/"):
    """Return all that a command reports."""
    return subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout


def content(path):
    """Return a file's bytes; nothing when it is gone or is not a plain file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        try:
            return file.read() if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
        except OSError:
            return b""


def listed(*argv):
    return output("docker", *argv).decode().split()


def commands():
    """Yield what Docker, Compose, systemd and the journal say."""
    for kind, names in (
        ("container", listed("ps", "--all", "--quiet")),
        ("image", listed("images", "--all", "--quiet")),
        ("network", listed("network", "ls", "--quiet")),
        ("volume", listed("volume", "ls", "--quiet")),
    ):
        yield f"docker {kind} inspect", output("docker", kind, "inspect", *names) if names else b""
    for name in listed("images", "--all", "--quiet"):
        yield "docker history", output("docker", "history", "--no-trunc", name)
    for name in listed("ps", "--all", "--quiet"):
        yield "docker logs", output("docker", "logs", name)
    compose = ("docker", "compose", "-f", "docker-compose.hardened.yml", "--profile", "cli", "config")
    if os.path.isdir("/etc/openclaw"):
        yield "docker compose config", output(*compose, cwd="/etc/openclaw")
    yield "journal", output("journalctl", "--no-pager", "--all", "--output=export")
    yield "systemctl show", output("systemctl", "show", "--no-pager", "--all", "*")


def processes():
    """Yield environment and arguments of every process on the host, the containers' included."""
    for process in glob.glob("/proc/[0-9]*"):
        yield "environment of processes", content(process + "/environ")
        yield "arguments of processes", content(process + "/cmdline")


def files():
    """Yield every file where a deployment leaves something; the secrets' own folder is the one place for them."""
    for top in ("/etc", "/usr/local", "/root", "/home", "/opt", "/tmp", "/var", "/run"):
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if os.path.join(folder, name) not in SKIPPED]
            for name in names:
                path = os.path.join(folder, name)
                yield path, content(path)


# The layers of images are those of the build; the credentials of running units are systemd's place for secrets; what a
# deployment replaced has to be able to come back, and root alone reads it.
SKIPPED = (
    "/etc/openclaw/secrets",
    "/var/lib/openclaw-hardening/attempt",
    "/var/lib/openclaw-hardening/previous",
    "/run/credentials",
    "/var/lib/docker/overlay2",
    "/var/lib/docker/buildkit",
    "/var/lib/docker/volumes",
)

needles = globals()["NEEDLES"]
found = set()
for source in (commands, processes, files):
    for surface, text in source():
        if any(needle in text for needle in needles):
            found.add(surface)
print(json.dumps(sorted(found)))
