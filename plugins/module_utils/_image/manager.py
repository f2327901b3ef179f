# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The hardened image from look to act: which image there is, what is wanted, and how the name gets to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._files import managed, safe_path
from ansible_collections.openclaw.hardening.plugins.module_utils._files.regular import pieces, regular
from ansible_collections.openclaw.hardening.plugins.module_utils._image import apt, build, cleanup, verify
from ansible_collections.openclaw.hardening.plugins.module_utils._image import base as image_base
from ansible_collections.openclaw.hardening.plugins.module_utils._image import place as image_place
from ansible_collections.openclaw.hardening.plugins.module_utils._image import recipe as image_recipe
from ansible_collections.openclaw.hardening.plugins.module_utils._image import record as image_record
from ansible_collections.openclaw.hardening.plugins.module_utils._image.network import Network
from ansible_collections.openclaw.hardening.plugins.module_utils._system import lock, progress

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from docker import DockerClient


@dataclass(frozen=True)
class Settings:
    """Where and how to build."""

    docker_host: str
    app_path: str
    record_dir: str
    timeout: int
    # Where the base is made; empty: the first usual place that will do.
    build_dir: str = ""
    network: Network = field(default_factory=Network)

    @property
    def record(self) -> str:
        """The record of the last verified build."""
        return f"{self.record_dir}/image.json"

    @property
    def log(self) -> str:
        """The log of the last build; ``tail -f`` on it shows how far a running one is."""
        return f"{self.record_dir}/build.log"


