# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build, verify and name the hardened image."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hardened_image
short_description: Build and verify the hardened OpenClaw image
version_added: 0.1.0
description:
  - Ensures that a name belongs to an image of exactly this content, built in several stages by BuildKit.
  - The content hash covers the Dockerfile, its context, arguments and the base. An image of the same content, under
    whatever name, is not built again. A second instance on a host only gets another name for it.
  - A build is a candidate until it is verified from its own archive. It is refused, and never gets the name, when it
    runs as root, has no health check, holds setuid files, compilers, installers, apt lists, application files that are
    writable or not root's, or when one of the builder's secrets is in a layer, its configuration or its history (CIS
    Docker Benchmark v1.6.0, 4.1, 4.3, 4.6, 4.8, 4.10; guide, section Dockerfile.hardened).
  - The image before it keeps the name with C(-previous) appended, for a rollback.
  - An image that was built and verified elsewhere, and is on this host by its id, gets the name by O(state=adopted).
  - Until the new image is built, verified and recorded, the name stays where it is, whatever is killed or full. A build
    whose run was killed goes on to its end; the next run waits for it, removes what is left, and converges.
author: OpenClaw Hardening maintainers (@openclaw)
extends_documentation_fragment:
  - openclaw.hardening.attributes
  - openclaw.hardening.docker
attributes:
  action:
    description: Indicates this has a corresponding action plugin, so that parts of it run on the controller.
    support: full
    details:
      - It prints the steps of a long run while it goes on (every few seconds, with the time since each began).
  check_mode:
    details:
      - Nothing is built. Without a Docker daemon a build is predicted.
      - With O(base.refresh=true) a build is predicted, although the real run finds out that nothing is newer.
  diff_mode:
    details:
      - The diff shows content hash, image id and base.
  idempotent:
    support: partial
    details:
      - With O(base.refresh=true) and O(base.source=registry) each run builds again.
