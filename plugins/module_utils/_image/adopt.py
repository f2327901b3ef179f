# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image that came from elsewhere gets its name here, and the record of its verification where it was built."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core import validate
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._files import managed
from ansible_collections.openclaw.hardening.plugins.module_utils._image import archive, cleanup, tags
from ansible_collections.openclaw.hardening.plugins.module_utils._image import record as image_record
from ansible_collections.openclaw.hardening.plugins.module_utils._system import lock, progress

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from docker import DockerClient

# What the audit reads out of a record; see hardened_image.
_TEXTS = ("image_id", "base", "content_hash", "verified")
_TEXT = re.compile(r"[ -~]{0,300}")
_LARGEST_RECORD = 64 << 10


@dataclass(frozen=True)
class Desired:
    """Which image is to have which name, and what is written down about it (nothing: no record is wanted)."""

    name: str
    image_id: str
    record_dir: str
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def previous(self) -> str:
        """The name under which the image before this one stays for a rollback."""
        return tags.previous(self.name)

    @property
    def coming_path(self) -> str:
        """Where the id of an image is kept that comes in and has no name yet."""
        return f"{self.record_dir}/image-coming"


@dataclass(frozen=True)
class Existing:
    """What the host has."""

    image: client.Image | None = None
    tagged: client.Image | None = None
    record: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What is left to do once the image is there, and what a diff shows."""

    actions: tuple[str, ...]
    before: dict[str, str]
    after: dict[str, str]


def wanted(module: AnsibleModule, record_dir: str) -> Desired:
    """Read which image is to have which name from the options that several modules share, or refuse them."""
    options = module.params
    identity = options["image_id"]
    # Before a first build a prediction does not know it.
    if identity or not module.check_mode:
        archive.image_id("image_id", identity)
    name = client.reference("name", options["name"])
    return Desired(name, identity, record_dir, record_of("record", options["record"], identity))


def record_of(option: str, value: dict[str, Any], image_id: str) -> dict[str, Any]:
    """Return the record of an image's verification, or refuse it; empty when there is none.

    :param image_id: of which image it has to be; empty in a prediction, which does not know it.
    """
    if not value or not image_id:
        return {}
    texts = {name: value.get(name) for name in _TEXTS}
    texts["base_current"] = value.get("base_current", "")
    for name, text in texts.items():
        if not isinstance(text, str) or not _TEXT.fullmatch(text):
            raise HardeningError(option, f"{name} {validate.shown(text)}", "what hardened_image returned", option)
    if texts["image_id"] != image_id:
        raise HardeningError(option, f"that of {validate.shown(texts['image_id'])}", f"that of {image_id[:19]}", option)
    report = value.get("report")
    record = {**texts, "report": report if isinstance(report, dict) else {}}
    if len(json.dumps(record)) > _LARGEST_RECORD:
        raise HardeningError(option, "a record that is too large", "what hardened_image returned", option)
    return {name: part for name, part in record.items() if part or name != "base_current"}


def look(api: DockerClient, wanted: Desired) -> Existing:
    """Read the images and the record that matter."""
    names = {name: client.find_image(api, name) for name in (wanted.name, wanted.previous)}
    others = {name: image for name, image in names.items() if image and image.id != wanted.image_id}
    cleanup.refuse_foreign(others, wanted.record_dir)
    return Existing(
        image=client.find_image(api, wanted.image_id) if wanted.image_id else None,
        tagged=client.find_image(api, wanted.name),
        record=image_record.read_record(wanted.record_dir),
    )


def decide(wanted: Desired, existing: Existing) -> Plan:
    """Return what has to be done beside bringing the image; pure."""
    tagged, actions = existing.tagged, []
    if tagged is None or tagged.id != wanted.image_id:
        actions.append("tag")
    if wanted.record and existing.record != _written(wanted):
        actions.append("record")
    before = {
        "image": wanted.name if tagged else "(absent)",
        "image_id": tagged.id if tagged else "(none)",
        "verified": str(existing.record.get("verified", "(no record)")),
    }
    after = {"image": wanted.name, "image_id": wanted.image_id or "(not known yet)"}
    after["verified"] = str(wanted.record.get("verified", before["verified"]))
    return Plan(tuple(actions), before, after)


def act(api: DockerClient, wanted: Desired, existing: Existing, plan: Plan) -> None:
    """Give the name and write the record; the caller holds the lock."""
    if "tag" in plan.actions:
        cleanup.take_name(api, wanted.name, wanted.image_id, existing.tagged, client.find_image(api, wanted.previous))
    if "record" in plan.actions:
        image_record.save_record(wanted.record_dir, _written(wanted))


class Adoption:
    """Makes one name belong to one image of which only the id is known."""

    def __init__(self, module: AnsibleModule, wanted: Desired, docker_host: str, timeout: int) -> None:
        """Take what is wanted; nothing is looked at yet."""
        self.module = module
        self.wanted = wanted
        self.docker_host = docker_host
        self.timeout = timeout

    def run(self, how: str = "", bring: Callable[[DockerClient], None] | None = None) -> dict[str, Any]:
        """Look, decide, act.

        :param how: what ``bring`` is called among the actions.
        :param bring: makes the image be there, without a name; without it an image that is missing is only reported.
        """
        connect = client.client_if_installed if self.module.check_mode else client.client
        api = connect(self.docker_host, stream_timeout=self.timeout)
        existing = look(api, self.wanted) if api else Existing()
        plan = decide(self.wanted, existing)
        missing = existing.image is None
        if missing and bring is None:
            return _result(False, True, [], plan.before, plan.before)
        actions = [*([how] if missing else []), *plan.actions]
        if actions and api and not self.module.check_mode:
            managed.ensure_directory(self.wanted.record_dir, 0o700, 0, 0)
            taken = lock.lock(f"{self.wanted.record_dir}/image.lock", self.timeout, "timeout")
            with taken, progress.log("image", self.wanted.name):
                self._act(api, bring)
        return _result(bool(actions), missing, actions, plan.before, plan.after)

    def _act(self, api: DockerClient, bring: Callable[[DockerClient], None] | None) -> None:
        # Another run may have changed everything meanwhile.
        existing = look(api, self.wanted)
        if existing.image is None:
            if bring is None:
                raise HardeningError(self.wanted.image_id, "no such image any more", "nobody to remove it meanwhile")
            announce(api, self.wanted)
            progress.step("loading the image")
            try:
                bring(api)
            except HardeningError:
                # What is refused was not kept either.
                managed.remove(self.wanted.coming_path)
                raise
        act(api, self.wanted, existing, decide(self.wanted, existing))
        managed.remove(self.wanted.coming_path)


def _result(
    changed: bool, missing: bool, actions: list[str], before: dict[str, str], after: dict[str, str]
) -> dict[str, Any]:
    return {"changed": changed, "missing": missing, "actions": actions, "diff": {"before": before, "after": after}}


def announce(api: DockerClient, wanted: Desired) -> None:
    """Write down which image comes in, and remove the one that a killed run brought in and nobody named."""
    path = wanted.coming_path
    left = managed.look(path, max_size=1024)
    if left is not None and left.type == "file":
        identity = left.content.decode("ascii", "replace").strip()
        if identity != wanted.image_id and re.fullmatch(r"sha256:[0-9a-f]{64}", identity):
            client.remove_nameless(api, identity)
    managed.write(managed.ManagedFile(path, f"{wanted.image_id}\n".encode(), 0o600))


def _written(wanted: Desired) -> dict[str, Any]:
    return {**wanted.record, "ref": wanted.name}