class ImageManager:
    """Makes one name belong to one verified image."""

    def __init__(self, module: AnsibleModule, recipe: image_recipe.Recipe, settings: Settings) -> None:
        """Take what is wanted; nothing is looked at yet."""
        self.module = module
        self.recipe = recipe
        self.settings = settings

    def run(self) -> dict[str, Any]:
        """Look, decide, act."""
        return self._guarded(self._run)

    def _guarded(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Do work; a full disk, and a daemon that goes away, are refusals like others."""
        try:
            return work()
        except client.daemon_errors() as error:
            if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
                raise safe_path.failed(str(error.filename or self.settings.record_dir), error) from error
            raise client.lost(self.settings.docker_host, error) from error

    def _run(self) -> dict[str, Any]:
        recipe = image_recipe.validate(self.recipe)
        wanted = image_recipe.content_hash(recipe, self._platform())
        api = self._client()
        existing = self._look(api, wanted) if api else image_recipe.Existing()
        plan = image_recipe.decide(recipe, wanted, existing)
        if "build" in plan.actions:
            self._base_order(api)  # what stands in its way is reported before anything is changed
        if not plan.actions or self.module.check_mode or api is None:
            return self._result(wanted, plan)
        managed.ensure_directory(self.settings.record_dir, 0o700, 0, 0)
        with self._lock(), progress.log("image", recipe.name):
            # Another run may have built meanwhile.
            existing = self._look(api, wanted)
            plan = image_recipe.decide(recipe, wanted, existing)
            done = self._act(api, wanted, existing, plan) if plan.actions else {}
            return {**self._result(wanted, plan), **done}

    def _result(self, wanted: str, plan: image_recipe.Plan) -> dict[str, Any]:
        """Return what the plan comes to."""
        identity = plan.after["image_id"] if plan.after["image_id"].startswith("sha256:") else ""
        return {
            "changed": bool(plan.actions),
            "ref": self.recipe.name,
            "image_id": identity,
            "content_hash": wanted,
            "actions": list(plan.actions),
            "diff": {"before": plan.before, "after": plan.after},
            "report": self._recorded(identity),
            "record": self._record_of(identity),
        }

    def remove(self) -> dict[str, Any]:
        """Take both names away."""
        return self._guarded(self._remove)

    def _remove(self) -> dict[str, Any]:
        client.reference("name", self.recipe.name)
        api = self._client()
        names = [self.recipe.name, self.recipe.previous]
        found = {name: client.find_image(api, name) if api else None for name in names}
        there = [
            name
            for name, image in found.items()
            if image and not cleanup.foreign(image, name, self.settings.record_dir)
        ]
        clean = ["clean"] if api and self._stale_files(api) != cleanup.StaleFiles() else []
        if api and not self.module.check_mode:
            with self._lock():
                cleanup.remove(api, self.recipe.name, self._stale_files(api))
                for name in there:
                    client.remove_unused(api, name)
                managed.remove(self.settings.record)
        return {
            "changed": bool(there or clean),
            "ref": self.recipe.name,
            "image_id": "",
            "actions": [*clean, *(f"untag {name}" for name in there)],
            "diff": {"before": {"images": there}, "after": {"images": []}},
        }

    def _lock(self) -> AbstractContextManager[None]:
        """One run at a time; where there are no records, there was none to take turns with."""
        if managed.look_directory(self.settings.record_dir) is None:
            return nullcontext()
        return lock.lock(f"{self.settings.record_dir}/image.lock", self.settings.timeout, "timeout")

    def _platform(self) -> str:
        """Return what the base depends on, and refuse a base that cannot be made."""
        base = self.recipe.base
        host = image_base.distribution()
        if base.source == "registry":
            client.reference("base.ref", base.ref, digest=True)
            return host.architecture
        if base.ref:
            raise HardeningError("base.ref", repr(base.ref[:80]), "nothing with the source 'debian'", "base.source")
        if host.name not in ("debian", "ubuntu") or not host.codename:
            found = f"{host.name or 'an unknown system'} {host.codename}".strip()
            raise HardeningError("this host", found, "Debian or Ubuntu, or the base 'registry'", "base.source")
        return host.identity

    def _client(self) -> DockerClient | None:
        """Connect; only a prediction may do without."""
        connect = client.client_if_installed if self.module.check_mode else client.client
        return connect(self.settings.docker_host, stream_timeout=self.settings.timeout)

    def _look(self, api: DockerClient, wanted: str) -> image_recipe.Existing:
        """Read the images that matter."""
        tagged = client.find_image(api, self.recipe.name)
        same = [tagged] if tagged and tagged.labels.get(image_recipe.CONTENT_LABEL) == wanted else []
        if not same:
            same = client.images_by_label(api, f"{image_recipe.CONTENT_LABEL}={wanted}")
        previous = client.find_image(api, self.recipe.previous)
        names = {self.recipe.name: tagged, self.recipe.previous: previous}
        cleanup.refuse_foreign(names, self.settings.record_dir)
        recorded = str(self._record().get("image_id", ""))
        has_stale_files = self._stale_files(api) != cleanup.StaleFiles()
        return image_recipe.Existing(tagged, previous, image_recipe.choose(same, tagged), recorded, has_stale_files)

    def _stale_files(self, api: DockerClient) -> cleanup.StaleFiles:
        return cleanup.find(api, self.recipe.name, self.settings.record_dir, self.settings.build_dir)

    def _act(
        self, api: DockerClient, wanted: str, existing: image_recipe.Existing, plan: image_recipe.Plan
    ) -> dict[str, Any]:
        """Carry the plan out; returns what the prediction could not know."""
        started = time.monotonic()
        cleanup.remove(api, self.recipe.name, self._stale_files(api))
        current = existing.same_content
        if current and "build" not in plan.actions:
            return self._reuse(api, existing, plan, current)
        base_ref, base_digest = self._base(api)
        if current and base_digest and current.labels.get(image_recipe.BASE_LABEL) == base_digest:
            return self._unchanged(api, existing, plan, current)
        known = self._known()
        order = build.Order(
            self.recipe,
            wanted,
            base_ref,
            base_digest,
            self.settings.docker_host,
            self.settings.log,
            self.settings.timeout,
            self.settings.network,
        )
        image = build.build(api, order, known)
        evidence = build.verify(api, image, self.settings.app_path, known)
        report = {**summary(evidence), "seconds": round(time.monotonic() - started, 1)}
        # In this order a disk that is full, or a kill, leaves the name where it is.
        self._write_record(image.id, wanted, base_digest or base_ref, report)
        self._name(api, existing, image.id)
        client.remove_unused(api, build.candidate(self.recipe.name, wanted))
        after = {**plan.after, "image_id": image.id, "base": base_digest or base_ref}
        diff = {"before": plan.before, "after": after}
        return {"image_id": image.id, "report": report, "record": self._record(), "diff": diff}

    def _base_order(self, api: DockerClient | None) -> tuple[image_base.Order | None, client.Image | None]:
        """Return which base a build needs and, when that is not due, the image that there is.

        :raises HardeningError: it is due, and cannot be made on this host.
        """
        base, build_dir = self.recipe.base, self.settings.build_dir
        if base.source == "registry":
            return None, None
        host = image_base.distribution()
        order = image_base.Order(
            host,
            base.packages,
            apt.sources(host.codename),
            self.settings.network,
            build_dir or image_place.PLACES[0],
            cleanup.base_prefix(self.settings.record_dir),
            self.settings.timeout,
        )
        found = client.find_image(api, order.name) if api else None
        if found and not image_base.is_due(found, base.max_age_days, base.refresh):
            return order, found
        return replace(order, place=image_place.chosen(build_dir)), None

    def _base(self, api: DockerClient) -> tuple[str, str]:
        """Return reference and digest of the base, made again when it is due."""
        order, found = self._base_order(api)
        if order is None:
            return self.recipe.base.ref, ""
        if found:
            return order.name, found.labels.get(image_base.DIGEST_LABEL, "")
        return order.name, image_base.make(self.module, api, self.settings.docker_host, order)

    def _known(self) -> verify.Secrets:
        """Return what must not be in the image; the CA for everything is mounted into the container instead."""
        contents = {name: _read(path) for name, path in self.recipe.secrets.items()}
        ca = self.settings.network.ca.encode()
        return verify.secrets({**({build.CA_SECRET: ca} if ca else {}), **contents})

    def _reuse(
        self, api: DockerClient, existing: image_recipe.Existing, plan: image_recipe.Plan, image: client.Image
    ) -> dict[str, Any]:
        """Take an image that is there; one that this host has no record of is verified like a new one."""
        done: dict[str, Any] = {}
        if "verify" in plan.actions:
            done["report"] = summary(build.verify(api, image, self.settings.app_path, self._known()))
            content, base = (
                image.labels.get(label, "") for label in (image_recipe.CONTENT_LABEL, image_recipe.BASE_LABEL)
            )
            self._write_record(image.id, content, base or self.recipe.base.ref, done["report"])
            done["record"] = self._record()
        if "tag" in plan.actions:
            self._name(api, existing, image.id)
        return done

    def _unchanged(
        self, api: DockerClient, existing: image_recipe.Existing, plan: image_recipe.Plan, current: client.Image
    ) -> dict[str, Any]:
        """A refresh that found nothing newer: at most the name moves, and the record reports that the base is
        current.
        """
        settled = image_recipe.decide(replace(self.recipe, base=replace(self.recipe.base, refresh=False)), "", existing)
        self._reuse(api, existing, settled, current)
        self._save({**self._record(), "base_current": _now()})
        after = {**plan.after, "image_id": current.id, "base": current.labels.get(image_recipe.BASE_LABEL, "")}
        return {
            "changed": bool(settled.actions),
            "actions": list(settled.actions),
            "image_id": current.id,
            "report": self._recorded(current.id),
            "record": self._record_of(current.id),
            "diff": {"before": plan.before, "after": after},
        }

    def _name(self, api: DockerClient, existing: image_recipe.Existing, image_id: str) -> None:
        cleanup.take_name(api, self.recipe.name, image_id, existing.tagged, existing.previous)

    def _write_record(self, image_id: str, wanted: str, base: str, report: dict[str, Any]) -> None:
        """Keep the last verified build on the host."""
        record = {
            "image_id": image_id,
            "ref": self.recipe.name,
            "content_hash": wanted,
            "base": base,
            "verified": _now(),
            "report": report,
        }
        self._save(record)

    def _save(self, record: dict[str, Any]) -> None:
        image_record.save_record(self.settings.record_dir, record)

    def _recorded(self, image_id: str) -> dict[str, Any]:
        """Return the report of an image that was built before, as far as it is known."""
        report = self._record_of(image_id).get("report")
        return report if isinstance(report, dict) else {}

    def _record_of(self, image_id: str) -> dict[str, Any]:
        """Return the record if it is of this image."""
        record = self._record()
        return record if image_id and record.get("image_id") == image_id else {}

    def _record(self) -> dict[str, Any]:
        return image_record.read_record(self.settings.record_dir)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def summary(evidence: verify.Evidence) -> dict[str, Any]:
    """Compare the builder stage with the image."""
    production = {"bytes": evidence.bytes, "packages": evidence.packages}
    builder = evidence.builder
    if not builder.get("bytes") or not builder.get("packages"):
        return {"production": production}
    return {
        "builder": builder,
        "production": production,
        "saved_bytes": builder["bytes"] - production["bytes"],
        "saved_packages_percent": round(100 * (1 - production["packages"] / builder["packages"]), 1),
    }


def _read(path: str) -> bytes:
    """Read one of the builder's files; it was checked before."""
    with regular(path) as file:
        return b"".join(pieces(file))
