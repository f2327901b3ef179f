# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the image: that it is the one that was verified, and that the container still holds nothing more.

Sources: the hardening guide ("Dockerfile.hardened", "Verify Capabilities", checklist 1), CIS Docker Benchmark v1.6.0
chapter 4, the OWASP Docker Security Cheat Sheet. A build is verified before it gets its name (``hardened_image``); here
the same is asked of what runs, and of images that others built.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.image import NO_RECORD
from ansible_collections.openclaw.hardening.plugins.module_utils._image.recipe import BASE_LABEL
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import (
    RECREATE,
    Result,
    Rule,
    cis,
    failed,
    guide,
    inconclusive,
    owasp,
    passed,
    skipped,
    verdict,
)

if TYPE_CHECKING:
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Settings
    from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.container_tree import Program, Tree
    from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.image import ImageFacts, Record

OCI_BASE_LABEL = "org.opencontainers.image.base.digest"
_DIGEST = re.compile(r"(?:\S+@)?(?:sha256:)?[0-9a-f]{64}")
_REMOTE = re.compile(r"^(?:/bin/sh -c #\(nop\)\s+)?ADD\s.*?((?:https?|ftp|git|ssh)://|git@)\S", re.IGNORECASE)
_UPDATE = re.compile(r"\b(?:apt-get|apt|aptitude)\s+(?:-\S+\s+)*update\b|\bapk\s+(?:-\S+\s+)*update\b")
_INSTALL = re.compile(r"\b(?:install|(?:dist-|full-)?upgrade|add|source|build-dep|download)\b")
_SHOWN = 5


def _short(identity: str) -> str:
    return identity[:19] or "no image"


