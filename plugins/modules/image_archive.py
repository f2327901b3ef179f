# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Move an image between hosts by content, without an image registry."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_archive
short_description: Move an image between hosts as an archive that proves itself
version_added: 0.1.0
description:
  - Makes an archive of an image where it was built, and out of it the same image, by its id, where it is to run.
  - The id of an image is the SHA-256 of its configuration, which names the SHA-256 of each layer. So the archive proves
    itself. The process that receives it checks all of that before the daemon may act on it, and before the image
    gets a name.
    An archive of another content is refused, and nothing of it is kept.
  - An archive may come from anybody. Only the one form that O(state=exported) writes is accepted, unpacked sizes are
    bounded by O(max_size_mib), nothing is unpacked to a disk by this module, and no name in it becomes a path.
  - With O(controller_cache) archives travel over Ansible's own connection, from the host that exports to the controller
    and from there to the hosts that import, as files and not through memory. Works with a remote user who is not root.
    Nothing travels to a host that has the image, and of the image only the layers that the host lacks.
  - The archive is a tar of layers that are compressed by gzip, level 4, which each supported Python can do.
    C(docker load) takes it, too. Measured with the real image (658 MB), level 1 takes 9 seconds and leaves 225 MB,
    level 4 takes 12 and leaves 202 MB, level 6 takes 36 and leaves 195 MB, the fastest xz takes 74 and leaves 177 MB.
  - Needs the classic image store of Docker. In the one of containerd an id is the hash of something else.
author: OpenClaw Hardening maintainers (@openclaw)
extends_documentation_fragment:
  - openclaw.hardening.attributes
  - openclaw.hardening.docker
attributes:
  action:
    description: Indicates this has a corresponding action plugin, so that parts of it run on the controller.
    support: full
  check_mode:
    details:
      - Nothing is written, loaded or moved. Without a Docker daemon, or before a first build, a change is predicted.
  diff_mode:
    details:
      - The diff shows the archive, or name, image id and time of verification.
