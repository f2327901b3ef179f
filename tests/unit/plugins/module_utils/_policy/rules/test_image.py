"""Each rule about the image: what passes, what fails, what cannot be proven."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.container_tree import Program, Tree
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.image import NO_RECORD, ImageFacts, Record
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules import image as policy

RULES = {rule.id: rule for rule in policy.RULES}
BASE = "b" * 64
GOOD = ImageFacts(
    id="sha256:1",
    tags=("openclaw:hardened",),
    reference="openclaw:hardened",
    reference_id="sha256:1",
    user="1000:1000",
    healthcheck=("CMD", "node"),
    labels={policy.BASE_LABEL: BASE},
    environment=("PATH",),
    secrets=(),
    history=("COPY /rootfs/ / # buildkit", "USER 1000"),
    created="2026-11-22T19:09:55Z",
    record=Record("sha256:1", "openclaw:hardened", BASE, "c", "2026-11-22T19:10:02+00:00"),
    record_problem="",
    tree=Tree(10, "", (), (), (Program("/app", 7, ()),)),
    tree_problem="",
    drift=(),
    now=0.0,
)
TREE = GOOD.tree
ALLOWED = Baseline(record="/var/lib/x/image.json")
NAMELESS = Baseline()
CHECKED = Settings("x", "docker inspect x", healthcheck=("CMD", "node"))
UNCHECKED = replace(CHECKED, healthcheck=())


def check(rule, image=GOOD, allowed=ALLOWED, settings=CHECKED):
    parts = {"image": image, "settings": settings}
    return RULES[rule].effective(*(parts[name] for name in RULES[rule].needs), allowed)


AUTOMATIC = [rule.id for rule in policy.RULES if not rule.manual]


def test_the_ids():
    assert [rule.id for rule in policy.RULES if rule.manual] == ["OCH-IMG-90", "OCH-IMG-91", "OCH-IMG-92"]
    assert [f"OCH-IMG-0{number}" for number in range(1, 10)] == AUTOMATIC


@pytest.mark.parametrize("rule", AUTOMATIC)
def test_a_good_image_passes_with_evidence(rule):
    found = check(rule)
    assert (found.status, bool(found.evidence)) == ("pass", True), found.actual


@pytest.mark.parametrize("user", ["", "root", "0", "0:0", "00", "root:root", ":1000"])
def test_root_is_refused(user):
    assert check("OCH-IMG-01", replace(GOOD, user=user)).status == "fail"


def test_a_named_user_passes():
    assert check("OCH-IMG-01", replace(GOOD, user="node")).status == "pass"


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"id": "sha256:2"}, "fail", "what runs is sha256:2"),
        ({"reference_id": "sha256:2"}, "fail", "openclaw:hardened now means sha256:2"),
        ({"reference_id": ""}, "fail", "now means no image"),
        ({"record": None, "record_problem": NO_RECORD}, "fail", "there is none"),
        ({"record": None, "record_problem": "a symbolic link"}, "error", "a symbolic link"),
        ({"record": replace(GOOD.record, uid=1000)}, "fail", "uid 1000"),
        ({"record": replace(GOOD.record, mode=0o666)}, "fail", "mode 0666"),
    ],
)
def test_another_image_than_the_verified_one(change, status, text):
    found = check("OCH-IMG-02", replace(GOOD, **change))
    assert found.status == status
    assert text in found.actual


def test_without_a_named_record_nothing_is_compared():
    assert check("OCH-IMG-02", replace(GOOD, record=None), NAMELESS).status == "skip"
    assert check("OCH-IMG-03", replace(GOOD, record=None), NAMELESS).status == "pass"


@pytest.mark.parametrize(
    ("labels", "status"),
    [
        ({}, "fail"),
        ({policy.BASE_LABEL: "debian:trixie"}, "fail"),
        ({policy.BASE_LABEL: ""}, "fail"),
        ({policy.BASE_LABEL: f"debian@sha256:{'a' * 64}"}, "fail"),
        ({policy.OCI_BASE_LABEL: f"sha256:{BASE}"}, "fail"),
    ],
)
def test_a_base_that_is_not_pinned_or_another(labels, status):
    assert check("OCH-IMG-03", replace(GOOD, labels=labels)).status == status


@pytest.mark.parametrize("base", [f"host:5000/debian@sha256:{BASE}", f"sha256:{BASE}", BASE])
def test_a_foreign_base_with_a_digest(base):
    assert check("OCH-IMG-03", replace(GOOD, labels={policy.OCI_BASE_LABEL: base}), NAMELESS).status == "pass"


def test_no_record_is_no_proof_of_the_base():
    assert check("OCH-IMG-03", replace(GOOD, record=None, record_problem=NO_RECORD)).status == "error"


def test_health_checks():
    assert check("OCH-IMG-04", replace(GOOD, healthcheck=())).status == "pass"
    assert check("OCH-IMG-04", replace(GOOD, healthcheck=()), settings=UNCHECKED).status == "fail"
    off = replace(CHECKED, healthcheck=("NONE",))
    assert check("OCH-IMG-04", settings=off).status == "fail"


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("OCH-IMG-05", {"setuid": ("/usr/bin/su",)}),
        ("OCH-IMG-06", {"tools": ("/usr/bin/gcc",)}),
        ("OCH-IMG-09", {"programs": (Program("/app", 1, ("/app belongs to uid 1000", "x")),)}),
    ],
)
def test_what_does_not_belong_in_the_files(rule, change):
    found = check(rule, replace(GOOD, tree=replace(TREE, **change)))
    assert found.status == "fail"
    assert "/usr/bin/" in found.actual or found.actual == "/app belongs to uid 1000 (and 1 more)"
    # What was found counts, however little was looked at.
    assert check(rule, replace(GOOD, tree=replace(TREE, cut="too many", **change))).status == "fail"


@pytest.mark.parametrize("rule", ["OCH-IMG-05", "OCH-IMG-06", "OCH-IMG-09"])
def test_files_that_were_not_looked_at_prove_nothing(rule):
    found = check(rule, replace(GOOD, tree=None, tree_problem="the container does not run"))
    assert (found.status, "does not run" in found.actual) == ("error", True)
    assert check(rule, replace(GOOD, tree=replace(TREE, cut="too many"))).status == "error"


def test_a_program_that_was_not_found_proves_nothing():
    assert check("OCH-IMG-09", replace(GOOD, tree=replace(TREE, programs=()))).status == "error"


def test_secrets_are_named_by_place():
    found = check("OCH-IMG-07", replace(GOOD, secrets=(("environment", "TOKEN"), ("history, step 3", "a key"))))
    assert (found.status, found.actual) == ("fail", "TOKEN (environment), a key (history, step 3)")


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ("ADD https://host/x.tgz /x # buildkit", "fail"),
        ("/bin/sh -c #(nop) ADD http://host/x in /x", "fail"),
        ("ADD git@host:x.git /x # buildkit", "fail"),
        ("ADD rootfs.tar.xz / # buildkit", "pass"),
        ("/bin/sh -c #(nop) ADD file:0123 in / ", "pass"),
        ("RUN /bin/sh -c apt-get update # buildkit", "fail"),
        ("RUN /bin/sh -c apt-get -qq update", "fail"),
        ("RUN /bin/sh -c apk update", "fail"),
        ("RUN /bin/sh -c apt-get update && apt-get install -y x", "pass"),
        ("RUN /bin/sh -c npm update-notifier", "pass"),
    ],
)
def test_the_history(step, status):
    assert check("OCH-IMG-08", replace(GOOD, history=(step,))).status == status