options:
  name:
    description: Name and tag of the image, such as C(openclaw:hardened).
    type: str
    required: true
  dockerfile:
    description:
      - Text of the Dockerfile. Its first stage starts C(FROM ${BASE_IMAGE}). A C(# syntax=) line is refused.
      - Needed when O(state=present).
    type: str
    default: ""
  context:
    description: Files of the build context, from plain file name to text.
    type: dict
    default: {}
  checkout_path:
    description:
      - Path of an OpenClaw source tree on the build host. It becomes C(source/) in the build context.
      - C(.git), C(node_modules), C(.env), C(.pnpm-store) and the tree's own C(dist) stay out.
    type: str
    default: ""
  build_args:
    description: Build arguments. They stay in the history, so a name that sounds like a secret is refused.
    type: dict
    default: {}
  secrets:
    description:
      - Files on the build host that single build steps may read, from secret id to path.
      - They reach the builder's steps only. The finished image is searched for what is in them.
    type: dict
    default: {}
  base:
    description: Where the first stage comes from.
    type: dict
    suboptions:
      source:
        description:
          - V(debian) makes a minimal root from the build host's own apt sources with mmdebstrap, which is installed
            when it is missing. The way to them is the one of the host's apt, with its proxies, certificates and logins.
          - V(registry) takes O(base.ref) from a registry.
        type: str
        choices: [debian, registry]
        default: debian
      ref:
        description: A digest-pinned image of Debian or Ubuntu, C(name@sha256:...), for O(base.source=registry).
        type: str
        default: ""
      packages:
        description: Packages of a base that is made on this host, beside the essential ones.
        type: list
        elements: str
        default: []
      max_age_days:
        description: A build makes the base again when it is older than this. Age alone starts no build.
        type: int
        default: 30
      refresh:
        description: Make the base again now and build again when its packages are newer.
        type: bool
        default: false
  app_path:
    description: Where the application is in the image.
    type: str
    default: /app
  record_dir:
    description: Directory of root for the build log and the record of the last verified build. Its parent must exist.
    type: str
    default: /var/lib/openclaw-hardening
  build_dir:
    description:
      - Directory of root in which the base is made, on a file system that is mounted without C(noexec) and C(nodev).
      - Empty takes the first of C(/var/tmp), C(/var/cache) and C(/var/lib) that will do.
    type: str
    default: ""
  proxy:
    description:
      - URL of an HTTP proxy, C(http://HOST:PORT), for each program of a build, on the host and in containers.
      - One with a login is refused, because every user of Docker could read it. What the host's apt is configured with
        goes before it for the packages of the base.
    type: str
    default: ""
  no_proxy:
    description: What is reached without O(proxy), such as C(.example.org). The host itself always is.
    type: list
    elements: str
    default: []
  ca:
    description:
      - Certificates of a CA in PEM, for each program of a build beside the CAs that it knows. Not a secret, and not put
        into the image.
      - A secret with the id C(ca) in O(secrets) takes its place in the builder's steps.
    type: str
    default: ""
  hints:
    description: How the options are called where the caller comes from. A message that names an option adds it.
    type: dict
    default: {}
  timeout:
    description: Seconds that a build may take.
    type: int
    default: 3600
  image_id:
    description:
      - Id of the image that gets the name, for O(state=adopted).
      - May be empty in check mode only, for an image that is not built yet.
    type: str
    default: ""
  record:
    description:
      - The RV(record) of the host that built and verified the image O(image_id), for O(state=adopted).
      - It is written to O(record_dir), because equal ids are equal images. Without it no record is written.
    type: dict
    default: {}
  state:
    description:
      - V(absent) takes the name and the one for the rollback away. Images of other names stay.
      - V(adopted) builds nothing. The image O(image_id) gets the name if it is on this host, else RV(missing) is true.
    type: str
    choices: [present, adopted, absent]
    default: present
seealso:
  - module: openclaw.hardening.image_archive
  - module: openclaw.hardening.image_registry
  - module: openclaw.hardening.hardened_compose
  - name: OpenClaw hardening guide, Dockerfile.hardened
    description: What the image promises.
    link: https://docs.openclaw.ai
"""

EXAMPLES = r"""
- name: Build the hardened image
  openclaw.hardening.hardened_image:
    name: openclaw:hardened
    dockerfile: "{{ lookup('ansible.builtin.template', 'Dockerfile.hardened.j2') }}"
    context:
      package.json: "{{ lookup('ansible.builtin.file', 'package.json') }}"
      package-lock.json: "{{ lookup('ansible.builtin.file', 'package-lock.json') }}"
    secrets:
      npmrc: /etc/npmrc

- name: Take security updates of the distribution, if there are any
  openclaw.hardening.hardened_image:
    name: openclaw:hardened
    dockerfile: "{{ lookup('ansible.builtin.template', 'Dockerfile.hardened.j2') }}"
    base:
      refresh: true

- name: Take the image of the build host, if it is here
  openclaw.hardening.hardened_image:
    state: adopted
    name: openclaw:hardened
    image_id: "{{ built.image_id }}"
    record: "{{ built.record }}"
"""

RETURN = r"""
ref:
  description: The name that was asked for.
  returned: always
  type: str
  sample: openclaw:hardened
image_id:
  description: Id of the image of that name. Empty in check mode when it would be built, and with O(state=absent).
  returned: always
  type: str
  sample: sha256:30d8bb614d3efdbfb5ceca9f2c6cd9226a98f7fd1819efa8a576e01a5b4a0a24
content_hash:
  description: Hash of everything the image is made from.
  returned: when O(state=present)
  type: str
  sample: 7f63f17c3be8dbf1d41b4f274b257cd7dfca7f57229d00725afd9530831d8b21
actions:
  description: What was done, or would be; V(clean) is the removal of what a killed run left.
  returned: always
  type: list
  elements: str
  sample: [build, verify, tag]
missing:
  description: Whether there is no such image on this host; then nothing was done.
  returned: when O(state=adopted)
  type: bool
  sample: false
record:
  description:
    - What is written down about the verified image, for O(record) on other hosts.
    - Empty in check mode before a build.
  returned: when O(state=present)
  type: dict
  sample:
    image_id: sha256:30d8bb614d3efdbfb5ceca9f2c6cd9226a98f7fd1819efa8a576e01a5b4a0a24
    ref: openclaw:hardened
    content_hash: 7f63f17c3be8dbf1d41b4f274b257cd7dfca7f57229d00725afd9530831d8b21
    base: 5f3c4c3b9a7bb2f8a8e5e34c9a2f9d53f1f7fd9d8e7a1d0f2b1c4e6a8f0b2d4c
    verified: "2026-11-25T02:14:09+00:00"
report:
  description: The builder stage against the image, by one definition of bytes (regular files); empty when not known.
  returned: when O(state=present)
  type: dict
  sample:
    builder: {bytes: 1328878784, packages: 171}
    production: {bytes: 635047664, packages: 34}
    saved_bytes: 693831120
    saved_packages_percent: 80.1
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.module_utils._image import adopt as image_adopt
from ansible_collections.openclaw.hardening.plugins.module_utils._image.manager import ImageManager
from ansible_collections.openclaw.hardening.plugins.module_utils._image.options import IMAGE_ARGUMENTS, recipe, settings
from ansible_collections.openclaw.hardening.plugins.module_utils._system import saved_options


def hinted(message: str, hints: dict[str, Any]) -> str:
    """Return a message that names the options also as the caller knows them."""
    for option, name in hints.items():
        message = message.replace(f"set {option!r}", f"set {option!r} ({harmless(str(name))})")
    return message


def adopt(module: AnsibleModule) -> dict[str, Any]:
    """Give the name to an image that came from elsewhere."""
    where = settings(module)
    wanted = image_adopt.wanted(module, where.record_dir)
    result = image_adopt.Adoption(module, wanted, where.docker_host, where.timeout).run()
    if not module.check_mode:
        # An image that is built elsewhere is updated there.
        saved_options.forget(where.record_dir, "image")
    return {**result, "ref": wanted.name, "image_id": wanted.image_id}


def build(module: AnsibleModule) -> dict[str, Any]:
    """Build the image, and keep the options for updates without Ansible."""
    where = settings(module)
    result = ImageManager(module, recipe(module), where).run()
    if not module.check_mode:
        try:
            saved_options.save(where.record_dir, "image", module.params)
        except (HardeningError, OSError) as error:
            module.warn(f"an update without Ansible cannot repeat this build: {error}")
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(IMAGE_ARGUMENTS, supports_check_mode=True)
    try:
        if module.params["state"] == "adopted":
            module.exit_json(**adopt(module))
        if module.params["state"] == "present":
            module.exit_json(**build(module))
        module.exit_json(**ImageManager(module, recipe(module), settings(module)).remove())
    except HardeningError as error:
        module.fail_json(msg=hinted(str(error), module.params["hints"]), **error.details)


if __name__ == "__main__":
    main()
