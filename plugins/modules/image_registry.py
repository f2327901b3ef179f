# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Move an image between hosts through an OCI registry, by digest."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_registry
short_description: Move an image between hosts through an OCI registry, by digest
version_added: 0.1.0
description:
  - Pushes an image from the host that built it, and pulls it on the hosts that run it, by digest and never by tag.
  - After a pull the image must have the promised id, else it is taken away again and never gets a name.
  - The login goes to the daemon with the one request that needs it. It is in no command line and no environment, and
    not in C(~/.docker/config.json); a login that is there is not used.
  - A registry that the daemon talks to without TLS (C(insecure-registries)) is refused, unless it is on this very host.
author: OpenClaw Hardening maintainers (@openclaw)
extends_documentation_fragment:
  - openclaw.hardening.attributes
  - openclaw.hardening.docker
attributes:
  check_mode:
    details:
      - Nothing is pushed, pulled or written. Where the CA is not installed yet the registry is not asked, and a push is
        predicted.
  diff_mode:
    details:
      - The diff shows the digest, or name, image id and time of verification, and the file of the CA.
options:
  state:
    description:
      - V(pushed) ensures that the registry has the image O(image), and reports its digest.
      - V(pulled) ensures that the image O(image_id) is on this host and has the name O(name). Nothing travels when
        it is here.
    type: str
    choices: [pushed, pulled]
    required: true
  repository:
    description: Registry and path, such as C(registry.example:5000/openclaw), without scheme, tag and digest.
    type: str
    required: true
  image:
    description:
      - Id or name of the image to push. Needed for O(state=pushed).
      - May be empty in check mode only, for an image that is not built yet.
    type: str
    default: ""
  digest:
    description:
      - The RV(digest) of the push, for O(state=pulled).
      - May be empty in check mode only, for an image that is not pushed yet.
    type: str
    default: ""
  image_id:
    description:
      - Which image is promised. Needed for O(state=pulled).
      - May be empty in check mode only, for an image that is not built yet.
    type: str
    default: ""
  name:
    description: Name and tag that the image gets here, such as C(openclaw:hardened). Needed for O(state=pulled).
    type: str
    default: ""
  record:
    description: The same as O(openclaw.hardening.hardened_image#module:record).
    type: dict
    default: {}
  username:
    description: Who logs in. Empty means nobody.
    type: str
    default: ""
  password:
    description: The password or token of O(username).
    type: str
    default: ""
  password_file:
    description: A file on this host with the password in one line, which only root can read.
    type: str
    default: ""
  ca:
    description:
      - Certificates in PEM of a private CA. They become C(/etc/docker/certs.d/HOST/ca.crt).
      - Empty leaves what is there, and trusts the CAs of the system.
    type: str
    default: ""
  record_dir:
    description: Directory of root for locks and records. Its parent must exist.
    type: str
    default: /var/lib/openclaw-hardening
  timeout:
    description: Seconds to wait for another run, and for an answer of the daemon.
    type: int
    default: 600
seealso:
  - module: openclaw.hardening.hardened_image
  - module: openclaw.hardening.image_archive
"""

EXAMPLES = r"""
- name: Push the image from the build host
  openclaw.hardening.image_registry:
    state: pushed
    image: "{{ built.image_id }}"
    repository: registry.example:5000/openclaw
    username: builder
    password: "{{ vault_registry_password }}"
    ca: "{{ lookup('ansible.builtin.file', 'registry-ca.crt') }}"
  delegate_to: build.example.net
  run_once: true
  register: pushed

- name: Pull it by digest on each host that lacks it
  openclaw.hardening.image_registry:
    state: pulled
    repository: registry.example:5000/openclaw
    digest: "{{ pushed.digest }}"
    image_id: "{{ built.image_id }}"
    name: openclaw:hardened
    record: "{{ built.record }}"
    username: reader
    password_file: /etc/openclaw-registry-password
"""

RETURN = r"""
image_id:
  description: Id of the image; empty in check mode when it is not built yet.
  returned: always
  type: str
  sample: sha256:30d8bb614d3efdbfb5ceca9f2c6cd9226a98f7fd1819efa8a576e01a5b4a0a24
digest:
  description: Digest of the image in the registry; empty in check mode when it would be pushed.
  returned: always
  type: str
  sample: sha256:0b7a4a1cf3e1f8e7f5bb2c0c0d9f2f3f8d2f35f2bd41d1e6a9d4b6ad2c7e4a11
reference:
  description: Repository and digest in one; empty when the digest is.
  returned: always
  type: str
  sample: registry.example:5000/openclaw@sha256:0b7a4a1cf3e1f8e7f5bb2c0c0d9f2f3f8d2f35f2bd41d1e6a9d4b6ad2c7e4a11
actions:
  description: What was done, or would be.
  returned: always
  type: list
  elements: str
  sample: [ca, pull, tag, record]
moved_layers:
  description: Layers that the registry lacked.
  returned: when O(state=pushed)
  type: int
  sample: 5
moved_bytes:
  description: Bytes that came from the registry, as far as Docker reports them.
  returned: when O(state=pulled)
  type: int
  sample: 198205113
ref:
  description: The name that was asked for.
  returned: when O(state=pulled)
  type: str
  sample: openclaw:hardened
missing:
  description: Whether the image was not on this host before.
  returned: when O(state=pulled)
  type: bool
  sample: true
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openclaw.hardening.plugins.module_utils._core import validate
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client as docker_client
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import registry
from ansible_collections.openclaw.hardening.plugins.module_utils._files import managed
from ansible_collections.openclaw.hardening.plugins.module_utils._image import adopt, archive
from ansible_collections.openclaw.hardening.plugins.module_utils._system import lock
from ansible_collections.openclaw.hardening.plugins.module_utils._system.json_record import read_json, write_json

ARGUMENTS: dict[str, Any] = {
    **docker_client.DOCKER_ARGUMENTS,
    "state": {"type": "str", "choices": ["pushed", "pulled"], "required": True},
    "repository": {"type": "str", "required": True},
    "image": {"type": "str", "default": ""},
    "digest": {"type": "str", "default": ""},
    "image_id": {"type": "str", "default": ""},
    "name": {"type": "str", "default": ""},
    "record": {"type": "dict", "default": {}},
    "username": {"type": "str", "default": ""},
    "password": {"type": "str", "default": "", "no_log": True},
    # A path.
    "password_file": {"type": "str", "default": "", "no_log": False},
    "ca": {"type": "str", "default": ""},
    "record_dir": {"type": "str", "default": "/var/lib/openclaw-hardening"},
    "timeout": {"type": "int", "default": 600},
}


class _Common:
    """What both directions need; everything is checked before anything is touched."""

    def __init__(self, module: AnsibleModule) -> None:
        options = module.params
        self.module = module
        self.docker_host = docker_client.docker_host(options["docker_host"])
        self.where = registry.repository("repository", options["repository"])
        self.ca = registry.certificate_file(self.where, registry.certificate("ca", options["ca"]))
        self.record_dir = validate.own_path("record_dir", options["record_dir"])
        self.timeout = validate.integer("timeout", options["timeout"], 1, 86400)
        self.who = registry.login(options["username"], options["password"], options["password_file"])
        if self.who.password:
            module.no_log_values.add(self.who.password)

    def client(self) -> Any:
        """Connect; only a prediction may do without."""
        connect = docker_client.client_if_installed if self.module.check_mode else docker_client.client
        return connect(self.docker_host, stream_timeout=self.timeout)

    def trust(self) -> tuple[list[str], list[dict[str, str]]]:
        """Put the CA in place; return the action and its diff."""
        existing = managed.look(self.ca.path) if self.ca.content else None
        if not self.ca.content or not managed.differences(existing, self.ca):
            return [], []
        if not self.module.check_mode:
            registry.install_certificate(self.ca)
        return ["ca"], [managed.diff_entry(existing, self.ca)]

    def result(self, identity: str, digest: str) -> dict[str, str]:
        """Return what both directions say."""
        return {"image_id": identity, "digest": digest, "reference": self.where.at(digest) if digest else ""}


class Push(_Common):
    """Makes the registry have an image."""

    def __init__(self, module: AnsibleModule) -> None:
        """Take what is wanted."""
        super().__init__(module)
        self.image: str = module.params["image"]
        if self.image.startswith("sha256:"):
            archive.image_id("image", self.image)
        elif self.image or not module.check_mode:
            docker_client.reference("image", self.image)
        # What this host pushed last; a tag in the registry may have been moved by anybody.
        self.record = f"{self.record_dir}/registry.json"

    def run(self) -> dict[str, Any]:
        """Look, decide, act."""
        api = self.client()
        image = docker_client.find_image(api, self.image) if api and self.image else None
        if image is None and not self.module.check_mode:
            raise HardeningError(f"image {self.image}", "no such image", "one that is on this host", "image")
        trusted, diffs = self.trust()
        digest, moved, pushed = "", 0, False
        if api and image:
            registry.need_tls(api, self.where)
            digest = self._pushed(api, image, known_ca=not (trusted and self.module.check_mode))
            if not digest and not self.module.check_mode:
                digest, moved, pushed = self._push(api, image)
        actions = [*trusted, *(["push"] if pushed or not digest else [])]
        return {
            **self.result(image.id if image else "", digest),
            "changed": bool(actions),
            "actions": actions,
            "moved_layers": moved,
            "diff": [*diffs, {"before": {"digest": "" if pushed else digest}, "after": {"digest": digest or "(new)"}}],
        }

    def _pushed(self, api: Any, image: docker_client.Image, *, known_ca: bool) -> str:
        """Return the digest under which the registry has the image, by our own word for the digest."""
        last = read_json(self.record)
        digest = str(last.get("digest", ""))
        ours = last.get("image_id") == image.id and last.get("repository") == self.where.name
        if not ours or not known_ca:
            return ""
        return digest if docker_client.has_in_registry(api, self.where.at(digest), self.who.auth_config()) else ""

    def _push(self, api: Any, image: docker_client.Image) -> tuple[str, int, bool]:
        managed.ensure_directory(self.record_dir, 0o700, 0, 0)
        with lock.lock(f"{self.record_dir}/registry.lock", self.timeout, "timeout"):
            digest = self._pushed(api, image, known_ca=True)  # another run may have done it
            if digest:
                return digest, 0, False
            digest, moved = registry.push(api, image, self.where, self.who)
            write_json(self.record, {"image_id": image.id, "repository": self.where.name, "digest": digest})
            return digest, moved, True


class Pull(_Common):
    """Makes an image be there, under its name."""

    def __init__(self, module: AnsibleModule) -> None:
        """Take what is wanted."""
        super().__init__(module)
        self.wanted = adopt.wanted(module, self.record_dir)
        self.digest: str = module.params["digest"]
        if self.digest or not module.check_mode:
            registry.digest("digest", self.digest)
        self.moved = 0

    def run(self) -> dict[str, Any]:
        """Look, decide, act."""
        trusted, diffs = self.trust()
        adoption = adopt.Adoption(self.module, self.wanted, self.docker_host, self.timeout)
        result = adoption.run("pull", self._bring)
        if result["missing"] and not self.module.check_mode:
            # It has its own name now, on every host the same.
            docker_client.remove_unused(self.client(), self.where.at(self.digest))
        return {
            **result,
            **self.result(self.wanted.image_id, self.digest),
            "changed": bool(result["changed"] or trusted),
            "actions": [*trusted, *result["actions"]],
            "diff": [*diffs, result["diff"]],
            "ref": self.wanted.name,
            "moved_bytes": self.moved,
        }

    def _bring(self, api: Any) -> None:
        registry.need_tls(api, self.where)
        self.moved = registry.pull(api, self.where, self.digest, self.wanted.image_id, self.who)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    try:
        work = Push(module) if module.params["state"] == "pushed" else Pull(module)
        module.exit_json(**work.run())
    except HardeningError as error:
        module.fail_json(msg=str(error), **error.details)


if __name__ == "__main__":
    main()
