"""The root filesystem of a test host: Debian 13 with systemd, sshd and Docker, made once and kept by content hash."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import mirrors
from shell import LabError, answers, run, say

REPOSITORY = "openclaw-hardening-lab"
SUITE = "trixie"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SERVER = "systemd systemd-sysv dbus python3 sudo openssh-server iproute2 iptables procps ca-certificates"
WHAT_THE_ROLES_INSTALL = [
    "docker.io",
    "docker-cli",
    "docker-compose",
    "docker-buildx",
    "python3-docker",
    "python3-yaml",
    "nftables",
    "mmdebstrap",
]
WHAT_THE_GUIDE_CALLS = "net-tools jq curl"
PACKAGES = [*SERVER.split(), *WHAT_THE_ROLES_INSTALL, *WHAT_THE_GUIDE_CALLS.split()]

# Only what a container cannot do is switched off; everything else is Debian as it comes.
SETUP = r"""
set -e
install -d /etc/systemd/system/systemd-journald.service.d
printf '[Service]\nOOMScoreAdjust=\nLimitNOFILE=\n' > /etc/systemd/system/systemd-journald.service.d/lab.conf
systemctl mask systemd-modules-load.service systemd-firstboot.service
install -d -m 0700 /root/.ssh
rm -f /etc/ssh/ssh_host_* /etc/machine-id
touch /etc/machine-id
install -d /etc/docker
install -d /etc/lab
cat > /usr/local/sbin/lab-init <<'INIT'
#!/bin/sh
# PID 1 until systemd takes over. Docker hands the control groups over read-only: one tree on v2, several on v1.
[ -s /etc/lab/resolv.conf ] && cat /etc/lab/resolv.conf > /etc/resolv.conf
# A copy of a kept host is a host of its own.
if [ -e /etc/lab/new-identity ]; then
  rm -f /etc/lab/new-identity /etc/ssh/ssh_host_*
  old=$(cat /etc/machine-id)
  tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id
  [ ! -d "/var/log/journal/$old" ] || mv "/var/log/journal/$old" "/var/log/journal/$(cat /etc/machine-id)"
  # A directory of a lower layer of overlayfs cannot be renamed (EXDEV): on a server each can.
  for folder in /etc/openclaw /var/lib/openclaw /var/lib/openclaw-hardening; do
    [ -d "$folder" ] && cp -a "$folder" "$folder.new" && rm -rf "$folder" && mv "$folder.new" "$folder"
  done
fi
ssh-keygen -A > /dev/null
mount --make-rshared / # systemd does it on a server, not in a container; LoadCredential= gives nothing without it
mount -o remount,bind,rw /sys/fs/cgroup
[ -e /sys/fs/cgroup/cgroup.controllers ] && exec /sbin/init
for hierarchy in /sys/fs/cgroup/*; do mount -o remount,bind,rw "$hierarchy" 2>/dev/null; done
exec /sbin/init SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
INIT
chmod 0755 /usr/local/sbin/lab-init
"""


def ensure() -> str:
    """Return the name of the host image, making it first when Docker does not have it."""
    sources = mirrors.apt_sources(SUITE)
    recipe = json.dumps([SUITE, PACKAGES, SETUP, sources])
    tag = f"{REPOSITORY}:{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
    if answers("docker", "image", "inspect", tag):
        return tag
    if not KEYRING.exists():
        raise LabError(f"{KEYRING} is missing: install the package debian-archive-keyring")
    with TemporaryDirectory() as work:
        archive = Path(work) / "root.tar"
        setup = Path(work) / "setup"
        setup.write_text(f"#!/bin/sh\nchroot \"$1\" /bin/sh <<'SETUP'\n{SETUP}\nSETUP\n")
        setup.chmod(0o755)
        say(f"making the root filesystem of a {SUITE} host with mmdebstrap (about half a minute, then kept)")
        # As root, mmdebstrap makes every mount it sees private for good: it gets a view of its own.
        aside = ("unshare", "--mount", "--") if os.geteuid() == 0 else ()
        run(*aside, "mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", f"--keyring={KEYRING}",
            f"--customize-hook={setup}", SUITE, str(archive), *sources)  # fmt: skip
        say("importing it as a Docker image")
        run("docker", "import", "--change", 'CMD ["/usr/local/sbin/lab-init"]', str(archive), tag)
    for outdated in run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", REPOSITORY).split():
        if outdated != tag:
            run("docker", "image", "rm", outdated, check=False)  # one that is in use stays
    return tag
