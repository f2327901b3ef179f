"""Faults in what the container sees of file systems, and may write."""

from __future__ import annotations

from harness import Definition, SeededFault
from proof import proof


def scratch(old: str, new: str, place: str = "/tmp") -> object:
    """Return a change of one scratch space's options."""

    def change(definition: Definition) -> None:
        mounts = definition.gateway["tmpfs"]
        (number,) = [number for number, mount in enumerate(mounts) if mount.startswith(f"{place}:")]
        mounts[number] = mounts[number].replace(old, new)

    return change


# The mount's own options, then those of its file system.
SCRATCH = "awk -v at={} '$5 == at {{print $6 \",\" $NF}}' /proc/$(pid)/mountinfo | tr , '\\n' | {}"
MOUNTED = "grep -q ' {} ' /proc/$(pid)/mountinfo"

SEEDED_FAULTS = (
    SeededFault(
        "writable root file system", "OCH-CTR-06", "[ $(container '{{.HostConfig.ReadonlyRootfs}}') = false ]",
        lambda d: d.leave("read_only"),
    ),
    SeededFault(
        "root file system remounted writable", "OCH-CTR-06",
        "awk '$5 == \"/\" {print $6}' /proc/$(pid)/mountinfo | grep -q '^rw'",
        do="remount / 0",
        undo="remount / 1",
    ),
    SeededFault(
        "scratch space with programs", "OCH-CTR-09", SCRATCH.format("/tmp", "{ ! grep -qx noexec; }"),
        scratch("noexec", "exec"),
    ),
    SeededFault(
        "scratch space with setuid", "OCH-CTR-09", SCRATCH.format("/tmp", "{ ! grep -qx nosuid; }"),
        scratch("nosuid", "suid"),
    ),
    SeededFault(
        "scratch space with devices", "OCH-CTR-09", SCRATCH.format("/home/node/.npm", "{ ! grep -qx nodev; }"),
        scratch("nodev", "dev", "/home/node/.npm"),
    ),
    SeededFault(
        "scratch space without a size", "OCH-CTR-09", SCRATCH.format("/home/node/.cache", "{ ! grep -q ^size; }"),
        scratch("size=200m,", "", "/home/node/.cache"),
    ),
    SeededFault(
        "scratch space remounted with programs", "OCH-CTR-09", SCRATCH.format("/tmp", "{ ! grep -qx noexec; }"),
        do="remount /tmp 6",
        undo="remount /tmp 14",
    ),
    SeededFault(
        "one more writable mount", "OCH-CTR-10", MOUNTED.format("/data"),
        lambda d: d.mount("/srv/data", "/data"), before="mkdir -p /srv/data", undo="rm -rf /srv/data",
        values={"TARGET": "/data"},
    ),
    SeededFault(
        "one more volume", "OCH-CTR-10", MOUNTED.format("/data"),
        lambda d: (
            d.gateway["volumes"].append({"type": "volume", "source": "data", "target": "/data"}),
            d.whole.update(volumes={"data": {}}),
        ),
        way=1, values={"TARGET": "/data"},
    ),
    SeededFault(
        "Docker's socket", "OCH-CTR-11", MOUNTED.format("/run/docker.sock"),
        lambda d: d.mount("/var/run/docker.sock", "/var/run/docker.sock"),
        values={"TARGET": "/var/run/docker.sock"},
    ),
    SeededFault(
        "Docker's socket by another name, read-only", "OCH-CTR-11", "[ -S /proc/$(pid)/root/opt/tools.sock ]",
        lambda d: d.mount("/run/docker.sock", "/opt/tools.sock", read_only=True),
        values={"TARGET": "/opt/tools.sock"},
    ),
    SeededFault(
        "folder of Docker's socket", "OCH-CTR-11", "[ -S /proc/$(pid)/root/host/docker.sock ]",
        lambda d: d.mount("/run", "/host", read_only=True),
        values={"TARGET": "/host"},
    ),
    SeededFault(
        "link to Docker's socket", "OCH-CTR-11", "[ -S /proc/$(pid)/root/opt/tools.sock ]",
        lambda d: d.mount("/srv/tools.sock", "/opt/tools.sock", read_only=True),
        before="ln -s /run/docker.sock /srv/tools.sock", undo="rm /srv/tools.sock",
        values={"TARGET": "/opt/tools.sock"},
    ),
    SeededFault(
        "engine by the name of a variable", "OCH-CTR-11",
        "tr '\\0' '\\n' < /proc/$(pid)/environ | grep -q ^DOCKER_HOST=",
        lambda d: d.gateway["environment"].update(DOCKER_HOST="tcp://192.0.2.1:2375"),
        way=1, values={"VARIABLE": "DOCKER_HOST"},
    ),
    SeededFault(
        "the system bus", "OCH-CTR-11", "[ -S /proc/$(pid)/root/bus/system_bus_socket ]",
        lambda d: d.mount("/run/dbus", "/bus", read_only=True),
        values={"TARGET": "/bus"},
    ),
    SeededFault(
        "/proc of the host in a volume", "OCH-CTR-12", "[ -e /proc/$(pid)/root/host/cpuinfo ]",
        lambda d: (
            d.gateway["volumes"].append({"type": "volume", "source": "host", "target": "/host", "read_only": True}),
            d.whole.update(volumes={"host": {"driver_opts": {"type": "proc", "device": "proc"}}}),
        ),
        values={"TARGET": "/host"},
    ),
    SeededFault(
        "/etc of the host in a volume made by hand, not started", "OCH-CTR-12",
        "[ \"$(docker volume inspect --format '{{.Options.device}}' elsewhere)\" = /etc ] && "
        "container '{{json .Mounts}}' | grep -q '\"elsewhere\"'",
        lambda d: (
            d.gateway["volumes"].append({"type": "volume", "source": "host", "target": "/host", "read_only": True}),
            d.whole.update(volumes={"host": {"external": True, "name": "elsewhere"}}),
        ),
        before="docker volume create --opt type=none --opt o=bind --opt device=/etc elsewhere >/dev/null",
        start=False, values={"TARGET": "/host"},
    ),
    SeededFault(
        "/etc of the host, read-only", "OCH-CTR-12", "[ -e /proc/$(pid)/root/host/shadow ]",
        lambda d: d.mount("/etc", "/host", read_only=True),
        values={"TARGET": "/host"},
    ),
    SeededFault(
        "/ of the host, read-only", "OCH-CTR-12", "[ -e /proc/$(pid)/root/host/etc/shadow ]",
        lambda d: d.mount("/", "/host", read_only=True),
        values={"TARGET": "/host"},
    ),
    SeededFault(
        "/proc of the host, read-only", "OCH-CTR-12", "[ -e /proc/$(pid)/root/host/cpuinfo ]",
        lambda d: d.mount("/proc", "/host", read_only=True),
        values={"TARGET": "/host"},
    ),
    SeededFault(
        "all of Docker's data, read-only", "OCH-CTR-12", "[ -d /proc/$(pid)/root/host/containers ]",
        lambda d: d.mount("/var/lib/docker", "/host", read_only=True),
        values={"TARGET": "/host"},
    ),
    SeededFault(
        "link to /etc of the host, read-only", "OCH-CTR-12", "[ -e /proc/$(pid)/root/host/shadow ]",
        lambda d: d.mount("/srv/settings", "/host", read_only=True),
        before="ln -s /etc /srv/settings", undo="rm /srv/settings",
        values={"TARGET": "/host"},
    ),
    SeededFault(
        "mount that is shared with the host", "OCH-CTR-24",
        "awk '$5 == \"/home/node/.openclaw\"' /proc/$(pid)/mountinfo | grep -q ' shared:'",
        lambda d: d.gateway["volumes"][0]["bind"].update(propagation="rshared"),
        values={"TARGET": "/home/node/.openclaw"},
    ),
    SeededFault(
        "program changed in the container", "OCH-CTR-28", "docker diff $C | grep -q '/app/dist/gateway.mjs'",
        do="""
remount / 0
echo '// touched' >> /proc/$(pid)/root/app/dist/gateway.mjs
remount / 1
""",
        anew=True,
    ),
    SeededFault(
        "file left in a writable container", "OCH-CTR-28", "docker diff $C | grep -q '^A /home/node/left'",
        lambda d: d.leave("read_only"), do="docker exec $C touch /home/node/left", anew=True,
        options={"waivers": [{"id": "OCH-CTR-06", "reason": "a plugin writes beside its program"}]},
    ),
    SeededFault(
        "program added to the container", "OCH-CTR-28", "docker diff $C | grep -q '^A /usr/local/bin/tool'",
        do="""
remount / 0
cp /bin/true /proc/$(pid)/root/usr/local/bin/tool
remount / 1
""",
        anew=True,
    ),
)  # fmt: skip

test_it_is_found = proof(SEEDED_FAULTS)
