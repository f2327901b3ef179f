"""Faults in what keeps the container's processes from the host."""

from __future__ import annotations

from harness import SeededFault
from proof import proof

# Handed to root together with the container, so that the gateway starts there, too.
AS_ROOT = "chown {0} $TOKEN /etc/openclaw/openclaw.json"
# The program of the host with its libraries; the same Debian is in the image.
SSHD = """
mkdir -p /root/context/sshd
cp --parents /usr/sbin/sshd /usr/lib/openssh/sshd-* /root/context/sshd
cp --parents $(ldd /usr/sbin/sshd | grep -o '/[^ ]*' | sed 's,^/lib,/usr/lib,') /root/context/sshd
"""

SEEDED_FAULTS = (
    SeededFault(
        "stopped container", "OCH-CTR-01", "[ $(container '{{.State.Running}}') = false ]",
        do="docker stop $C >/dev/null; sleep 2.5",
        undo="systemctl reset-failed; systemctl restart openclaw-gateway.service; stabilize",
    ),
    SeededFault(
        "paused container", "OCH-CTR-01", "[ $(container '{{.State.Paused}}') = true ]",
        do="docker pause $C", undo="docker unpause $C; stabilize",
    ),
    SeededFault(
        "sick container", "OCH-CTR-01", "healthy unhealthy",
        lambda d: d.gateway["healthcheck"].update(
            test=["CMD", "node", "-e", "fetch('http://127.0.0.1:18789/sick').then(r=>process.exit(r.ok?0:1))"],
            interval="1s", retries=2, start_period="1s",
        ),
        state="unhealthy",
        way=None,
    ),
    SeededFault(
        "user root", "OCH-CTR-02", "[ $(status Uid | cut -f1) = 0 ]",
        lambda d: d.gateway.update(user="0:0"),
        before=AS_ROOT.format("0:0"), undo=AS_ROOT.format("openclaw:openclaw"),
        values={"PATH": "/etc/openclaw/secrets/gateway_token /etc/openclaw/openclaw.json"},
    ),
    SeededFault(
        "root group", "OCH-CTR-02", "[ $(status Gid | cut -f1) = 0 ]", lambda d: d.gateway.update(user="1000:0"),
        values={"PATH": "/etc/openclaw/secrets/gateway_token /etc/openclaw/openclaw.json"},
    ),
    SeededFault(
        "group docker beside its own", "OCH-CTR-02", "status Groups | grep -qw $(getent group docker | cut -d: -f3)",
        lambda d: d.gateway.update(group_add=[d.facts["docker"]]),
        values={"PATH": "/etc/openclaw/secrets/gateway_token /etc/openclaw/openclaw.json"},
    ),
    SeededFault(
        "root process beside PID 1", "OCH-CTR-02", "docker top $C -eo pid,uid,args | grep -q ' 0 .*sleep 601'",
        do="docker exec --detach --user 0 $C sleep 601; sleep 0.3", undo="kill $(pgrep -x -f 'sleep 601')",
        values={"PATH": "/etc/openclaw/secrets/gateway_token /etc/openclaw/openclaw.json"},
    ),
    SeededFault(
        # The lab is not privileged itself, and cannot start one that is.
        "privileged, not started", "OCH-CTR-03", "[ $(container '{{.HostConfig.Privileged}}') = true ]",
        lambda d: d.gateway.update(privileged=True), start=False,
    ),
    SeededFault(
        "one capability back", "OCH-CTR-04", "[ $(status CapBnd) = 0000000000002000 ]",
        lambda d: d.gateway.update(cap_add=["NET_RAW"]),
    ),
    SeededFault(
        "Docker's usual capabilities", "OCH-CTR-04", "[ $(status CapBnd) = 00000000a80425fb ]",
        lambda d: d.leave("cap_drop"),
    ),
    SeededFault(
        "only two capabilities dropped, as upstream does", "OCH-CTR-04", "[ $(status CapBnd) != 0000000000000000 ]",
        lambda d: d.gateway.update(cap_drop=["NET_RAW", "NET_ADMIN"]),
    ),
    SeededFault(
        "process of a privileged exec", "OCH-CTR-04",
        "grep -q 'CapBnd:.*[1-9a-f]' /proc/$(pgrep -x -f 'sleep 602')/status",
        do="docker exec --detach --privileged $C sleep 602; sleep 0.3", undo="kill $(pgrep -x -f 'sleep 602')",
    ),
    SeededFault(
        "no-new-privileges false", "OCH-CTR-05", "[ $(status NoNewPrivs) = 0 ]",
        lambda d: d.gateway.update(security_opt=["no-new-privileges:false"]),
    ),
    SeededFault(
        "no-new-privileges left out", "OCH-CTR-05", "[ $(status NoNewPrivs) = 0 ]", lambda d: d.leave("security_opt"),
    ),
    SeededFault(
        "seccomp unconfined", "OCH-CTR-07", "[ $(status Seccomp) = 0 ]",
        lambda d: d.gateway["security_opt"].append("seccomp:unconfined"),
    ),
    SeededFault(
        "AppArmor unconfined", "OCH-CTR-08", "container '{{.HostConfig.SecurityOpt}}' | grep -q apparmor",
        lambda d: d.gateway["security_opt"].append("apparmor:unconfined"),
    ),
    SeededFault(
        "host network", "OCH-CTR-13", "! own net",
        lambda d: (d.leave("networks", "ports", "hostname"), d.gateway.update(network_mode="host")),
    ),
    SeededFault("host pid", "OCH-CTR-14", "! own pid", lambda d: d.gateway.update(pid="host")),
    SeededFault("host ipc", "OCH-CTR-15", "! own ipc", lambda d: d.gateway.update(ipc="host")),
    SeededFault(
        "ipc that others may join", "OCH-CTR-15", "[ $(container '{{.HostConfig.IpcMode}}') = shareable ]",
        lambda d: d.gateway.update(ipc="shareable"),
    ),
    SeededFault(
        "host uts", "OCH-CTR-16", "! own uts", lambda d: (d.leave("hostname"), d.gateway.update(uts="host")),
    ),
    SeededFault(
        "user namespace of the host", "OCH-CTR-17", "[ $(container '{{.HostConfig.UsernsMode}}') = host ]",
        lambda d: d.gateway.update(userns_mode="host"),
    ),
    SeededFault(
        "group of the system's own", "OCH-CTR-02", "grep -q '^Groups:.*42' /proc/$(pid)/status",
        lambda d: d.gateway.update(group_add=["42"]),
    ),
    SeededFault(
        "parameter of the kernel that opens loopback", "OCH-CTR-31",
        "[ $(nsenter -t $(pid) -n cat /proc/sys/net/ipv4/conf/all/route_localnet) = 1 ]",
        lambda d: d.gateway.update(sysctls={"net.ipv4.conf.all.route_localnet": "1"}), values={"KEY": "sysctls"},
    ),
    SeededFault(
        "the host's control group namespace", "OCH-CTR-32",
        "[ $(readlink /proc/$(pid)/ns/cgroup) = $(readlink /proc/1/ns/cgroup) ]",
        lambda d: d.gateway.update(cgroup="host"),
    ),
    SeededFault(
        "foreign control group", "OCH-CTR-18", "grep -q ':/foreign/' /proc/$(pid)/cgroup",
        lambda d: d.gateway.update(cgroup_parent="/foreign"),
    ),
    SeededFault(
        "device", "OCH-CTR-19", "[ -c /proc/$(pid)/root/dev/fuse ]",
        lambda d: d.gateway.update(devices=["/dev/fuse:/dev/fuse:rwm"]),
    ),
    SeededFault(
        "rule for devices", "OCH-CTR-19", "container '{{.HostConfig.DeviceCgroupRules}}' | grep -q 229",
        lambda d: d.gateway.update(device_cgroup_rules=["c 10:229 rwm"]),
    ),
    SeededFault(
        "kernel interfaces unmasked", "OCH-CTR-27", "! grep -q ' /proc/sys ' /proc/$(pid)/mountinfo",
        lambda d: d.gateway["security_opt"].append("systempaths=unconfined"),
    ),
    SeededFault(
        "sshd inside", "OCH-CTR-30", "docker top $C -eo pid,comm | grep -q sshd",
        image="COPY sshd/ /", prepare=SSHD,
        do="docker exec -i $C sh -c 'umask 077; cat > /tmp/key' < /etc/ssh/ssh_host_ed25519_key; "
        "docker exec --detach $C /usr/sbin/sshd -D -f /dev/null -h /tmp/key -p 2222 -o ListenAddress=127.0.0.1; "
        "sleep 0.5",
    ),
)  # fmt: skip

test_it_is_found = proof(SEEDED_FAULTS)
