"""What the steps of the Dockerfile may reach: what runs code of packages has no network, no login, no cache."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from unit.role_templates import TOP, written

ROLE = TOP / "roles/openclaw_image"
SCRIPTS = {"package": "app-scripts.sh", "checkout": "app-build.sh"}
FETCH = {"package": "app-package.sh", "checkout": "app-checkout.sh"}


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The RUN instructions for each source, each on one line."""
    cases = [{"openclaw_image_source": source, "openclaw_image_instance": "openclaw"} for source in SCRIPTS]
    texts = written(tmp_path_factory.mktemp("written"), ROLE, "Dockerfile.hardened.j2", cases)
    joined = (re.sub(r"\\\n\s*", " ", text) for text in texts)
    return dict(zip(SCRIPTS, ([line for line in text.splitlines() if line.startswith("RUN ")] for text in joined)))


@pytest.mark.parametrize("source", SCRIPTS)
def test_what_runs_code_of_packages_has_nothing_to_take_and_nowhere_to_bring_it(steps, source):
    (step,) = [step for step in steps[source] if f"sh /context/{SCRIPTS[source]}" in step]
    assert step.startswith("RUN --network=none ")
    assert set(re.findall(r"type=(\w+)", step)) == {"bind"}
    (fetch,) = [step for step in steps[source] if f"sh /context/{FETCH[source]}" in step]
    assert "id=npmrc" in fetch
    assert steps[source].index(fetch) + 1 == steps[source].index(step)


@pytest.mark.parametrize("source", SCRIPTS)
def test_only_what_fetches_has_the_logins(steps, source):
    scripts = {re.search(r"sh /context/([\w.-]+)", step)[1] for step in steps[source] if "id=npmrc" in step}
    assert scripts == {FETCH[source]}
    assert [step for step in steps[source] if "id=pip_conf" in step] == [steps[source][0]]


@pytest.mark.parametrize("source", SCRIPTS)
def test_what_fetches_runs_nothing_of_it(source):
    text = (ROLE / "files" / FETCH[source]).read_text()
    installs = [line for line in text.splitlines() if re.match(r"\s*(npm ci|npm install|pnpm install)\b", line)]
    assert installs
    assert all("--ignore-scripts" in line for line in installs)


def test_each_script_that_a_step_calls_is_in_the_context(steps):
    for found in steps.values():
        for step in found:
            for name in re.findall(r"sh /context/([\w.-]+)", step):
                assert Path(ROLE / "files" / name).is_file()
                assert f"source={name},target=/context/{name}" in step
