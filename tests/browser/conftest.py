"""The browser, and pages of the report in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report import html as report_html
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report import model
from browser.devtools import Browser


@pytest.fixture(scope="session")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def page(browser):
    page = browser.page()
    yield page
    page.close()


@pytest.fixture
def show(page, tmp_path):
    """Open the report of these hosts, and see that the page is well when the test is over."""
    file = Path(tmp_path, "report.html")

    def show(hosts: list[dict], script: str = ""):
        text = report_html.render(model.fleet("OpenClaw hardening", hosts, "2026-11-22T19:40:00Z"))
        file.write_text(text.replace("</body>", f"{script}</body>"), encoding="utf-8")
        page.open(file.as_uri())
        return page

    yield show
    assert {address.partition("#")[0] for address in page.requests} <= {file.as_uri()}