options:
  state:
    description:
      - V(exported) ensures that the whole archive of O(image) is in O(directory), or in O(controller_cache).
        One that is whole already is kept.
      - V(imported) ensures that the image O(image_id) is on this host and has the name O(name).
    type: str
    choices: [exported, imported]
    required: true
  image:
    description:
      - Id or name of the image to export. With O(controller_cache) the id is needed.
      - May be empty in check mode only, for an image that is not built yet.
    type: str
    default: ""
  directory:
    description:
      - Where the archive is written, as C(IMAGE-ID.tar) with the mode 0600 and the owner of the directory. When it is
        missing it is made for root alone, but its parent must exist.
      - Needed for O(state=exported) without O(controller_cache).
    type: str
    default: ""
  image_id:
    description:
      - Which image is promised. Needed for O(state=imported).
      - May be empty in check mode only, for an image that is not built yet.
    type: str
    default: ""
  path:
    description:
      - The archive to import. Without it, and without O(controller_cache), an image that is not here is only reported
        by RV(missing).
    type: str
    default: ""
  consume:
    description: Remove O(path) as soon as it is opened, so that it is gone however the run ends.
    type: bool
    default: false
  name:
    description: Name and tag that the image gets, such as C(openclaw:hardened). Needed for O(state=imported).
    type: str
    default: ""
  record:
    description: The same as O(openclaw.hardening.hardened_image#module:record).
    type: dict
    default: {}
  layers:
    description:
      - Layers of the image O(image_id), lowest first. RV(known_layers) is how many of the lowest are here.
    type: list
    elements: str
    default: []
  controller_cache:
    description:
      - Directory on the controller, of the user who runs Ansible, that keeps archives by image id. It is made when it
        is missing. The three that were used last are kept.
      - O(state=exported) brings the archive there, unless it is there. O(state=imported) takes it from there.
    type: str
    default: ""
  max_size_mib:
    description: The most that the layers of an image may come to when they are unpacked.
    type: int
    default: 8192
  record_dir:
    description: Directory of root for locks and the record of the last verified build. Its parent must exist.
    type: str
    default: /var/lib/openclaw-hardening
  timeout:
    description: Seconds to wait for another run, and for an answer of the daemon.
    type: int
    default: 600
seealso:
  - module: openclaw.hardening.hardened_image
  - module: openclaw.hardening.image_registry
"""

EXAMPLES = r"""
- name: Bring the image from the build host to the controller
  openclaw.hardening.image_archive:
    state: exported
    image: "{{ built.image_id }}"
    controller_cache: ~/.cache/openclaw-hardening/images
  delegate_to: build.example.net
  run_once: true

- name: Bring it from the controller to each host that lacks it
  openclaw.hardening.image_archive:
    state: imported
    image_id: "{{ built.image_id }}"
    name: openclaw:hardened
    record: "{{ built.record }}"
    controller_cache: ~/.cache/openclaw-hardening/images

- name: Leave an archive on a USB stick
  openclaw.hardening.image_archive:
    state: exported
    image: openclaw:hardened
    directory: /mnt/stick
"""

RETURN = r"""
image_id:
  description: Id of the image; empty in check mode when it is not built yet.
  returned: always
  type: str
  sample: sha256:30d8bb614d3efdbfb5ceca9f2c6cd9226a98f7fd1819efa8a576e01a5b4a0a24
actions:
  description: What was done, or would be.
  returned: always
  type: list
  elements: str
  sample: [load, tag, record]
moved_bytes:
  description:
    - Bytes that travelled between this host and the controller; without O(controller_cache) those that were written
      (O(state=exported)) or read from O(path) (O(state=imported)). 0 when nothing had to be done.
  returned: always
  type: int
  sample: 202476808
layers:
  description: Layers of the image, lowest first.
  returned: when the image or its archive is there
  type: list
  elements: str
  sample: ["sha256:723b9a60d7902de9029afee5d00a5aa5383a6f8b2b27b573724dd2d9378f61d5"]
archive:
  description: The archive's path; with O(controller_cache) on the controller.
  returned: when O(state=exported)
  type: str
  sample: /srv/images/30d8bb614d3efdbfb5ceca9f2c6cd9226a98f7fd1819efa8a576e01a5b4a0a24.tar
size:
  description: Bytes of the archive; 0 in check mode before it is made.
  returned: when O(state=exported)
  type: int
  sample: 202476808
ref:
  description: The name that was asked for.
  returned: when O(state=imported)
  type: str
  sample: openclaw:hardened
missing:
  description: Whether the image was not on this host before.
  returned: when O(state=imported)
  type: bool
  sample: true
known_layers:
  description: How many of the lowest layers were on this host before, in other images.
  returned: when O(state=imported) and the image was missing
  type: int
  sample: 2
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openclaw.hardening.plugins.module_utils._core import validate
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._files import managed
from ansible_collections.openclaw.hardening.plugins.module_utils._image import adopt, archive_load, archive_save
from ansible_collections.openclaw.hardening.plugins.module_utils._image import archive as image_archive
from ansible_collections.openclaw.hardening.plugins.module_utils._system import lock, progress

ARGUMENTS: dict[str, Any] = {
    **client.DOCKER_ARGUMENTS,
    "state": {"type": "str", "choices": ["exported", "imported"], "required": True},
    "image": {"type": "str", "default": ""},
    "directory": {"type": "str", "default": ""},
    "image_id": {"type": "str", "default": ""},
    "path": {"type": "str", "default": ""},
    "consume": {"type": "bool", "default": False},
    "name": {"type": "str", "default": ""},
    "record": {"type": "dict", "default": {}},
    "layers": {"type": "list", "elements": "str", "default": []},
    "controller_cache": {"type": "str", "default": ""},
    "max_size_mib": {"type": "int", "default": 8192},
    "record_dir": {"type": "str", "default": "/var/lib/openclaw-hardening"},
    "timeout": {"type": "int", "default": 600},
}


class _Common:
    """What both directions need; everything is checked before anything is touched."""

    def __init__(self, module: AnsibleModule) -> None:
        options = module.params
        self.module = module
        self.docker_host = client.docker_host(options["docker_host"])
        self.max_size = validate.integer("max_size_mib", options["max_size_mib"], 1, 1 << 20) << 20
        self.record_dir = validate.own_path("record_dir", options["record_dir"])
        self.timeout = validate.integer("timeout", options["timeout"], 1, 86400)
        if options["controller_cache"]:
            needed = "none: leave it out, and name a place on the host by 'directory' (exported) or 'path' (imported)"
            raise HardeningError("controller_cache", "a run without the controller", needed, "controller_cache")


class Export(_Common):
    """Makes the archive of an image be there."""

    def __init__(self, module: AnsibleModule) -> None:
        """Take what is wanted."""
        super().__init__(module)
        self.image: str = module.params["image"]
        if self.image.startswith("sha256:"):
            image_archive.image_id("image", self.image)
        elif self.image or not module.check_mode:
            client.reference("image", self.image)
        self.directory = validate.own_path("directory", module.params["directory"])

    def run(self) -> dict[str, Any]:
        """Look, decide, act."""
        api = (client.client_if_installed if self.module.check_mode else client.client)(
            self.docker_host, stream_timeout=self.timeout
        )
        image = client.find_image(api, self.image) if api and self.image else None
        if image is None:
            if not self.module.check_mode:
                raise HardeningError(f"image {self.image}", "no such image", "one that is on this host", "image")
            return self._result("", "", (), changed=True)
        path = os.path.join(self.directory, image_archive.file_name(image.id))
        if image_archive.is_whole(path, image.id, self.max_size):
            return self._result(image.id, path, image.layers, changed=False)
        if api and not self.module.check_mode:
            managed.ensure_directory(self.record_dir, 0o700, 0, 0)
            taken = lock.lock(f"{self.record_dir}/archive.lock", self.timeout, "timeout")
            with taken, progress.log("archive", self.image):
                progress.step("saving the image")
                # Another run may have written it meanwhile.
                if not image_archive.is_whole(path, image.id, self.max_size):
                    self._write(api, image, path)
        return self._result(image.id, path, image.layers, changed=True)

    def _write(self, api: Any, image: client.Image, path: str) -> None:
        owner = managed.look_directory(self.directory)
        if owner is None:
            managed.ensure_directory(self.directory, 0o700, 0, 0)
        uid, gid = (owner.uid, owner.gid) if owner else (0, 0)
        managed.write_large(
            managed.ManagedFile(path, b"", 0o600, uid, gid),
            lambda handle: archive_save.save(api, image, handle),
            image_archive.FILE_NAMES,
            trusted={uid},
        )

    def _result(self, identity: str, path: str, layers: tuple[str, ...], *, changed: bool) -> dict[str, Any]:
        size = os.path.getsize(path) if os.path.isfile(path) else 0
        before = path if path and not changed else "(absent)"
        return {
            "changed": changed,
            "image_id": identity,
            "archive": path,
            "size": size,
            "layers": list(layers),
            "actions": ["export"] if changed else [],
            "moved_bytes": size if changed else 0,
            "diff": {"before": {"archive": before}, "after": {"archive": path or "(made)"}},
        }


class Import(_Common):
    """Makes the image of an archive be there, under its name."""

    def __init__(self, module: AnsibleModule) -> None:
        """Take what is wanted."""
        super().__init__(module)
        options = module.params
        self.wanted = adopt.wanted(module, self.record_dir)
        self.path = validate.absolute_path("path", options["path"]) if options["path"] else ""
        self.layers = tuple(image_archive.image_id("layers", layer) for layer in options["layers"])
        self.moved = 0
        self.known = 0

    def run(self) -> dict[str, Any]:
        """Look, decide, act."""
        adoption = adopt.Adoption(self.module, self.wanted, self.docker_host, self.timeout)
        result = adoption.run("load", self._bring if self.path else None)
        result.update(ref=self.wanted.name, image_id=self.wanted.image_id, moved_bytes=self.moved)
        if result["missing"]:
            if not self.path and self.layers:
                api = client.client_if_installed(self.docker_host)
                self.known = archive_load.known_layers(api, self.layers) if api else 0
            result["known_layers"] = self.known
        if self.layers:
            result["layers"] = list(self.layers)
        return result

    def _bring(self, api: Any) -> None:
        with image_archive.opened(self.path, "path") as file:
            if self.module.params["consume"]:
                os.unlink(self.path)
            archive = image_archive.read(file, self.wanted.image_id)
            self.layers = archive.layers
            self.known = archive_load.known_layers(api, archive.layers)
            archive_load.load(api, file, archive, self.max_size, self.known)
            self.moved = os.fstat(file.fileno()).st_size


def main() -> None:
    """Run the module."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    try:
        work = Export(module) if module.params["state"] == "exported" else Import(module)
        module.exit_json(**work.run())
    except HardeningError as error:
        module.fail_json(msg=str(error), **error.details)


if __name__ == "__main__":
    main()
