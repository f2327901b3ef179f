"""The HTML report in a real browser: what it shows, what a click does, and that nothing leaves it."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report import model
from unit.report_samples import HOSTILE, check, fleet, full, hostile, result, waived

PHONE = (390, 844, True)
VISIBLE = "li.entry[data-full]:not([hidden])"


def number(page, selector: str) -> int:
    return page.evaluate(f"document.querySelectorAll({json.dumps(selector)}).length")


def choose(page, **wanted: str) -> None:
    for name, value in wanted.items():
        page.evaluate(
            f"(() => {{ const f = document.querySelector('.filter').elements[{json.dumps(name)}];"
            f" f.value = {json.dumps(value)}; f.dispatchEvent(new Event('input', {{bubbles: true}})); }})()"
        )


def fits(page, width: int) -> bool:
    """Nothing reaches beyond the screen. Not innerWidth: on a phone, that grows with what does."""
    return page.evaluate("document.documentElement.scrollWidth") == width


def test_it_reports_what_the_data_reports(show):
    page = show(fleet())
    assert page.texts("h1") == ["3 of 4 hosts have findings"]
    assert page.texts(".tile b") == ["4", "2", "2", "3", "254"]
    assert page.texts(".matrix tbody th a") == ["web1", "web2", "old", "db1"]
    assert page.texts(".matrix tbody tr:first-child td")[:5] == [
        "✓ 11 passed", "~ 1 waived", "✕ 1 failed", "✕ 2 failed", "? 1 inconclusive",
    ]  # fmt: skip
    assert page.texts(".matrix tbody tr:nth-child(3) td")[0] == "? not checked"
    assert page.texts(".matrix tbody tr:nth-child(4) td")[6] == "✓ 10 passed"
    assert page.texts(".findings summary code") == [
        "OCH-NET-01", "OCH-RUN-01", "OCH-NET-02", "OCH-SEC-03", "OCH-CTR-04", "OCH-IMG-02",
    ]  # fmt: skip
    assert "no route" in page.texts(".findings details")[1]
    assert page.problems == []


def test_every_check_of_the_data_is_on_the_page_with_its_evidence(show):
    page = show(fleet())
    made = model.fleet("x", fleet(), "2026-11-22T19:40:00Z")
    assert number(page, ".all li.entry") == len(made.checks) == 265
    text = page.evaluate("document.querySelector('main').textContent")
    for one in made.checks:
        assert one.id in text
        assert one.actual in text
        for source, observed in one.evidence:
            assert source in text
            assert observed in text


def test_a_clean_fleet_reports_so(show):
    page = show([{"name": "web1", "result": full()}])
    assert page.texts("h1") == ["No findings on 1 host"]
    assert page.texts(".findings .empty") == ["Nothing failed, nothing was left inconclusive, nothing is waived."]


def test_a_click_on_a_finding_opens_evidence_and_fix(show):
    page = show(fleet())
    assert page.texts("#finding-1 .remediation") == []
    page.click("#finding-1 > summary")
    assert page.texts("#finding-1 .remediation") == [
        "add `cap_drop: [ALL]` to the service,\nthen run `docker compose up -d`"
    ]
    assert page.texts("#finding-1 .who b") == ["web1", "web2"]
    assert "CapEff:    1000" in page.texts("#finding-1 .evidence pre")[0]
    assert page.problems == []


def test_the_keyboard_opens_it_too(show):
    page = show(fleet())
    page.evaluate("document.querySelector('#finding-1 > summary').focus()")
    page.press("Enter")
    assert page.texts("#finding-1 .remediation")
    page.press(" ")
    assert page.texts("#finding-1 .remediation") == []


def test_everything_can_be_reached_by_the_tabulator(show):
    page = show([{"name": "web1", "result": result(check(status="fail"))}])
    reached = []
    for _step in range(14):
        page.press("Tab")
        reached.append(page.evaluate("(document.activeElement.textContent || document.activeElement.name).trim()"))
    words = " | ".join(reached)
    for wanted in ("✕ failed", "web1", "✕ 1 failed", "Clear", "Open all", "OCH-NET-01", "text"):
        assert wanted in words


def test_a_click_on_a_cell_shows_that_area_of_that_host(show):
    page = show(fleet())
    page.click('.matrix a[data-go-host="web1"][data-go-area="network"]')
    assert page.texts(".findings summary code") == ["OCH-NET-01", "OCH-NET-02"]
    assert page.texts(".findings .who b") == ["web1", "web1"]
    assert len(page.texts(".findings .remediation")) == 2
    assert page.texts("output") == ["11 of 265 checks"]
    assert page.evaluate("document.activeElement.closest('#finding-1') !== null")


def test_a_click_on_a_cell_without_findings_opens_what_passed(show):
    page = show(fleet())
    page.click('.matrix a[data-go-host="db1"][data-go-area="account"]')
    assert page.texts(".findings .nothing") == ["No finding is shown with this filter."]
    assert len(page.texts(".all .remediation")) == 11
    assert set(page.texts(".all .who b")) == {"db1"}


def test_the_filters_narrow_and_clear(show):
    page = show(fleet())
    choose(page, state="fail")
    assert number(page, VISIBLE) == 4
    choose(page, host="web2")
    assert number(page, VISIBLE) == 1
    choose(page, area="image")
    assert number(page, VISIBLE) == 0
    assert page.texts(".nothing") == ["No finding is shown with this filter.", "No check is shown with this filter."]
    page.click(".filter button[type=reset]")
    page.until(f"document.querySelectorAll('{VISIBLE}').length === 265")
    choose(page, state="findings")
    assert number(page, VISIBLE) == 6
    choose(page, state="", text="och-sec-03")
    assert number(page, VISIBLE) == 3
    assert page.texts("output") == ["3 of 265 checks"]
    page.click(".filter input")
    page.evaluate("document.activeElement.select()")
    page.type("no route")
    assert number(page, VISIBLE) == 1
    assert page.problems == []


def test_a_tile_filters_by_its_state_and_undoes_it(show):
    page = show(fleet())
    page.click(".tile.waived")
    assert number(page, VISIBLE) == 2
    assert page.evaluate("document.querySelector('.tile.waived').getAttribute('aria-pressed')") == "true"
    page.click(".tile.waived")
    assert number(page, VISIBLE) == 265


def test_a_check_in_its_area_leads_to_the_finding(show):
    page = show(fleet())
    page.click("#area-network > summary")
    page.click("#rule-network-1 > summary")
    assert page.texts("#rule-network-1 .jump") == ["see the finding"] * 2
    page.click("#rule-network-1 .jump")
    assert page.texts("#finding-1 .remediation")
    assert page.evaluate("location.hash") == "#finding-1"


def test_open_all_opens_everything_and_closes_it(show):
    page = show(fleet())
    page.click("[data-toggle-all]")
    assert number(page, "details:not([open])") == 0
    page.click("[data-toggle-all]")
    assert number(page, "details[open]") == 0


def test_an_address_with_an_anchor_leads_into_what_is_folded(show):
    page = show(fleet())
    page.open(page.evaluate("location.href") + "#rule-network-3")
    page.until("document.querySelector('#rule-network-3').checkVisibility()")


def test_waivers_are_reported(show):
    ended = {"reason": "old excuse", "expires": "2026-01-31", "expired": True, "value": "/srv/x"}
    page = show([{"name": "web1", "result": result(waived(), check("image", 1, "fail", waiver=ended))}])
    page.click("[data-toggle-all]")
    assert page.texts(".findings .waiver") == [
        "Waiver expired (its last day was 2026-01-31): old excuse (only for /srv/x)",
        "Waived (until 2027-01-31): the plugin of the sales team writes to /app/cache",
    ]


@pytest.mark.parametrize("hosts", [fleet(), hostile()], ids=["fleet", "hostile"])
@pytest.mark.parametrize("opened", [False, True], ids=["folded", "opened"])
def test_a_phone_shows_it_without_scrolling_sideways(show, page, hosts, opened):
    page.size(*PHONE)
    show(hosts)
    if opened:
        page.click("[data-toggle-all]")
    assert fits(page, PHONE[0])
    assert page.evaluate("visualViewport.scale") == 1
    assert "network" in page.evaluate(
        "getComputedStyle(document.querySelector('td[data-label=network]'), '::before').content"
    )


@pytest.mark.parametrize("width", [600, 900, 1280, 2200])
def test_other_screens_do_too(show, page, width):
    page.size(width, 900)
    show(hostile())
    assert fits(page, width)
    page.click("[data-toggle-all]")
    assert fits(page, width)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_on_its_background(show, page, scheme):
    """WCAG 2.1, 1.4.3 (AA): 4.5 to 1, for every text that is seen."""
    page.media(prefers_color_scheme=scheme)
    show(fleet())
    page.click("[data-toggle-all]")
    assert page.evaluate(Path(__file__).with_name("contrast.js").read_text()) == []


def test_paper_has_all_the_evidence(show, page, tmp_path):
    hosts = fleet()
    show(hosts)
    file = tmp_path / "report.pdf"
    file.write_bytes(page.pdf())
    done = subprocess.run(["pdftotext", "-raw", str(file), "-"], capture_output=True, text=True, check=True)
    text = "".join(done.stdout.split())
    for host in hosts[:3]:
        for one in host["result"]["checks"]:
            for evidence in one["evidence"]:
                assert "".join(evidence["text"].split()) in text
            assert "".join(one["actual"].split()) in text
    assert "noroute" in text
    assert "Openall" not in text
    assert number(page, "details[open]") == 0, "printing leaves what was folded open"


def test_printing_unfolds_and_folds_again_in_browsers_that_cannot_do_it_by_style(show):
    page = show(fleet())
    page.click("#finding-2 > summary")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert number(page, "details:not([open])") == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("[...document.querySelectorAll('details[open]')].map((e) => e.id)") == ["finding-2"]


def test_without_script_all_of_it_is_there(browser, show, page):
    page.send("Emulation.setScriptExecutionDisabled", value=True)
    show(fleet())
    assert page.texts(".filter") == []
    page.click("#finding-1 > summary")
    assert page.texts("#finding-1 .remediation")


def test_hostile_text_is_shown_as_text(show):
    page = show(hostile())
    assert page.evaluate("document.title") == "OpenClaw hardening"
    assert (
        number(page, "img, iframe, object, embed, script + script, main style, main script, main b b, main [onclick]")
        == 0
    )
    text = page.evaluate("document.querySelector('main').textContent")
    for name in ("html", "script", "style", "attribute", "jinja", "cdata", "wide", "rtl", "link"):
        assert HOSTILE[name] in text, name
    for observed in ("\\x1b[31mred", "\\u202eevil", "\\ud800", "\\ufffe", "three\\u2028four", "(1000000 characters)"):
        assert observed in text
    assert not set(text) & set("\x1b\x07\x9b\u202e\u2066\u200b\u2028")
    page.click("[data-toggle-all]")
    choose(page, host=HOSTILE["script"])
    assert number(page, VISIBLE) == 1
    page.click(f".matrix a[data-go-host={json.dumps(HOSTILE['script'])}][data-go-area=image]")
    assert page.texts(".findings .who b") == [HOSTILE["script"]]
    assert page.problems == []


@pytest.fixture
def listener():
    """A server that nobody should ask for anything."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.asked = asked
    yield server
    server.shutdown()


