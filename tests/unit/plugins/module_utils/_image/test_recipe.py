"""Recipe, content hash, decision and build context, on real files."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Image
from ansible_collections.openclaw.hardening.plugins.module_utils._image import recipe as image_recipe
from ansible_collections.openclaw.hardening.plugins.module_utils._image import tags
from ansible_collections.openclaw.hardening.plugins.module_utils._image.recipe import Base, Existing, Recipe

CHECKOUT = Path(__file__).parents[4] / "stub_gateway"
PLATFORM = "debian-trixie-x86_64"
RECIPE = Recipe(
    name="openclaw:hardened",
    dockerfile="ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n",
    context={"a.sh": "true\n"},
    base=Base("debian", packages=("ca-certificates",)),
)
HASH = image_recipe.content_hash(RECIPE, PLATFORM)


def image(identity: str, *tags: str, content: str = HASH) -> Image:
    return Image(
        id=f"sha256:{identity}", tags=tags, labels={image_recipe.CONTENT_LABEL: content, image_recipe.BASE_LABEL: "b"}
    )


@pytest.fixture
def tree(tmp_path):
    copied = Path(shutil.copytree(CHECKOUT, tmp_path / "tree", symlinks=True))
    (copied / "openclaw.mjs").chmod(0o755)  # as upstream has it
    return copied


def test_a_good_recipe_is_accepted(tree):
    recipe = replace(RECIPE, checkout=str(tree), build_args={"A": "b"}, secrets={"npmrc": str(tree / "package.json")})
    assert image_recipe.validate(recipe) is recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "openclaw"}, "name: found 'openclaw'"),
        ({"dockerfile": ""}, "dockerfile: found no FROM line"),
        ({"dockerfile": "# syntax=docker/dockerfile:1\nFROM a\n"}, "syntax"),
        ({"dockerfile": "# escape=`\n#  syntax = x\nFROM a\n"}, "syntax"),
        ({"context": {"../a": ""}}, "context: found '../a'"),
        ({"context": {"Dockerfile": ""}}, "context"),
        ({"context": {"source": ""}}, "context"),
        ({"build_args": {"BASE_IMAGE": "x"}}, "build_args"),
        ({"build_args": {"NPM_TOKEN": "x"}}, "no secret"),
        ({"build_args": {"A": "x\ny"}}, "build_args.A"),
        ({"secrets": {"npmrc": "relative"}}, "secrets.npmrc: found 'relative'"),
        ({"secrets": {"npmrc": "/no/such/file"}}, "No such file"),
        ({"secrets": {"npmrc": "/etc"}}, "secrets.npmrc"),
        ({"secrets": {"a b": "/etc/passwd"}}, "secrets: found 'a b'"),
        ({"checkout": "/etc"}, "/etc without package.json and pnpm-lock.yaml"),
        ({"checkout": "etc"}, "absolute path"),
    ],
)
def test_bad_input_is_refused_by_name(change, message):
    with pytest.raises(HardeningError) as refused:
        image_recipe.validate(replace(RECIPE, **change))
    assert message in str(refused.value)


def test_a_tree_without_the_contract_is_refused(tree):
    package = tree / "package.json"
    package.write_text(package.read_text().replace("ui:build", "ui"))
    with pytest.raises(HardeningError, match="without the script 'ui:build'"):
        image_recipe.validate(replace(RECIPE, checkout=str(tree)))
    package.write_text("[]")
    with pytest.raises(HardeningError, match="no JSON object"):
        image_recipe.validate(replace(RECIPE, checkout=str(tree)))


@pytest.mark.parametrize(
    "change",
    [
        {"dockerfile": RECIPE.dockerfile + "USER 1\n"},
        {"context": {"a.sh": "false\n"}},
        {"context": {"b.sh": "true\n"}},
        {"build_args": {"A": "b"}},
        {"base": Base("debian", packages=("git",))},
        {"base": Base("registry", ref="debian@sha256:0")},
    ],
)
def test_whatever_decides_the_content_changes_the_hash(change):
    assert image_recipe.content_hash(replace(RECIPE, **change), PLATFORM) != HASH


def test_what_does_not_decide_the_content_leaves_the_hash():
    base = Base("debian", packages=("ca-certificates",), max_age_days=1, refresh=True)
    other = replace(RECIPE, name="openclaw-acme:hardened", secrets={"npmrc": "/etc/passwd"}, base=base)
    assert image_recipe.content_hash(other, PLATFORM) == HASH
    assert image_recipe.content_hash(RECIPE, "debian-bookworm-x86_64") != HASH


def test_the_hash_of_a_tree_sees_content_mode_links_and_names(tree):
    observed = {image_recipe.tree_hash(str(tree))}
    changes = [
        lambda: (tree / "src/gateway.mjs").write_text("other"),
        lambda: (tree / "openclaw.mjs").chmod(0o644),
        lambda: (tree / "link").symlink_to("a"),
        lambda: ((tree / "link").unlink(), (tree / "link").symlink_to("b")),
        lambda: (tree / "src/gateway.mjs").rename(tree / "src/other.mjs"),
        (tree / "empty").mkdir,
    ]
    for change in changes:
        change()
        observed.add(image_recipe.tree_hash(str(tree)))
    assert len(observed) == 1 + len(changes)


def test_the_hash_of_a_tree_ignores_what_its_build_makes(tree):
    before = image_recipe.tree_hash(str(tree))
    for name in ("node_modules", "dist", ".git", "ui/node_modules"):
        (tree / name).mkdir()
        (tree / name / "file").write_text("x")
    (tree / ".env").write_text("TOKEN=x")
    os.utime(tree / "openclaw.mjs", (0, 0))
    assert image_recipe.tree_hash(str(tree)) == before
    (tree / "ui/dist").mkdir()
    assert image_recipe.tree_hash(str(tree)) != before


def test_a_special_file_is_refused(tree):
    os.mkfifo(tree / "pipe")
    with pytest.raises(HardeningError, match="special file pipe"):
        image_recipe.tree_hash(str(tree))


def test_the_build_context_holds_the_recipe_and_nothing_else(tree, tmp_path):
    (tree / ".env").write_text("TOKEN=x")
    (tree / "outside").symlink_to("/etc/shadow")
    folder = tmp_path / "context"
    folder.mkdir()
    image_recipe.stage(replace(RECIPE, checkout=str(tree)), str(folder))
    assert sorted(os.listdir(folder)) == ["Dockerfile", "a.sh", "source"]
    assert (folder / "Dockerfile").read_text() == RECIPE.dockerfile
    copied = folder / "source"
    assert not (copied / ".env").exists()
    assert os.readlink(copied / "outside") == "/etc/shadow"
    assert os.access(copied / "openclaw.mjs", os.X_OK)
    assert image_recipe.tree_hash(str(copied)) == image_recipe.tree_hash(str(tree))


def test_nothing_is_done_when_the_name_has_the_content():
    current = image("1", RECIPE.name)
    plan = image_recipe.decide(RECIPE, HASH, Existing(tagged=current, same_content=current, recorded=current.id))
    assert plan.actions == ()
    assert plan.before == plan.after


def test_an_image_without_a_record_is_verified_again():
    current = image("1", RECIPE.name)
    existing = Existing(tagged=current, same_content=current, recorded="sha256:other")
    assert image_recipe.decide(RECIPE, HASH, existing).actions == ("verify",)


def test_a_first_build():
    plan = image_recipe.decide(RECIPE, HASH, Existing())
    assert plan.actions == ("build", "verify", "tag")
    assert plan.before["image"] == "(absent)"
    assert plan.after == {
        "image": RECIPE.name,
        "content_hash": HASH,
        "image_id": "(built)",
        "base": "(made on this host)",
    }


def test_an_image_of_another_instance_only_gets_another_name():
    plan = image_recipe.decide(
        RECIPE, HASH, Existing(same_content=image("1", "openclaw-acme:hardened"), recorded="sha256:1")
    )
    assert plan.actions == ("tag",)
    assert plan.after["image_id"] == "sha256:1"


def test_a_refresh_always_plans_a_build():
    current = image("1", RECIPE.name)
    recipe = replace(RECIPE, base=replace(RECIPE.base, refresh=True))
    assert "build" in image_recipe.decide(recipe, HASH, Existing(tagged=current, same_content=current)).actions


def test_a_candidate_that_was_never_verified_is_not_chosen():
    candidate = image("1", f"{tags.CANDIDATE}:x")
    assert image_recipe.choose([candidate, image("2")], None) is None
    verified = image("3", f"{tags.CANDIDATE}:x", "openclaw:hardened-previous")
    assert image_recipe.choose([candidate, verified], None) is verified


def test_the_image_in_use_is_preferred():
    current = image("2", RECIPE.name)
    assert image_recipe.choose([image("1", "openclaw-acme:hardened"), current], current) is current
