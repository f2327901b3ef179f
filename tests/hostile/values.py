"""Values that another user careless, or another user evil, could put into an option; each with the kind of trouble
it is.
"""

from __future__ import annotations

import random
from typing import Any

import hypothesis
from hypothesis import strategies as st

Labelled = tuple[str, Any]

TEXTS: dict[str, list[str]] = {
    "newline": ["a\nUser=root", "\n", "a\r\nb", "a\n\n[Service]\nExecStart=/bin/sh", "a\u2028b"],
    "NUL": ["a\0b", "\0"],
    "specifier": ["%n", "%%", "%h/x", "%(name)s"],
    "variable": ["$HOME", "${HOME}", "$$", "/var/lib/$USER", "$(touch /root/owned)"],
    "home": ["~", "~root/x", "~/x", "/~"],
    "backtick": ["`touch /root/owned`", "/a`id`"],
    "backslash": ["x\\", "/a\\", "a\\nb"],
    "dash": ["-x", "--help", "-", "--privileged", "-v/:/host"],
    "dots": ["..", ".", "/etc/../etc/shadow", "/var/lib/./x", "../../etc/x", "/.."],
    "slashes": ["//", "/", "/etc//passwd", "/etc/", "//etc/x"],
    "link": ["/bin/x", "/var/run/x", "/var/lib/openclaw/planted", "/var/lib/openclaw/planted/x", "/etc/mtab"],
    "kernel": ["/proc/self/mem", "/proc/sys/kernel/core_pattern", "/dev/sda", "/sys/kernel/x", "/dev/null"],
    "place of others": [
        "/etc",
        "/etc/shadow",
        "/root/.ssh/authorized_keys",
        "/var/lib/docker",
        "/usr/bin",
        "/etc/passwd/x",
    ],
    "long": ["x" * 300, "x" * 5000, "x" * 70_000, "/" + "a" * 300, "/a" * 3000, "/" + "\u00e4" * 200],
    "bidirectional": ["a\u202eb", "\u2066", "/a\u202e/b", "\u200b", "\ufeffx"],
    "surrogate": ["\ud800", "/a\udfffb", "\udce4"],
    "control": ["\x1b[31mred", "\x7f", "a\tb", "\x08", "\x85"],
    "template": ["{{ 7 * 7 }}", "{% raw %}", "{{ lookup('pipe', 'id') }}"],
    "quotes": ["'", '"', "a';touch /root/owned;'b", 'a"b'],
    "separator": ["a:b", "a,b", "a;b", "a=b", "a b", "a|b", "a&b", "a#b", "#x"],
    "nothing": ["", " "],
    "YAML": [
        "a: [",
        "!!python/object/apply:os.system [id]",
        "*a",
        "&a [*a]",
        "a: b\na: c",
        "\t- x",
        "- x",
        "{}",
        "null",
    ],
    "digits": ["\u0661\u0662", "\u00b2", "\uff11", "0x10", "1e309", "007", "+1", " 1", "1_000", "1.", "NaN", "inf"],
    "number": ["0", "-1", "65535", "4294967295", "4294967296", "9" * 40, "100", "99"],
    "mode": ["0777", "4755", "644", "01777", "0o644", "u=rwx", "0666", "6755", "0000", "0888"],
    "name of others": ["root", "daemon", "docker", "sudo", "nobody", "ROOT", "latest", "openclaw:latest", "ALL"],
    "unknown capability": ["CAP_SYS_ADMIN", "SYS_ADMIN", "all", "CAP_NOTHING", "net_bind_service"],
    "address": [
        "0.0.0.0",
        "::",
        "127.0.0.1:0",
        "256.1.1.1",
        "unix:///etc/passwd",
        "unix:///nowhere.sock",
        "tcp://127.0.0.1:1",
    ],
}
WRONG_TYPES: list[Any] = [
    None, True, False, 1.5, [], [[]], [None], ["x", 1], {}, {"a": 1}, {"a": {"b": ["c"]}}, [{"path": []}], [{}],
    {"path": "/x", "mode": 420}, [["a"] * 50], [{"name": None, "content": None}], 420, 256, 0,
]  # fmt: skip
NUMBERS: list[Any] = [
    -1, 0, 1, 2, 99, 255, 256, 420, 493, 511, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1, 2**32, 2**63, 2**64,
    10**400, -(10**30), 1e308, 0.5, -0.0, float("inf"), float("nan"),
]  # fmt: skip
KINDS = {*TEXTS, "wrong type", "number", "spoilt", "spoilt line", "random"}

