"""The checks of text: what passes comes back unchanged, what is refused is named with option, value and remediation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core import validate
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from hypothesis import given
from hypothesis import strategies as st

HOSTILE_LINES = ["a\nUser=root", "a\tb", "a\0b", "a\x7f", "a\x85b", "a\u2028b", "a\u202eb", "a\ud800"]


@pytest.mark.parametrize("value", ["", "plain words, 1:2/3 (x) [y] {z} ü", "a-b", "it's 5% \\ $HOME"])
def test_printable_returns_the_value(value):
    assert validate.printable("o", value) == value


@pytest.mark.parametrize("value", [*HOSTILE_LINES, "-rf", "--flag", None, 5, b"x", ["x"], True, "x" * 4097])
def test_printable_refuses(value):
    with pytest.raises(HardeningError, match=r"o: found .*, needed .*; set 'o'"):
        validate.printable("o", value)


def test_printable_forbids_what_the_caller_reports():
    with pytest.raises(HardeningError, match="without any of : ,"):
        validate.printable("o", "a,b", forbid=":,")
    assert validate.printable("o", "abc", max_length=3) == "abc"
    with pytest.raises(HardeningError, match="at most 2"):
        validate.printable("o", "abc", max_length=2)


@pytest.mark.parametrize("character", list("%$\"'\\`"))
def test_plain_refuses_what_a_consumer_interprets(character):
    with pytest.raises(HardeningError, match="without any of"):
        validate.plain("o", f"a{character}b")
    assert validate.printable("o", f"a{character}b")


@given(st.text(alphabet=st.characters()))
def test_plain_text_is_one_line_for_every_splitter(value):
    try:
        validate.plain("o", value)
    except HardeningError as error:
        assert str(error).isprintable()
    else:
        assert len(value.splitlines()) <= 1
        assert not re.search(r"[\x00-\x1f\x7f-\x9f%$\"'\\`]", value)


@pytest.mark.parametrize("value", ["/a", "/var/lib/openclaw/.openclaw", "/a/..b", "/a b"])
def test_absolute_path_returns_the_value(value):
    assert validate.absolute_path("o", value) == value


@pytest.mark.parametrize(
    "value", ["", "/", "//a", "a/b", "./a", "/a/", "/a//b", "/a/./b", "/a/../b", "/..", "~/x", "/a\n", "/a$b", None, 5]
)
def test_absolute_path_refuses(value):
    with pytest.raises(HardeningError, match="o: found "):
        validate.absolute_path("o", value)


@pytest.mark.parametrize("value", ["openclaw", "openclaw-acme", "_x", "a" * 32])
def test_account_name_returns_the_value(value):
    assert validate.account_name("o", value) == value


@pytest.mark.parametrize("value", ["", "A", "1a", "-a", "a.b", "a b", "a\n", "ä", "a" * 33, "a$", 5, None])
def test_account_name_refuses(value):
    with pytest.raises(HardeningError, match="beginning with a letter"):
        validate.account_name("o", value)


@pytest.mark.parametrize(("value", "number"), [(1, 1), ("65535", 65535), (80, 80), ("0080", 80)])
def test_integer_returns_the_number(value, number):
    assert validate.integer("o", value, 1, 65535) == number


@pytest.mark.parametrize(
    "value", [0, 65536, 70000, "abc", "", "1.5", 1.0, True, None, "٣", "1\n", " 1", "9" * 5000, -1]
)
def test_integer_refuses(value):
    with pytest.raises(HardeningError, match=r"o: found .*, needed an integer from 1 to 65535; set 'o'"):
        validate.integer("o", value, 1, 65535)


@pytest.mark.parametrize(("value", "mode"), [("0400", 0o400), ("0755", 0o755), ("0000", 0)])
def test_octal_mode_returns_the_number(value, mode):
    assert validate.octal_mode("o", value) == mode


@pytest.mark.parametrize("value", ["256", "400", "4755", "0888", "u=rw", "00400", 0o400, None, "0400\n"])
def test_octal_mode_refuses_what_yaml_or_symbols_make_of_a_mode(value):
    with pytest.raises(HardeningError, match="a quoted mode of four octal digits"):
        validate.octal_mode("o", value)


def test_octal_mode_refuses_writing_by_others_unless_allowed():
    with pytest.raises(HardeningError, match="without the bits 0020"):
        validate.octal_mode("o", "0660")
    assert validate.octal_mode("o", "0660", forbid_bits=0o007) == 0o660


def test_a_refused_value_is_shown_cut_and_in_ascii():
    assert validate.shown("ä\n") == "'\\xe4\\n'"
    assert validate.shown("x" * 1000) == "'" + "x" * 59 + "… (1002 characters)"


@pytest.mark.parametrize(
    ("value", "safe"),
    [
        ("plain ümlaut", "plain ümlaut"),
        ("two\nlines", "two\\nlines"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u202eb", "a\\u202eb"),
        ("\ud800", "\\ud800"),
        ("x" * 400, "x" * 300 + "… (400 characters)"),
    ],
)
def test_text_from_the_world_is_shown_on_one_line_and_short(value: str, safe: str) -> None:
    assert harmless(value) == safe


def test_a_path_has_an_end():
    assert validate.absolute_path("o", "/" + "a" * 255) == "/" + "a" * 255
    for value in ("/" + "a" * 256, "/" + "é" * 128, "/a" * 251):
        with pytest.raises(HardeningError, match=r"o: found .*, needed (names of )?at most") as refusal:
            validate.absolute_path("o", value)
        assert len(str(refusal.value)) < 200


def test_nothing_is_kept_in_the_directories_of_the_kernel():
    assert validate.own_path("o", "/srv/proc/x") == "/srv/proc/x"
    for value in ("/proc/sys/kernel/core_pattern", "/sys/x", "/dev/null", "/proc/1"):
        with pytest.raises(HardeningError, match="not below /dev, /proc or /sys"):
            validate.own_path("o", value)


def test_a_number_that_python_does_not_write_is_refused_all_the_same():
    with pytest.raises(HardeningError, match="o: found a number of too many digits, needed an integer"):
        validate.integer("o", 10**5000, 0, 7)


def test_text_that_cannot_be_written_is_refused():
    assert validate.encoded("o", "ä") == b"\xc3\xa4"
    with pytest.raises(HardeningError, match="o: found a lone surrogate, needed text that UTF-8"):
        validate.encoded("o", "a\ud800")


def test_several_values_are_named_shortly():
    assert validate.listed(["a\n", 5]) == "a\\n, 5"
    assert validate.listed(map(str, range(12))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    assert len(validate.listed(["x" * 1000] * 1000)) < 2000


def test_what_a_program_output_stays_on_one_line():
    assert validate.spoken("one\n\n\ttwo\x1b[2J\n") == "one | two\\x1b[2J"
    assert validate.spoken("x" * 900 + "end").endswith("end")
    assert len(validate.spoken("x" * 2000)) <= 802


def test_a_refusal_shows_what_it_was_reported_and_moves_no_cursor():
    refusal = HardeningError("x", "\x1b[2J\u202e\x85\ud800", "y\n- z")
    assert str(refusal) == "x: found \\x1b[2J\\u202e\\x85\\ud800, needed y\n- z"


@pytest.mark.parametrize("value", ["openclaw-gateway", "0", "A.b_c", "x" * 255])
def test_object_name_takes_what_docker_takes(value):
    assert validate.object_name("o", value) == value


@pytest.mark.parametrize("value", [*HOSTILE_LINES, "", "-x", "--privileged", ".x", "_x", "a/b", "x" * 256, None])
def test_object_name_refuses(value):
    with pytest.raises(HardeningError, match=r"o: found .*, needed .*; set 'o'"):
        validate.object_name("o", value)


@pytest.mark.parametrize("value", ["br-openclaw", "docker0", "_x", "eth0.10", "x" * 15])
def test_interface_name_takes_what_the_kernel_takes(value):
    assert validate.interface_name("o", value) == value


@pytest.mark.parametrize("value", [*HOSTILE_LINES, "", "-x", "--", ".", "..", "a/b", "a b", "x" * 16, None, 5])
def test_interface_name_refuses(value):
    with pytest.raises(HardeningError, match=r"o: found .*, needed .*; set 'o'"):
        validate.interface_name("o", value)


@pytest.mark.parametrize("value", ["127.0.0.1", "0.0.0.0", "::1", "fe80::1"])
def test_ip_address_takes_both_versions(value):
    assert validate.ip_address("o", value) == value


@pytest.mark.parametrize("value", [*HOSTILE_LINES, "", "-1", "1.2.3", "1.2.3.4/24", "[::1]", "localhost", None])
def test_ip_address_refuses(value):
    with pytest.raises(HardeningError, match=r"o: found .*, needed an IP address; set 'o'"):
        validate.ip_address("o", value)


@pytest.mark.parametrize("value", [True, 1, 1.0, "true", "True", "yes", "on", "1", "y", "t", " true\n"])
def test_boolean_takes_what_argument_specs_take_as_true(value):
    assert validate.boolean("o", value) is True


@pytest.mark.parametrize("value", [False, 0, 0.0, "false", "FALSE", "no", "off", "0", "n", "f"])
def test_boolean_takes_what_argument_specs_take_as_false(value):
    assert validate.boolean("o", value) is False


@pytest.mark.parametrize("value", [*HOSTILE_LINES, "", "maybe", "2", 2, -1, 0.5, None, [], [True], {"true": 1}])
def test_boolean_refuses(value):
    with pytest.raises(HardeningError, match=r"o: found .*, needed true or false; set 'o'"):
        validate.boolean("o", value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, 5), (0.5, 0.5), ("5", 5), ("-5", -5), ("007", 7), (" 5\n", 5), ("2.0", 2.0), ("0.75", 0.75), ("0", 0)],
)
def test_number_has_the_type_of_its_text(value, expected):
    found = validate.number("o", value)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    "value",
    [*HOSTILE_LINES, "", "x", "5s", "1_000", "0x10", "1e5", ".5", "5.", "+5", "nan", "9" * 21, True, False, None, [5],
     float("nan"), float("inf")],
)  # fmt: skip
def test_number_refuses(value):
    with pytest.raises(HardeningError, match=r"o: found .*, needed a number; set 'o'"):
        validate.number("o", value)


CA = (Path(__file__).parents[3] / "recorded/ca.pem").read_text()
EXPIRED = """-----BEGIN CERTIFICATE-----
MIIBRTCB66ADAgECAgEBMAoGCCqGSM49BAMCMBIxEDAOBgNVBAMMB2V4cGlyZWQw
HhcNMjAwMTAxMDAwMDAwWhcNMjEwMTAxMDAwMDAwWjASMRAwDgYDVQQDDAdleHBp
cmVkMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEzlxR1eV3k9omTuWL8dybr7HO
gbJNgDgVi3epnQYuD3gEOfxKTaw3Y1Uge7sLE6+pTDovzGIP1GDFcsDqHvZDS6My
MDAwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQU6rFZVQ32l/ouFNL6798J3Jxk
UBwwCgYIKoZIzj0EAwIDSQAwRgIhAKRtkN4WgPpl9BzZOHcRGF/WOcXx/gifU2TY
VitEQW9+AiEAsN47zifvo+eazxWpCp/IBj8VTGcquOJ4qlMNXMVjsVs=
-----END CERTIFICATE-----
"""
LEAF = """-----BEGIN CERTIFICATE-----
MIIBdjCCARygAwIBAgIUUOSXvUSkbfAaeYFB8DsFa7CFH98wCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGc2VydmVyMCAXDTI2MTEzMDAwMTMxNloYDzIxMjYxMTA2MDAx
MzE2WjARMQ8wDQYDVQQDDAZzZXJ2ZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AARrpYOOHqC60YPm4HHjfLc503KJb1MqK4eQPAUtN9LRBpkVd43GznhLyQqxxuKs
A7jRWS/cyw+y5aom/w60r0vLo1AwTjAdBgNVHQ4EFgQUnUj71E64G57qgUhvTRcZ
6lsyXcowHwYDVR0jBBgwFoAUnUj71E64G57qgUhvTRcZ6lsyXcowDAYDVR0TAQH/
BAIwADAKBggqhkjOPQQDAgNIADBFAiEAsqk0TyejM5ZNjxMEq+145I9Zy/qbnUri
Ofs6N5AUzpICIAtOdyNloOTkS3g1ydS6EH29/qWUNZibepevgt8ylspp
-----END CERTIFICATE-----
"""


@pytest.mark.parametrize(
    "url",
    ["http://proxy.example:3128", "https://proxy.example:443", "http://192.0.2.1:80", "http://[2001:db8::1]:8080"],
)
def test_proxies(url):
    assert validate.proxy_url("proxy", url) == url
    assert validate.proxy_url("proxy", f"{url}/") == url


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("proxy.example:3128", "http://HOST:PORT"),
        ("socks5://proxy.example:1080", "http://HOST:PORT"),
        ("http://proxy.example", "with the port"),
        ("http://proxy.example:0", "with the port"),
        ("http://proxy.example:99999", "http://HOST:PORT"),
        ("http://proxy.example:3128/path", "http://HOST:PORT"),
        ("http://proxy.example:3128?a", "http://HOST:PORT"),
        ("http://:3128", "http://HOST:PORT"),
        ("http://[::1", "http://HOST:PORT"),
        ("http://127.0.0.1:3128", "each container's own"),
        ("http://127.8.0.1:3128", "each container's own"),
        ("http://localhost:3128", "each container's own"),
        ("http://[::1]:3128", "each container's own"),
        ("http://0.0.0.0:3128", "each container's own"),
        ("http://$PROXY:3128", "text without any of"),
        ("http://proxy example:3128", "spaces"),
        (None, "text"),
    ],
)
def test_what_is_no_proxy(url, reason):
    with pytest.raises(HardeningError, match=reason):
        validate.proxy_url("proxy", url)


@pytest.mark.parametrize("url", ["http://me:canary@proxy.example:1", "http://canary@proxy.example:1", "me:$canary@x\n"])
def test_a_login_of_a_proxy_is_refused_and_never_shown(url):
    with pytest.raises(HardeningError, match="user name or password") as refused:
        validate.proxy_url("proxy", url)
    assert "canary" not in str(refused.value)


def test_what_is_reached_without_a_proxy():
    for name in (
        "*",
        "db.example.org",
        ".example.org",
        "*.example.org",
        "a:8080",
        "192.0.2.7",
        "192.0.2.0/24",
        "2001:db8::/32",
    ):
        assert validate.proxy_exception("no_proxy", name) == name
    for name in ("", "a,b", "a b", "-x", "http://a", "$x", 1, "a\n"):
        with pytest.raises(HardeningError, match="no_proxy"):
            validate.proxy_exception("no_proxy", name)


def test_certificates_of_a_ca():
    for text in (CA, f"# ours\n{CA}\n{CA}", EXPIRED + CA, LEAF + CA):
        assert validate.ca_certificates("ca", text) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no certificate"),
        ("-----BEGIN CERTIFICATE-----", "no certificate"),
        (CA.replace("M", "N", 1), "broken"),
        (CA + "-----BEGIN EC PRIVATE KEY-----\ncanary\n", "private key"),
        (LEAF, "of servers only"),
        (EXPIRED, "expired"),
        (CA * 1000, "500 KiB"),
        (None, "no text"),
    ],
)
def test_what_is_no_ca(text, reason):
    with pytest.raises(HardeningError, match=reason) as refused:
        validate.ca_certificates("ca", text)
    assert "canary" not in str(refused.value)


# Each as `systemd-analyze calendar` of systemd 252 takes or refuses it.
@pytest.mark.parametrize(
    "value",
    [
        *("daily", "hourly", "Sunday", "Sun 03:00", "Sat,Sun *-*-* 03:00", "Mon..Fri 22:30", "*:0/15", "*-*~03"),
        *("*-*-* 00/6:00:00", "*-*-01 04:00 UTC", "weekly Europe/Berlin", "2026-12-24", "05-24 11:00"),
        *("*-*-* 00,12:15..20:00", "Mon *-05~07/1"),
    ],
)
def test_calendar_returns_the_value(value):
    assert validate.calendar("o", value) == value


@pytest.mark.parametrize(
    "value",
    [
        *("at night", "03h", "", "daily ", "Mo 3:00", "*-*-* 03:00 Mon", "a b c d e", "25:00x", "-x", "dailya: b"),
        *("*-*-* 00/6:00:00a: b", "daily$$", "daily\nUser=root", "%n", 5, None, "*-*-* " + "1," * 5000 + "1:0"),
    ],
)
def test_calendar_refuses(value):
    with pytest.raises(HardeningError, match=r"o: found .*, needed .*; set 'o'"):
        validate.calendar("o", value)
