"""Definitions with one weakness each, made from the schema of the Compose specification.

For each key that is refused a value is made from its schema; for each that is checked the weak values stand here, and
each is tried in every place and every spelling that Docker takes for it.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "recorded"
SCHEMA = json.loads((RECORDED / "compose-spec.json").read_text())
GATEWAY = "openclaw-gateway"
Change = Callable[[dict[str, Any]], object]
Weakening = tuple[str, Change]


def hardened() -> dict[str, Any]:
    """The definition of this collection, as Compose resolves it."""
    return json.loads((RECORDED / "compose-hardened.json").read_text())


# --- changes ------------------------------------------------------------------------------------------------------


def keys(**values: Any) -> Change:
    """Set keys of the gateway; lists are set, not added to."""
    return lambda config: config["services"][GATEWAY].update(copy.deepcopy(values))


def option(text: str) -> Change:
    """Add an option of ``security_opt``."""
    return lambda config: config["services"][GATEWAY]["security_opt"].append(text)


def bind(source: str, target: str = "/x", **more: Any) -> Change:
    """Add a bind mount."""
    mount = {"type": "bind", "source": source, "target": target, "read_only": True, **more}
    return lambda config: config["services"][GATEWAY]["volumes"].append(mount)


def volume(definition: dict[str, Any], **more: Any) -> Change:
    """Add a volume and its mount."""

    def change(config: dict[str, Any]) -> None:
        config.setdefault("volumes", {})["weak"] = {"name": "openclaw_weak", **definition}
        mount = {"type": "volume", "source": "weak", "target": "/x", "read_only": True, "volume": {}, **more}
        config["services"][GATEWAY]["volumes"].append(mount)

    return change


def network(**definition: Any) -> Change:
    """Change the network of the gateway; options are added."""

    def change(config: dict[str, Any]) -> None:
        found = config["networks"]["gateway"]
        options = {**found["driver_opts"], **definition.pop("driver_opts", {})}
        found.update(definition, driver_opts=options)

    return change


def both(*changes: Change) -> Change:
    """Make several changes, for a weakness that needs them."""
    return lambda config: [change(config) for change in changes]


def variable(name: str, value: str) -> Change:
    """Add a variable."""
    return lambda config: config["services"][GATEWAY]["environment"].update({name: value})


# --- values from the schema ---------------------------------------------------------------------------------------


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """Follow references."""
    while "$ref" in node:
        node = SCHEMA["definitions"][node["$ref"].rpartition("/")[2]]
    return node


def sample(node: dict[str, Any], depth: int = 0) -> Any:
    """Return a value that the schema takes, with every key that it names."""
    node = resolved(node)
    if "oneOf" in node:
        # The longest form says the most.
        return max((sample(part, depth) for part in node["oneOf"]), key=lambda value: len(json.dumps(value)))
    if "enum" in node:
        return node["enum"][-1]
    kinds = node.get("type", "object")
    kind = kinds[0] if isinstance(kinds, list) else kinds
    if kind == "array":
        return [sample(node["items"], depth + 1)]
    if kind == "object":
        found = {key: sample(part, depth + 1) for key, part in node.get("properties", {}).items()}
        return found or {"name": "value"}
    return {"boolean": True, "integer": 1, "number": 1, "string": "value", "null": "value"}[kind]


def properties(definition: str) -> dict[str, Any]:
    """Return the keys of a definition of the schema."""
    return SCHEMA["definitions"][definition]["properties"]


# --- weak values of what is checked -------------------------------------------------------------------------------

ROOTS = ("0", "00", "+0", "-0", "root", "0:0", "00:1000", "root:root", "1000:0", "1000:+0", "1000:root", ":1000")
GROUPS = ("1000:42", "1000:+42", "1000:042", "1000:6", "1000:shadow", "1000:disk", "1000:docker")
USERS = (*ROOTS, *GROUPS)
SECRET = "c4nary-V4lue-0815"
PATHS = (
    *("/", "/boot", "/dev", "/etc", "/home", "/home/alice", "/home/alice/.ssh", "/home/alice/.kube", "/lib", "/opt"),
    *("/proc", "/proc/1", "/root", "/root/.bashrc", "/run", "/srv", "/sys", "/sys/fs/cgroup", "/tmp", "/usr", "/var"),
    *("/etc/openclaw", "/etc/openclaw/", "/etc/openclaw-acme", "/etc/openclaw/secrets", "/etc/openclaw/previous/x"),
    *("/var/lib/openclaw-hardening", "/var/lib/openclaw-hardening/image.json", "/var/lib/openclaw-acme-hardening"),
    *("/var/lib/openclaw-hardening-build", "/etc/ssl/private", "/etc/ssl/private/host.key", "/etc/letsencrypt"),
    *("/etc/wireguard", "/etc/kubernetes/admin.conf", "/etc/krb5.keytab", "/etc/NetworkManager/system-connections"),
    *("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/sudoers.d", "/etc/ssh/ssh_host_ed25519_key", "/etc/passwd-"),
    *("/var/lib/docker", "/var/lib/docker/volumes/x/_data", "/var/lib/containerd", "/var/lib/kubelet", "/var/backups"),
    *("/var/lib/libvirt/images", "/var/lib/incus", "/var/lib/postgresql", "/var/log", "/var/log/auth.log", "/var/mail"),
    *("/var/spool/cron", "/var/lib/systemd", "/var/lib/sss", "/var/lib/private", "/lib/modules", "/usr/lib/systemd"),
    *("//etc", "/etc/../etc/ssl/private", "/var/run", "/srv/../root"),
)
SOCKETS = (
    *("/var/run/docker.sock", "/run/docker.sock", "/srv/engine.sock", "/opt/d.socket", "/run/d", "/run/podman"),
    *(
        "/run/containerd/containerd.sock",
        "/run/crio",
        "/run/buildkit/buildkitd.sock",
        "/home/alice/.colima/docker.sock",
    ),
    *("/run/dbus/system_bus_socket", "/run/dbus", "/var/run/dbus", "/run/user/1000/bus", "/run/libvirt/libvirt-sock"),
    *("/run/libvirt", "/var/lib/incus/unix.socket", "/var/lib/lxd", "/var/snap/lxd/common/lxd/unix.socket"),
    *("/run/systemd/private", "/run/systemd/notify", "/run/snapd.socket", "/run/k3s", "/run/udev", "/run/lxc"),
)
FILE_SYSTEMS = (
    *({"type": "ext4", "device": "/dev/sda1"}, {"type": "xfs", "device": "/dev/mapper/root"}),
    *({"type": "overlay", "device": "overlay", "o": "lowerdir=/"}, {"type": "devtmpfs", "device": "devtmpfs"}),
    *({"type": "proc", "device": "proc"}, {"type": "sysfs", "device": "sysfs"}, {"type": "debugfs", "device": "none"}),
    *({"type": "cgroup2", "device": "none"}, {"type": "btrfs", "device": "/dev/sda2", "o": "subvol=/"}),
    *({"type": "nfs", "device": ":/export", "o": "addr=192.0.2.1"}, {"type": "cifs", "device": "//nas/x"}),
    *({"type": "none", "device": "/etc", "o": "bind"}, {"type": "ext4", "device": "/root", "o": "ro,bind"}),
    *({"device": "/", "o": "rbind,ro"}, {"type": "none", "device": "/dev/sda1"}, {"device": "/dev/vda"}),
    *({"mountpoint": "/"}, {"type": "tmpfs", "device": "tmpfs", "o": "exec,size=1m"}, {"type": "tmpfs"}),
    *({"type": "tmpfs", "device": "tmpfs", "o": "size=1000g"}, {"type": "fuse.sshfs", "device": "me@host:/"}),
)
VOLUMES = (
    *({"external": True}, {"external": True, "name": "elsewhere"}, {"driver": "vieux/sshfs"}, {"driver": "rclone"}),
    *({"driver": "local-persist", "driver_opts": {"mountpoint": "/"}}, {"driver": "nfs"}, {"driver": "cloudstor:aws"}),
    *({"external": {"name": "elsewhere"}}, {"external": "true"}),
)
DRIVERS = ("macvlan", "ipvlan", "overlay", "host", "weave", "calico", "l2bridge", "transparent")
BRIDGE = "com.docker.network.bridge."
NETWORK_OPTIONS = (
    *((f"{BRIDGE}gateway_mode_ipv4", "routed"), (f"{BRIDGE}gateway_mode_ipv4", "nat-unprotected")),
    *((f"{BRIDGE}gateway_mode_ipv6", "routed"), (f"{BRIDGE}gateway_mode_ipv6", "nat-unprotected")),
    *((f"{BRIDGE}trusted_host_interfaces", "eth0"), (f"{BRIDGE}default_bridge", "true"), (f"{BRIDGE}name", "docker0")),
    *((f"{BRIDGE}name", "br0"), (f"{BRIDGE}name", "virbr0"), ("parent", "eth0"), ("com.example.own", "1")),
)
HEALTH = (
    *("true", ":", "exit 0", "echo http://127.0.0.1:18789", "curl http://127.0.0.1:18789/healthz || true"),
    *("curl http://127.0.0.1:18789/healthz", "curl -s http://localhost:18789/healthz || exit 1"),
    *("curl -f http://127.0.0.1:18789/healthz | cat", "curl -f http://127.0.0.1:18789/healthz | tee /tmp/x"),
    *("curl -f http://127.0.0.1:18789/healthz; true", "curl -f http://127.0.0.1:18789/healthz ; echo done"),
    *("curl -f http://127.0.0.1:18789/healthz &", "! curl -f http://127.0.0.1:18789/healthz"),
    *("curl -f http://127.0.0.1:18789/healthz || exit 0", "curl -f http://127.0.0.1:18789/healthz || echo down"),
    *("curl -f https://example.org/", "wget -q http://127.0.0.1:18789/healthz | head -1", "test -e /app", "node -v"),
    *("if curl -f http://127.0.0.1:18789; then exit 0; else exit 0; fi", "wget -qO- http://127.0.0.1:18789 || :"),
)
HEALTH_LISTS = (
    ["NONE"],
    ["CMD", "true"],
    ["CMD", "curl", "http://127.0.0.1:18789/healthz"],
    ["CMD", "sh", "-c", "curl -f http://127.0.0.1:18789/healthz | cat"],
    ["CMD", "node", "-e", "fetch('http://127.0.0.1:18789/healthz').then(()=>process.exit(0))"],
)
TIMES = (
    *({"retries": 1_000_000}, {"interval": "24h"}, {"timeout": "48h"}, {"start_period": "1000h"}, {"retries": 9999}),
    *({"interval": "30m", "retries": 3},),
)
SECRETS = (
    *("PGPASSWORD", "MYSQL_PWD", "OPENAI_KEY", "ANTHROPIC_API_KEY", "BOT_TOKEN", "SMTP_PASS", "DB_PASSWORD"),
    *("JWT_SECRET", "SESSION_COOKIE", "AWS_SECRET_ACCESS_KEY", "TELEGRAM_BOTTOKEN", "TOKEN_MAIN", "REDIS_PW"),
)
SHAPED = (
    *(
        "https://hooks.slack.com/services/T000/B000/abcdefghijkl",
        "https://discord.com/api/webhooks/1234567/abc-DEF_123",
    ),
    *("postgres://me:hunter22@db/x", "https://example.org/x?access_token=abcdefgh1234", "glpat-abcdefghijklmnopqrst"),
    *("-----BEGIN PRIVATE KEY-----", "https://acme.webhook.office.com/webhookb2/1/IncomingWebhook/2/3"),
)
COMMANDS = (["notify", "--token", SECRET], ["sh", "-c", f"BOT_TOKEN={SECRET} notify"], ["curl", SHAPED[0]])
SYSCTLS = (
    *("net.ipv4.ip_forward", "net.ipv4.conf.all.route_localnet", "net.ipv6.conf.all.forwarding", "kernel.core_pattern"),
    *("net.ipv4.conf.all.accept_redirects", "net/ipv4/ip_forward", "kernel.domainname", "net.bridge.bridge-nf-call"),
)
OPTIONS = (
    *("no-new-privileges:false", "no-new-privileges=0", "seccomp=unconfined", "seccomp:unconfined"),
    *("seccomp=/etc/docker/own.json", "apparmor=unconfined", "apparmor=mine", "apparmor:mine", "label=disable"),
    *("label:disable", "label=type:spc_t", "label=type:mine_t", "label:type:unconfined_t", "label=user:unconfined_u"),
    *("systempaths=unconfined", "systempaths:unconfined", "writable-cgroups=true", "writable-cgroups", "own=1"),
)
PROFILES = (
    {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["reboot"], "action": "SCMP_ACT_ERRNO"}]},
    {"defaultAction": "SCMP_ACT_LOG", "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}]},
    {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read", "mount"], "action": "SCMP_ACT_ALLOW"}]},
)

# Key of a service to its weak values; each is set alone.
VALUES: dict[str, tuple[Any, ...]] = {
    "user": USERS,
    "group_add": tuple([name] for name in ("0", "42", "6", "998", "docker", "disk", "shadow", "root", "+0", "042", 42)),
    "privileged": (True, "true"),
    "read_only": (False, "false"),
    "cap_add": (["SYS_ADMIN"], ["ALL"], ["cap_net_raw"], ["NET_ADMIN"]),
    "cap_drop": ([], ["NET_RAW"]),
    "network_mode": ("host", "bridge", "default", "container:other", "service:other", "somebodys", "ns:/proc/1/ns/net"),
    "pid": ("host", "container:x", "service:x"),
    "ipc": ("host", "shareable", "container:x", "service:x"),
    "uts": ("host",),
    "userns_mode": ("host",),
    "cgroup": ("host",),
    "cgroup_parent": ("/foreign", "machine.slice", "/"),
    "runtime": ("nvidia", "sysbox-runc", "/srv/runc", "mine"),
    "sysctls": (*({name: 1} for name in SYSCTLS), [f"{SYSCTLS[0]}=1"]),
    "devices": (["/dev/kvm"], [{"source": "/dev/sda", "target": "/dev/sda"}], ["vendor.com/class=gpu"]),
    "device_cgroup_rules": (["a *:* rwm"],),
    "gpus": ("all", [{"count": 1}]),
    "use_api_socket": (True,),
    "volumes_from": (["container:other"], ["container:other:ro"], ["elsewhere:ro"]),
    "tmpfs": (
        ["/tmp"],
        "/tmp:exec,size=1m",
        ["/tmp:size=1000g"],
        ["/tmp:size=99%"],
        ["/tmp:size=0"],
        ["/t:nr_blocks=9999999999"],
    ),
    "shm_size": ("1000g", 1 << 40),
    "mem_limit": ("1t", "1024g", None, 0, "-1", 1 << 40),
    "memswap_limit": ("-1", "1024g"),
    "cpus": (None, 0, "0", 1000),
    "cpu_rt_runtime": (950000,),
    "pids_limit": (None, 0, -1, 4194304, "1000000"),
    "oom_kill_disable": (True, "true"),
    "oom_score_adj": (-500, "-1000"),
    "restart": ("always", "unless-stopped", "on-failure", "on-failure:50"),
    "command": COMMANDS,
    "entrypoint": (*COMMANDS, ["/usr/sbin/sshd", "-D"]),
    "environment": (
        *({name: SECRET} for name in SECRETS),
        *({"INNOCENT": value} for value in SHAPED),
        [f"PGPASSWORD={SECRET}"],
    ),
    "labels": ({"api_token": SECRET}, {"url": SHAPED[0]}, [f"token={SECRET}"]),
    "annotations": ({"api_token": SECRET}, {"run.oci.keep_original_groups": "1"}, {"io.containerd.x": "1"}),
    "healthcheck": (
        {"disable": True},
        *({"test": ["CMD-SHELL", line]} for line in HEALTH),
        *({"test": words} for words in HEALTH_LISTS),
        *TIMES,
    ),
    "logging": ({"driver": "splunk", "options": {"splunk-token": SECRET}},),
    "ports": (
        [{"target": 18789, "published": "18789"}],
        [{"target": 18789, "published": "18789", "host_ip": "0.0.0.0"}],
        [{"target": 18789, "published": "18789", "host_ip": "::"}],
        [{"target": 18789, "published": "18789", "host_ip": "192.0.2.7"}],
        ["18789:18789"],
        ["0.0.0.0:18789:18789"],
        [{"target": 18789, "published": "443", "host_ip": "127.0.0.1"}],
        [{"target": port, "published": str(port), "host_ip": "127.0.0.1"} for port in (18789, 18790)],
    ),
    "deploy": (
        {"resources": {"limits": {"memory": "1t"}}},
        {"resources": {"limits": {"pids": 4194304}}},
        {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"]}]}}},
        {"restart_policy": {"condition": "any"}},
    ),
    "build": (
        {"context": ".", "args": {"NPM_TOKEN": SECRET}},
        {"context": ".", "network": "host"},
        {"context": ".", "privileged": True},
        {"context": ".", "entitlements": ["security.insecure"]},
        {"context": ".", "ssh": ["default"]},
    ),
    "profiles": (),
}


def made() -> Iterator[Weakening]:
    """Yield the name and the change of every definition."""
    for key, values in VALUES.items():
        for value in values:
            change = keys(**{key: value})
            if key == "network_mode":
                change = both(change, lambda config: config["services"][GATEWAY].pop("networks"))
            yield f"{key}: {value!r}"[:90], change
    yield from _options()
    yield from _mounts()
    yield from _networks()
    yield from _hooks()
    yield from _from_schema()


def _options() -> Iterator[Weakening]:
    for text in OPTIONS:
        yield f"security_opt: {text}", option(text)
    for profile in PROFILES:
        yield f"seccomp: {profile['defaultAction']}", option(f"seccomp={json.dumps(profile)}")
    yield "security_opt: none", keys(security_opt=[])
    for mode, others in itertools.product(("container:x", "service:other", "host"), ({}, {"ports": []})):
        # A profile makes a helper of it.
        yield (
            f"profiles and {mode}",
            both(
                keys(profiles=["x"], network_mode=mode, healthcheck={"disable": True}, **others),
                lambda config: config["services"][GATEWAY].pop("networks"),
            ),
        )
    yield "profiles and no health check", keys(profiles=["x"], healthcheck={"disable": True})


def _mounts() -> Iterator[Weakening]:
    for path in (*PATHS, *SOCKETS):
        yield f"bind of {path}", bind(path)
        yield f"volume of {path}", volume({"driver_opts": {"type": "none", "o": "bind", "device": path}})
        yield (
            f"secret of {path}",
            both(
                keys(secrets=[{"source": "weak", "target": "/x"}]),
                lambda config, path=path: config["secrets"].update(weak={"name": "weak", "file": path}),
            ),
        )
    for path in ("/run/docker.sock", "/etc", "/"):
        yield f"short {path}", lambda config, path=path: config["services"][GATEWAY]["volumes"].append(f"{path}:/x:ro")
    for options in FILE_SYSTEMS:
        yield f"volume with {options}", volume({"driver": "local", "driver_opts": options})
    for definition in VOLUMES:
        yield f"volume {definition}", volume(definition)
    for kind in ("npipe", "image", "cluster"):
        yield f"mount of type {kind}", bind("/srv/x", type=kind)
    yield "writable bind", bind("/srv/x", read_only=False)
    yield "writable below", bind("/srv/x", bind={"recursive": "writable"})
    yield "writable volume", volume({}, read_only=False)
    yield "shared mount", bind("/srv/x", bind={"propagation": "rshared"})
    yield "shared volume", volume({"driver_opts": {"type": "none", "o": "bind,rshared", "device": "/srv/x"}})
    yield (
        "tmpfs with programs",
        lambda config: config["services"][GATEWAY]["volumes"].append(
            {"type": "tmpfs", "target": "/x", "tmpfs": {"size": "1m", "options": [["exec"]]}}
        ),
    )
    yield (
        "tmpfs of a terabyte",
        lambda config: config["services"][GATEWAY]["volumes"].append(
            {"type": "tmpfs", "target": "/x", "tmpfs": {"size": str(1 << 40)}}
        ),
    )


def _networks() -> Iterator[Weakening]:
    for driver in DRIVERS:
        yield f"network driver {driver}", network(driver=driver)
    for name, value in NETWORK_OPTIONS:
        yield f"network option {name}={value}", network(driver_opts={name: value})
    for external in (True, "true", {"name": "proxy"}):
        yield f"external network {external}", network(external=external)
    yield "address driver", network(ipam={"driver": "dhcp"})
    yield "address options", network(ipam={"options": {"a": "b"}})
    sysctls = {"com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.route_localnet=1"}
    yield "options of the endpoint", keys(networks={"gateway": {"driver_opts": sysctls}})
    yield (
        "one network more",
        both(
            keys(networks={"gateway": None, "proxy": None}),
            lambda config: config["networks"].update(proxy={"name": "proxy", "external": True}),
        ),
    )


def _hooks() -> Iterator[Weakening]:
    for place in ("post_start", "pre_stop"):
        for user in USERS:
            yield f"{place} as {user}", keys(**{place: [{"command": ["x"], "user": user}]})
        yield f"{place} privileged", keys(**{place: [{"command": ["x"], "privileged": True}]})
        for command in COMMANDS:
            yield f"{place} {command[0]}", keys(**{place: [{"command": command}]})
        for name in SECRETS:
            yield f"{place} with {name}", keys(**{place: [{"command": ["x"], "environment": {name: SECRET}}]})
    watched = {"action": "sync+exec", "path": ".", "target": "/app", "exec": {"command": ["x"], "user": "root"}}
    yield "develop.watch as root", keys(develop={"watch": [watched]})


def _from_schema() -> Iterator[Weakening]:
    """Keys that are never right, with what the schema makes of them, and keys that no schema has."""
    service = properties("service")
    for key in ("provider", "credential_spec", "isolation", "external_links", "models", "extends"):
        yield f"{key} of the schema", keys(**{key: sample(service[key])})
    yield "provider: /bin/sh", keys(provider={"type": "/bin/sh"})
    for key in ("privileged", "entitlements", "ssh"):
        part = service["build"]["oneOf"][1]["properties"][key]
        yield f"build.{key} of the schema", keys(build={"context": ".", key: sample(part)})
    for key in ("external", "driver", "driver_opts", "template_driver"):
        part = {key: sample(properties("secret")[key])}
        yield (
            f"secret with {key}",
            both(keys(secrets=[{"source": "weak"}]), lambda config, part=part: config["secrets"].update(weak=part)),
        )
    for key in ("external", "template_driver"):
        part = {key: sample(properties("config")[key])}
        yield (
            f"config with {key}",
            both(keys(configs=[{"source": "weak"}]), lambda config, part=part: config.update(configs={"weak": part})),
        )
    yield (
        "config with a secret",
        both(
            keys(configs=[{"source": "weak", "target": "/x"}]),
            lambda config: config.update(configs={"weak": {"content": f"url: {SHAPED[2]}"}}),
        ),
    )
    for text in (f'{{"token": "{SECRET}"}}', f"password: {SECRET}", f"DB_PASSWORD={SECRET}"):
        yield (
            f"config with {text[:10]}",
            both(
                keys(configs=[{"source": "weak", "target": "/x"}]),
                lambda config, text=text: config.update(configs={"weak": {"content": text}}),
            ),
        )
    yield "ulimit for real time", keys(ulimits={"rtprio": 99})
    yield "user as a number", keys(user=0)
    for name in ("DOCKER_HOST", "CONTAINER_HOST"):
        yield f"variable {name}", variable(name, "tcp://192.0.2.1:2375")
    for key in ("include", "models"):
        part = sample(SCHEMA["properties"][key])
        yield f"{key} of the project", lambda config, key=key, part=part: config.update({key: part})
    yield "unknown key of the project", lambda config: config.update(grants=[1])
    yield "unknown key of the service", keys(grants=["everything"])
    yield "unknown key of the network", network(grants=1)
    yield "unknown key of the volume", volume({"grants": 1})
    yield "unknown key of the mount", bind("/srv/x", grants=1)
    yield "unknown key of the health check", keys(healthcheck={"grants": 1})
    yield "unknown key of a hook", keys(post_start=[{"command": ["x"], "grants": 1}])


# --- harmless values ----------------------------------------------------------------------------------------------


def harmless(table: dict[str, Any]) -> Iterator[Weakening]:
    """Yield a definition for each key of a service that is harmless, with what the schema makes of it."""
    for key, part in properties("service").items():
        if table.get(key, True) is False:
            yield key, keys(**{key: sample(part)})
