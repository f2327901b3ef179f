"""Which entries of BuildKit's cache are ours, from a recorded answer and from small ones."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.openclaw.hardening.plugins.module_utils._removal import cache
from ansible_collections.openclaw.hardening.plugins.module_utils._removal.cache import Record

RECORDED = (Path(__file__).parents[3] / "recorded/buildx-du.txt").read_text()
RUN = "mount / from exec /bin/sh -eu -c sh /context/builder.sh g++"


def test_a_build_of_the_role_is_ours_but_for_its_contexts() -> None:
    there = cache.records(RECORDED)
    assert len(there) == 19
    rest = sorted(record.text.strip() for record in there if record.id not in cache.ours(there))
    assert rest == ["local source for context", "local source for context", "local source for dockerfile"]


def test_a_build_of_another_owner_on_the_same_base_is_not_ours() -> None:
    there = [
        Record("base"),
        Record("ours", ("base",), RUN),
        Record("on-ours", ("ours",), "[builder 2/6] WORKDIR /app"),
        Record("theirs", ("base",), "mount / from exec /bin/sh -c make"),
        Record("on-theirs", ("theirs",), "[2/2] COPY . ."),
    ]
    assert cache.ours(there) == ["on-ours", "ours"]


def test_what_a_build_has_at_work_stays_with_what_it_is_made_from() -> None:
    there = [Record("a", (), RUN), Record("b", ("a",), RUN, free=False), Record("c", (), RUN)]
    assert cache.ours(there) == ["c"]


def test_an_empty_answer() -> None:
    assert cache.ours(cache.records("Reclaimable:\t0B\nTotal:\t\t0B\n")) == []
