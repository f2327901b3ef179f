"""A real image registry on the build host: TLS by a private CA, a password, and its own access log."""

from __future__ import annotations

import json
import secrets
from typing import Any

from fleet import Fleet
from lab_host import LabHost

HOST = "registry.test:5000"
REPOSITORY = f"{HOST}/team/openclaw"
CA = f"/etc/docker/certs.d/{HOST}/ca.crt"
USER = "mover"

INSTALL = """
export DEBIAN_FRONTEND=noninteractive
command -v docker-registry >/dev/null || {
  apt-get -qq -o DPkg::Lock::Timeout=120 update </dev/null
  apt-get -qq -o DPkg::Lock::Timeout=120 install -y --no-install-recommends docker-registry </dev/null >/dev/null
}
"""
SETUP = r"""
cd /etc/docker/registry
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test-ca \
  -keyout ca.key -out ca.crt 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=registry.test -keyout key.pem -out csr.pem \
  2>/dev/null
printf 'subjectAltName=DNS:registry.test\n' > san
openssl x509 -req -in csr.pem -CA ca.crt -CAkey ca.key -days 2 -extfile san -out cert.pem 2>/dev/null
chown docker-registry key.pem cert.pem
cat > config.yml <<'EOF'
version: 0.1
log: {level: info}
storage: {filesystem: {rootdirectory: /var/lib/docker-registry}, delete: {enabled: true}}
http:
  addr: :5000
  tls: {certificate: /etc/docker/registry/cert.pem, key: /etc/docker/registry/key.pem}
auth: {htpasswd: {realm: test, path: /etc/docker/registry/htpasswd}}
EOF
systemctl restart docker-registry
"""
# The password comes by standard input and only its hash stays.
HASH = """
import ctypes
crypt = ctypes.CDLL("libcrypt.so.1").crypt
crypt.restype = ctypes.c_char_p
with open("/etc/docker/registry/htpasswd", "wb") as file:
    file.write(USER + b":" + crypt(PASSWORD, b"$2b$05$abcdefghijklmnopqrstuu") + b"\\n")
"""


class Registry:
    """The registry, and what a controller knows about it."""

    def __init__(self, fleet: Fleet) -> None:
        self.host: LabHost = fleet.builder
        self.password = f"canary-{secrets.token_hex(12)}"
        self.host.check(INSTALL)  # first: the package brings an htpasswd of its own, and asks about one that is there
        self.host.check(
            f"python3 - <<'EOF'\nUSER, PASSWORD = {USER.encode()!r}, {self.password.encode()!r}\n{HASH}\nEOF\n{SETUP}"
        )
        for host in fleet.hosts.values():
            host.check(f"grep -q registry.test /etc/hosts || echo '{self.host.address} registry.test' >> /etc/hosts")
        self.ca = self.host.check("cat /etc/docker/registry/ca.crt") + "\n"
        self.ca_file = fleet.folder / "registry-ca.crt"
        self.ca_file.write_text(self.ca)
        self.host.check(f"for _ in $(seq 100); do curl -sk https://{HOST}/ && exit; sleep 0.1; done; exit 1")

    def options(self, **changes: Any) -> dict[str, Any]:
        """Return what the module needs to reach it."""
        return {"repository": REPOSITORY, "username": USER, "password": self.password, "ca": self.ca, **changes}

    def variables(self) -> dict[str, Any]:
        """Return what the role needs to reach it."""
        return {
            "openclaw_image_transport": "registry",
            "openclaw_image_registry": REPOSITORY,
            "openclaw_image_registry_user": USER,
            "openclaw_image_registry_password": self.password,
            "openclaw_image_registry_ca_file": str(self.ca_file),
        }

    def requests(self, since: str) -> list[str]:
        """Return method, status and path of its response since a moment of its host's clock."""
        lines = self.host.check(
            f"journalctl --quiet --output=cat --unit docker-registry --since '@{since}'"
        ).splitlines()
        return [line for line in lines if '"GET /v2/' in line or '"PUT /v2/' in line or '"HEAD /v2/' in line or
                '"POST /v2/' in line or '"PATCH /v2/' in line]  # fmt: skip

    def now(self) -> str:
        return self.host.check("date +%s.%N")

    def digest_of(self, image_id: str) -> str:
        """Return the digest that the build host pushed."""
        record = json.loads(self.host.check("cat /var/lib/openclaw-hardening-build/registry.json"))
        assert record["image_id"] == image_id
        return record["digest"]