def test_nothing_leaves_the_page(show, listener):
    address = f"http://127.0.0.1:{listener.server_port}"
    lures = (f"<img src={address}/i>", f"<link rel=stylesheet href={address}/s>", f"url({address}/u)", f"{address}/t")
    bait = result(*(check("image", n, "fail", title=lure, actual=lure) for n, lure in enumerate(lures, 1)))
    page = show([{"name": "web1", "result": bait}])
    page.click("[data-toggle-all]")
    page.pdf()
    assert listener.asked == []
    assert len(page.requests) == 1


def test_the_policy_stops_what_gets_in_nonetheless(show, page, listener):
    address = f"http://127.0.0.1:{listener.server_port}"
    show(
        fleet(),
        script="<script>document.title = 'owned'</script><style>h1 { display: none }</style>"
        f"<script src='{address}/script'></script><img src='{address}/image' onerror='document.title = 1'>"
        f"<iframe src='{address}/frame'></iframe><form action='{address}/form'><button id=send>x</button></form>",
    )
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=document.title=2>')")
    assert page.evaluate(f"fetch('{address}/fetch').then(() => 'sent', () => 'stopped')") == "stopped"
    page.click("#send")
    time.sleep(0.2)
    assert listener.asked == []
    assert page.evaluate("document.title") == "OpenClaw hardening"
    assert page.texts("h1") == ["3 of 4 hosts have findings"]
    assert any("Content Security Policy" in problem for problem in page.problems)
    page.browser.events.clear()  # what was stopped was asked for by this test


def test_fifty_hosts_are_no_burden(show, page):
    hosts = [{"name": f"host{n:02}", "result": full(11, network_1="fail" if n % 3 else "pass")} for n in range(50)]
    start = time.monotonic()
    show(hosts)
    assert number(page, ".all li.entry") == 4400
    assert page.texts(".findings .where") == ["host01, host02, host04 and 30 more"]
    choose(page, host="host07")
    assert number(page, VISIBLE) == 88
    page.click("[data-toggle-all]")
    page.size(*PHONE)
    assert fits(page, PHONE[0])
    assert time.monotonic() - start < 20
    assert page.evaluate("document.documentElement.outerHTML.length") < 6_000_000
