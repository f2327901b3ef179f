"""Faults in the Docker daemon, and in who commands it."""

from __future__ import annotations

import json
from typing import Any

from harness import SeededFault
from proof import proof

JSON = "/etc/docker/daemon.json"
ACL = "system.posix_acl_access"
DROP_IN = "/etc/systemd/system/docker.service.d"
INFO = "docker info --format '{{{{{}}}}}' 2>/dev/null"


def daemon(name: str, expected: str, settings: dict, real: str, **more: Any) -> SeededFault:
    """Return a daemon that was started with other settings."""
    text = json.dumps(settings)
    return SeededFault(
        name, expected, real,
        do=f"cp -p {JSON} /root/daemon.json; jq '. + {text}' /root/daemon.json > {JSON}; docker_again",
        # A container keeps some of it, such as the seccomp profile that it was made under.
        undo=f"cat /root/daemon.json > {JSON}; docker_again", anew=True, **more,
    )  # fmt: skip


def mode(name: str, expected: str, path: str, wrong: str, right: str) -> SeededFault:
    """Return a file with the wrong mode."""
    return SeededFault(
        name, expected, f"[ $(stat -c %a {path}) = {wrong} ]", do=f"chmod {wrong} {path}", undo=f"chmod {right} {path}",
        values={"PATH": path},
    )  # fmt: skip


SEEDED_FAULTS = (
    SeededFault(
        "API on TCP of this host", "OCH-HST-01", "curl --silent --max-time 2 http://127.0.0.1:2375/_ping | grep -q OK",
        do=f"mkdir -p {DROP_IN}; printf '[Service]\\nExecStart=\\nExecStart=/usr/sbin/dockerd -H fd:// "
        f"-H tcp://127.0.0.1:2375 --containerd=/run/containerd/containerd.sock\\n' > {DROP_IN}/tcp.conf; "
        "systemctl daemon-reload; docker_again",
        undo=f"rm -r {DROP_IN}; systemctl daemon-reload; docker_again",
        values={"OPTION": "-H tcp://127.0.0.1:2375"},
    ),
    mode("socket for everybody", "OCH-HST-02", "/run/docker.sock", "666", "660"),
    SeededFault(
        "socket of another group", "OCH-HST-02", "[ $(stat -c %G /run/docker.sock) = users ]",
        do="chgrp users /run/docker.sock", undo="chgrp docker /run/docker.sock",
    ),
    SeededFault(
        "socket with an access control list", "OCH-HST-02",
        f"python3 -c 'import os; os.getxattr(\"/run/docker.sock\", \"{ACL}\")' 2>/dev/null",
        # The owner, user 1000, the group, the mask, others (acl(5), linux/posix_acl_xattr.h).
        do=f"""python3 <<'PYTHON'
import os, struct
nobody = 2**32 - 1
entries = ((1, 6, nobody), (2, 6, 1000), (4, 6, nobody), (16, 6, nobody), (32, 0, nobody))
acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
os.setxattr("/run/docker.sock", "{ACL}", acl)
PYTHON""",
        undo=f"python3 -c 'import os; os.removexattr(\"/run/docker.sock\", \"{ACL}\")'",
        way=1,
    ),
    SeededFault(
        "another user in group docker", "OCH-HST-03", "getent group docker | grep -q :bob",
        do="useradd --no-create-home --groups docker bob", undo="userdel bob",
        values={"NAME": "bob"},
    ),
    SeededFault(
        "another user with docker as primary group", "OCH-HST-03", "[ $(id -gn bob) = docker ]",
        do="useradd --no-create-home --gid docker bob", undo="userdel bob",
        way=1, values={"NAME": "bob", "GROUP": "users"},
    ),
    daemon("no firewall rules", "OCH-HST-04", {"iptables": False}, f"jq -e '.iptables == false' {JSON}"),
    daemon(
        "insecure registry", "OCH-HST-05", {"insecure-registries": ["registry.example:5000"]},
        f"{INFO.format('.RegistryConfig.IndexConfigs')} | grep -q registry.example",
    ),
    daemon("log level debug", "OCH-HST-06", {"log-level": "debug"}, f"jq -e '.\"log-level\" == \"debug\"' {JSON}"),
    daemon(
        "seccomp off for every container", "OCH-HST-07", {"seccomp-profile": "unconfined"},
        f"{INFO.format('.SecurityOptions')} | grep -q unconfined",
    ),
    daemon(
        "experimental", "OCH-HST-08", {"experimental": True},
        "[ $(docker version -f '{{.Server.Experimental}}') = true ]",
    ),
    SeededFault(
        "swarm", "OCH-HST-09", f"[ $({INFO.format('.Swarm.LocalNodeState')}) = active ]",
        do="docker swarm init --advertise-addr 127.0.0.1 >/dev/null", undo="docker swarm leave --force >/dev/null",
    ),
    mode("daemon.json writable by everybody", "OCH-HST-11", JSON, "666", "644"),
    mode("unit of Docker writable by everybody", "OCH-HST-11", "/usr/lib/systemd/system/docker.service", "666", "644"),
    SeededFault(
        "folder of Docker's settings of another user", "OCH-HST-11", "[ $(stat -c %U /etc/docker) = nobody ]",
        do="chown nobody /etc/docker", undo="chown root /etc/docker",
        values={"PATH": "/etc/docker"},
    ),
    daemon(
        "another runtime", "OCH-HST-12", {"runtimes": {"mine": {"path": "/srv/runc"}}, "default-runtime": "mine"},
        f"[ $({INFO.format('.DefaultRuntime')}) = mine ]",
        values={"OPTION": "default-runtime"},
    ),
    daemon(
        "ipc that others may join, for every container", "OCH-HST-12", {"default-ipc-mode": "shareable"},
        f"jq -e '.\"default-ipc-mode\" == \"shareable\"' {JSON}",
        values={"OPTION": "default-ipc-mode"},
    ),
)  # fmt: skip

test_it_is_found = proof(SEEDED_FAULTS)