def _some(found: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more


def user_effective(image: ImageFacts, _allowed: Baseline) -> Result:
    """CIS 4.1: without a user in the image, one forgotten option makes everything root."""
    observed = (f"image {_short(image.id)}", f"Config.User: {image.user!r}")
    name = image.user.partition(":")[0].strip()
    if name in ("", "root") or (name.isdigit() and int(name) == 0):
        return failed(f"the image runs as {name or 'root (no USER)'}", observed)
    return passed(f"the image runs as {image.user}", observed)


def verified_effective(image: ImageFacts, allowed: Baseline) -> Result:
    """Checklist 1: what runs is the build that was verified, and a new container would be the same."""
    if not allowed.record:
        return skipped("no record of a verified build is named for this container")
    observed = [
        ("docker inspect", f"image {image.id}"),
        (f"image {image.reference}", f"now {image.reference_id or 'no image'}"),
    ]
    if image.record is None:
        check = failed if image.record_problem == NO_RECORD else inconclusive
        return check(
            f"no record of a verified build: {image.record_problem}", *observed, (allowed.record, "not usable")
        )
    observed.append((allowed.record, f"image_id {image.record.image_id}, verified {image.record.verified}"))
    wanted = image.record.image_id
    faults = _record_faults(image.record)
    if image.id != wanted:
        faults.append(f"what runs is {_short(image.id)}, what was verified is {_short(wanted)}")
    if image.reference_id != wanted:
        faults.append(f"{image.reference} now means {_short(image.reference_id)}, not what was verified")
    return verdict(faults, f"{image.reference} is the verified build {_short(wanted)}", *observed)


def _record_faults(record: Record) -> list[str]:
    if record.uid != 0 or record.mode & 0o022:
        return [f"the record can be changed by others than root (uid {record.uid}, mode {record.mode:04o})"]
    return []


def base_effective(image: ImageFacts, allowed: Baseline) -> Result:
    """CIS 4.2: a digest identifies what the image was made from, a tag does not."""
    label = next((name for name in (BASE_LABEL, OCI_BASE_LABEL) if image.labels.get(name)), "")
    base = image.labels.get(label, "")
    observed = [(f"image {_short(image.id)}", f"label {label}: {base}" if label else "no label names a base")]
    if not label:
        return failed("the image does not say what it was made from", *observed)
    if not _DIGEST.fullmatch(base):
        return failed("the base has no digest", *observed)
    if not allowed.record:
        return passed("the base is pinned by its digest", *observed)
    if image.record is None:
        return inconclusive(f"no record to compare the base with: {image.record_problem}", *observed)
    observed.append((allowed.record, f"base {image.record.base}"))
    if base != image.record.base:
        return failed("the base is not the one of the verified build", *observed)
    return passed("the base is pinned by its digest, and is that of the verified build", *observed)


def healthcheck_effective(settings: Settings, image: ImageFacts, _allowed: Baseline) -> Result:
    """CIS 4.6: without a check nobody notices a gateway that hangs."""
    asked, built = settings.healthcheck, image.healthcheck
    observed = [
        (settings.source, f"health check: {' '.join(asked[:3]) or 'none'}"),
        (f"image {_short(image.id)}", f"HEALTHCHECK: {' '.join(built[:3]) or 'none'}"),
    ]
    if asked and asked[0] == "NONE":
        return failed("the health check is switched off (NONE)", *observed)
    if asked:
        return passed("there is a health check", *observed)
    return failed("neither the image nor the definition has a health check", *observed)


def _unwalked(image: ImageFacts) -> Result | Tree:
    if image.tree is None:
        return inconclusive(f"the container's files were not looked at: {image.tree_problem}")
    return image.tree


def _walked(tree: Tree) -> tuple[str, str]:
    return ("the container's own files", f"{tree.entries} entries{f'; {tree.cut}' if tree.cut else ''}")


def setuid_effective(image: ImageFacts, _allowed: Baseline) -> Result:
    """CIS 4.8: a file with these bits makes the process that starts it another user."""
    tree = _unwalked(image)
    if isinstance(tree, Result):
        return tree
    if tree.setuid:
        listed = (("the container's own files", path) for path in tree.setuid[:20])
        return failed(f"{len(tree.setuid)} of them: {_some(tree.setuid)}", _walked(tree), *listed)
    if tree.cut:
        return inconclusive(f"none seen, but not all was looked at: {tree.cut}", _walked(tree))
    return passed("no setuid or setgid file", _walked(tree))


def tools_effective(image: ImageFacts, _allowed: Baseline) -> Result:
    """Guide: production holds no build tools (CIS 4.3: nothing unneeded)."""
    tree = _unwalked(image)
    if isinstance(tree, Result):
        return tree
    if tree.tools:
        listed = (("the container's own files", path) for path in tree.tools[:20])
        return failed(_some(tree.tools), _walked(tree), *listed)
    if tree.cut:
        return inconclusive(f"none seen, but not all was looked at: {tree.cut}", _walked(tree))
    return passed("no compiler, no package manager", _walked(tree))


def secrets_effective(image: ImageFacts, _allowed: Baseline) -> Result:
    """CIS 4.10, OWASP 12: the process that gets the image gets what is written in it."""
    where = f"image {_short(image.id)}"
    counted = f"{len(image.environment)} variables, {len(image.labels)} labels, {len(image.history)} steps of history"
    if not image.secrets:
        return passed("no secret in environment, labels and history", (where, counted))
    listed = [f"{name} ({place})" for place, name in image.secrets]
    return failed(_some(listed), (where, counted), *((where, text) for text in listed[:20]))


def history_effective(image: ImageFacts, _allowed: Baseline) -> Result:
    """CIS 4.7, 4.9: what ADD fetches nobody has checked; an update alone is cached for ever."""
    where = f"image {_short(image.id)}"
    faults, observed = [], []
    for number, step in enumerate(image.history, start=1):
        remote = _REMOTE.search(step)
        if remote:
            faults.append(f"step {number} adds something from the network")
            observed.append((f"{where}, history, step {number}", f"ADD {remote[1]}…"))
        if _UPDATE.search(step) and not _INSTALL.search(step):
            faults.append(f"step {number} only updates the list of packages")
            observed.append((f"{where}, history, step {number}", "an update alone"))
    return verdict(
        faults,
        "nothing fetched by ADD, no update alone",
        (where, f"{len(image.history)} steps of history"),
        *observed[:20],
    )


def owner_effective(image: ImageFacts, _allowed: Baseline) -> Result:
    """OWASP 8 carried into the image: a service that can change its program keeps the process that broke in."""
    tree = _unwalked(image)
    if isinstance(tree, Result):
        return tree
    programs: tuple[Program, ...] = tree.programs
    if not programs:
        return inconclusive("no program was found: no openclaw.mjs, no working directory", _walked(tree))
    faults = [fault for program in programs for fault in program.faults]
    observed = [_walked(tree), *((program.path, f"{program.files} files") for program in programs[:20])]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        listed = (("the container's own files", fault) for fault in faults[:20])
        return failed(f"{faults[0]}{more}", *observed, *listed)
    if tree.cut:
        return inconclusive(f"nothing wrong was seen, but not all was looked at: {tree.cut}", *observed)
    return passed(f"{', '.join(program.path for program in programs)}: all of it is root's", *observed)


RULES: tuple[Rule, ...] = (
    Rule(
        id="OCH-IMG-01",
        title="The image names a user who is not root",
        area="image",
        severity="medium",
        expected="USER in the image, and neither root nor 0",
        remediation=f"add `USER 1000:1000` to the end of the Dockerfile; build the image; {RECREATE}",
        refs=(*cis("4.1"), *owasp(2), *guide("Dockerfile.hardened")),
        needs=("image",),
        effective=user_effective,
    ),
    Rule(
        id="OCH-IMG-02",
        title="What runs is the verified build",
        area="image",
        severity="high",
        expected="running image = image of the record = image that the tag means now; the record is root's",
        remediation=f"run `docker tag IMAGE_ID IMAGE` with the verified id; {RECREATE}",
        refs=(*guide("Security Checklist, item 1"), *cis("5.28")),
        needs=("image",),
        effective=verified_effective,
    ),
    Rule(
        id="OCH-IMG-03",
        title="The base of the image is pinned by its digest",
        area="image",
        severity="medium",
        expected=f"a digest in the label {BASE_LABEL} or {OCI_BASE_LABEL}, the same as in the record",
        remediation="add `LABEL org.opencontainers.image.base.digest=sha256:DIGEST` of the image in FROM to the "
        f"end of the Dockerfile; build the image; {RECREATE}",
        refs=(*cis("4.2"), *owasp(13)),
        needs=("image",),
        effective=base_effective,
    ),
    Rule(
        id="OCH-IMG-04",
        title="The image or the definition has a health check",
        area="image",
        severity="low",
        expected="HEALTHCHECK in the image, or `healthcheck:` in the definition, and not switched off",
        remediation='add `HEALTHCHECK --interval=10s --start-period=120s CMD ["node", "-e", '
        "\"fetch('http://127.0.0.1:18789/healthz').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))\"]` "
        "to the end of the Dockerfile; remove `healthcheck` from the service; build the image; "
        f"{RECREATE}",
        refs=(*cis("4.6"), *guide("Dockerfile.hardened")),
        needs=("settings", "image"),
        effective=healthcheck_effective,
    ),
    Rule(
        id="OCH-IMG-05",
        title="No file makes its caller another user",
        area="image",
        severity="high",
        expected="no setuid or setgid file in the container's own file system (mounts are other rules' matter)",
        remediation="add `USER 0`, `RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} +`, `USER 1000:1000` "
        f"to the end of the Dockerfile; build the image; {RECREATE}",
        refs=(*cis("4.8"), *owasp(4)),
        needs=("image",),
        effective=setuid_effective,
    ),
    Rule(
        id="OCH-IMG-06",
        title="There are no compilers and no package managers",
        area="image",
        severity="medium",
        expected="none in the container's own file system: no gcc, make, apt, dpkg, npm, pnpm, pip and the like",
        remediation="add `AS builder` to the last FROM of the Dockerfile; add `FROM BASE`, `COPY --from=builder "
        "/app /app` to the end of the Dockerfile, with a base that has none of them; build the image; "
        f"{RECREATE}",
        refs=(*guide("Verify Capabilities", "Dockerfile.hardened"), *cis("4.3")),
        needs=("image",),
        effective=tools_effective,
    ),
    Rule(
        id="OCH-IMG-07",
        title="The image shows no secrets",
        area="image",
        severity="high",
        expected="no value for a name like TOKEN or PASSWORD, and nothing that looks like a key, in environment, "
        "labels and history",
        remediation=f"remove each ARG, ENV and LABEL that is named from the Dockerfile; build the image; {RECREATE} "
        "(and make a new secret: this one is in every copy of the image)",
        refs=(*cis("4.10"), *owasp(12)),
        needs=("image",),
        effective=secrets_effective,
    ),
    Rule(
        id="OCH-IMG-08",
        title="The build fetched nothing unchecked and cached no stale package list",
        area="image",
        severity="low",
        expected="no ADD from the network, and no update without an installation, in the image's history",
        remediation="replace each ADD of an address in the Dockerfile by COPY of a file whose hash was checked; "
        f"build the image; {RECREATE}",
        refs=cis("4.7", "4.9"),
        needs=("image",),
        effective=history_effective,
    ),
    Rule(
        id="OCH-IMG-09",
        title="OpenClaw cannot change its own program",
        area="image",
        severity="high",
        expected="the directory with openclaw.mjs (else the working directory), all below and all above it: "
        "root's, and writable by root alone",
        remediation="add `USER 0`, `RUN chown -R 0:0 /app && chmod -R go-w /app`, `USER 1000:1000` to the end of "
        f"the Dockerfile; build the image; {RECREATE}",
        refs=(*owasp(8), *guide("Read-Only Filesystem")),
        needs=("image",),
        effective=owner_effective,
    ),
    Rule(
        id="OCH-IMG-90",
        title="Images are only taken from whom one trusts",
        area="image",
        severity="medium",
        expected="look at how images come to this host: built here, or pulled by digest or with a checked signature",
        remediation="",
        refs=cis("4.5"),
    ),
    Rule(
        id="OCH-IMG-91",
        title="Only verified packages are installed",
        area="image",
        severity="medium",
        expected="look at the Dockerfile: packages from signed sources, npm from a lock file with `npm ci`, "
        "no `--allow-unauthenticated`, no `curl … | sh`",
        remediation="",
        refs=(*cis("4.11"), *owasp(13)),
    ),
    Rule(
        id="OCH-IMG-92",
        title="Signed artifacts are validated",
        area="image",
        severity="low",
        expected="look at whether signatures or provenance of OpenClaw and of the base are checked before a build",
        remediation="",
        refs=(*cis("4.12"), *owasp(13)),
    ),
)