_FIXED: list[Labelled] = [(kind, text) for kind, texts in TEXTS.items() for text in texts]
_WRONG: list[Labelled] = [("wrong type", value) for value in WRONG_TYPES]
_NUMBERS: list[Labelled] = [("number", value) for value in NUMBERS]
# What spoils a value that is good without it.
_POISONS = [text for kind, texts in TEXTS.items() for text in texts if kind not in ("nothing", "long", "number")]
_ALPHABET = st.characters(codec=None)  # everything, lone surrogates and control characters included


def hostile(present: Any, seed: int) -> st.SearchStrategy[Labelled]:
    """Return hostile values for the place where ``present`` stands in a good request.

    :param seed: Hypothesis begins with what stands first; each place begins with something else.
    """
    order = random.Random(seed)
    text, wrong, number = (st.sampled_from(order.sample(values, len(values))) for values in (_FIXED, _WRONG, _NUMBERS))
    characters = st.text(_ALPHABET, min_size=1, max_size=12).map(lambda drawn: ("random", drawn))
    choices = [text, text, text, wrong, characters, number]
    if isinstance(present, (int, float)) and not isinstance(present, bool):
        choices += [number, number]
    if isinstance(present, str) and present:
        choices += [_spoilt(present, _poisons(order))] * 2
    if isinstance(present, str) and present.count("\n") > 2:
        choices += [_spoilt_line(present, _poisons(order))] * 4
    return st.one_of(order.sample(choices, len(choices)))


def drawn(present: Any, seed: int, count: int) -> list[Labelled]:
    """Return some hostile values, the same in each run."""
    found: list[Labelled] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(max_examples=count, database=None, phases=[hypothesis.Phase.generate])
    @hypothesis.given(hostile(present, seed))
    def keep(labelled: Labelled) -> None:
        found.append(labelled)

    keep()
    return found


def _poisons(order: random.Random) -> st.SearchStrategy[str]:
    return st.sampled_from(order.sample(_POISONS, len(_POISONS)))


@st.composite
def _spoilt(draw: st.DrawFn, good: str, poisons: st.SearchStrategy[str]) -> Labelled:
    """A good value with something bad in front, behind, or in it."""
    poison = draw(poisons)
    place = draw(st.sampled_from([len(good), 0, len(good) // 2]))
    return "spoilt", good[:place] + poison + good[place:]


@st.composite
def _spoilt_line(draw: st.DrawFn, good: str, poisons: st.SearchStrategy[str]) -> Labelled:
    """A good text in which one line is bad, doubled, or the last."""
    lines = good.split("\n")
    number = draw(st.integers(0, len(lines) - 2))
    indent = lines[number][: len(lines[number]) - len(lines[number].lstrip())]
    poison = draw(poisons)
    worse = {
        "another": [*lines[:number], indent + poison, *lines[number:]],
        "longer": [*lines[:number], lines[number] + poison, *lines[number + 1 :]],
        "doubled": [*lines[: number + 1], *lines[number:]],
        "cut off": [*lines[:number], lines[number][: len(lines[number]) // 2]],
        "exchanged": [*lines[:number], indent + poison, *lines[number + 1 :]],
    }
    return "spoilt line", "\n".join(worse[draw(st.sampled_from(sorted(worse)))])
