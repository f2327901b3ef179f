# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The update: what failed before is not tried again, the recipe has to be that of what runs, and Debian goes first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.history import Deployed
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance import jobs, update
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.host_module import HostModule
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.jobs import Settings

OLD, NEW = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
DEPLOYED = Deployed("openclaw:hardened", OLD, "2026-11-30T00:00:00+00:00", {})
PARAMS = {"docker_host": "unix:///x", "base": {"refresh": False, "source": "debian"}}


def rejected(image: str = NEW, at: str = "2026-11-30T01:00:00+00:00") -> dict[str, str]:
    return {"image_id": image, "at": at, "why": "it did not start"}


def test_what_did_not_fail_is_tried() -> None:
    update.refuse_failed(DEPLOYED, [], NEW)
    # Before the deployment that serves, or fewer than three.
    update.refuse_failed(DEPLOYED, [rejected("sha256:c", "2026-11-29T00:00:00+00:00")] * 5, NEW)
    update.refuse_failed(DEPLOYED, [rejected("sha256:c"), rejected("sha256:d")], NEW)


@pytest.mark.parametrize(
    ("deployed", "failed", "image", "message"),
    [
        (None, [], "", "found none, needed one by site.yml"),
        (DEPLOYED, [rejected()], NEW, "which failed at 2026-11-30T01:00:00"),
        (DEPLOYED, [rejected(at="2026-11-29T00:00:00+00:00")], NEW, "it did not start"),
        (DEPLOYED, [rejected(f"sha256:{n}") for n in range(3)], "", "found 3 images that failed"),
    ],
)
def test_what_failed_is_not_tried_again(deployed: Any, failed: Any, image: str, message: str) -> None:
    with pytest.raises(HardeningError, match=message):
        update.refuse_failed(deployed, failed, image)


@pytest.fixture
def image(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A build of the image that the options describe, and the record of what was built last."""
    here = SimpleNamespace(params=dict(PARAMS), record={"content_hash": "same"}, planned="same", built=[])

    class Manager:
        def __init__(self, module: HostModule, _recipe: object, _settings: object) -> None:
            self.module = module

        def run(self) -> dict[str, Any]:
            if not self.module.check_mode:
                here.built.append(self.module.params)
            return {"content_hash": here.planned, "image_id": NEW}

    monkeypatch.setattr(update, "ImageManager", Manager)
    monkeypatch.setattr(update, "recipe", lambda _module: None)
    monkeypatch.setattr(update, "settings", lambda _module: None)
    monkeypatch.setattr(update, "read_record", lambda _folder: here.record)
    monkeypatch.setattr(update.saved_options, "read", lambda _folder, _kind: here.params)
    return here


def test_the_base_is_made_again(image: SimpleNamespace) -> None:
    assert update.build("/r") == NEW
    assert image.built[0]["base"] == {"refresh": True, "source": "debian"}


def test_an_image_that_was_not_built_here_is_refused(image: SimpleNamespace) -> None:
    image.params = {}
    with pytest.raises(HardeningError, match="needed one that is built on this host"):
        update.build("/r")
    assert image.built == []


def test_a_recipe_that_is_not_that_of_the_last_build_is_refused(image: SimpleNamespace) -> None:
    image.planned = "another"
    with pytest.raises(HardeningError, match=r"needed a deployment by site\.yml"):
        update.build("/r")
    assert image.built == []


def test_the_distribution_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    states = ["activating", "activating", "inactive"]
    slept: list[float] = []
    monkeypatch.setattr(update, "run", lambda *_a, **_k: SimpleNamespace(stdout=f"ActiveState={states.pop(0)}\n"))
    monkeypatch.setattr(update.time, "sleep", slept.append)
    update.wait_for_packages(HostModule({}))
    assert (states, len(slept)) == ([], 2)


def test_it_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 100000, 1000))
    monkeypatch.setattr(update, "run", lambda *_a, **_k: SimpleNamespace(stdout="ActiveState=activating\n"))
    monkeypatch.setattr(update, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _s: None))
    with pytest.raises(HardeningError, match="at work for 60 minutes"):
        update.wait_for_packages(HostModule({}))


@pytest.fixture
def host(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A host on which an image was built; what the job does is written down."""
    here = SimpleNamespace(done=[], built=NEW, rejected=[], refused=None)

    def deploy(_folder: str, image_id: str) -> None:
        here.done.append(f"deploy {image_id}")
        if here.refused:
            raise here.refused

    monkeypatch.setattr(jobs.updating, "look", lambda _folder, _name: (DEPLOYED, here.rejected))
    monkeypatch.setattr(jobs.updating, "wait_for_packages", lambda _module: None)
    monkeypatch.setattr(jobs.updating, "build", lambda _folder: here.built)
    monkeypatch.setattr(jobs.updating, "deploy", deploy)
    monkeypatch.setattr(jobs.updating, "put_name_back", lambda _folder, _deployed: here.done.append("name back"))
    monkeypatch.setattr(jobs, "_proof", lambda _settings: "Its audit found nothing")
    here.settings = Settings("openclaw", str(tmp_path), str(tmp_path))
    return here


def test_another_image_is_deployed_and_reported(host: SimpleNamespace) -> None:
    outcome = jobs.update(host.settings)
    assert host.done == [f"deploy {NEW}"]
    assert [(alert.title, alert.urgent) for alert in outcome.alerts] == [("the gateway was updated", False)]


def test_the_same_image_is_not_deployed(host: SimpleNamespace) -> None:
    host.built = OLD
    outcome = jobs.update(host.settings)
    assert (host.done, list(outcome.alerts)) == ([], [])


def test_a_failure_reports_what_serves(host: SimpleNamespace) -> None:
    host.refused = HardeningError("gateway", "no answer", "an answer")
    with pytest.raises(HardeningError, match=r"no answer.*Its audit found nothing"):
        jobs.update(host.settings)


def test_an_image_that_failed_gives_its_name_back(host: SimpleNamespace) -> None:
    host.rejected = [rejected()]
    with pytest.raises(HardeningError, match="which failed"):
        jobs.update(host.settings)
    assert host.done == ["name back"]
