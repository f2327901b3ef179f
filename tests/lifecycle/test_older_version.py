"""A backup of an older OpenClaw comes back with the version that wrote it: LIFECYCLE=long, for it builds two images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from life import DATABASE, LONG, OPTIONS, Life, deploy_older, deployed, look, version
from test_real_openclaw import OLDER

pytestmark = pytest.mark.skipif(not LONG, reason="one more image: LIFECYCLE=long")


def schema(life: Life) -> int:
    program = f"import sqlite3; print(sqlite3.connect('{DATABASE}').execute('PRAGMA user_version').fetchone()[0])"
    return int(life.alpha.check(f'python3 -c "{program}"'))


def test_an_older_version_comes_back(life: Life, tmp_path: Path) -> None:
    """Its image is gone from the host, so that it is built from the lock files in the archive."""
    host, lock = life.alpha, deploy_older(life, tmp_path)
    before = schema(life)
    made = life.backup(host, lock_files=lock)
    assert (made["version"], made["left_out"]) == (OLDER, [])
    newer = life.play("site.yml", host)
    assert newer.returncode == 0, newer.stdout[-6000:]
    assert version(host) != OLDER
    assert schema(life) > before
    image = json.loads(host.check(f"cat {made['path']}.json"))["image_id"]
    host.check(f"docker image rm --force {image}; rm -rf {OPTIONS['record_dir']}/previous")
    done = life.restore(host, made["path"])
    assert done.returncode == 0, done.stdout[-6000:]
    assert version(host) == OLDER
    assert schema(life) == before
    assert look(host)["uid"] == 1000
    assert deployed(host)["state_source"]
