"""One word for one idea: words that this project used once, and the field's own for each."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import tree

# What a user or a contributor reads.
PLACES = ("plugins/*", "roles/*", "playbooks/*", "docs/*", "README.md", "CHANGELOG.md", "changelogs/*")
# A pattern of the old word, and what to use. Names count as words: judge_uid, _judge.
START, END = r"(?<![a-z])", r"(?![a-z])"
WORDS = {
    r"judg(e|es|ed|ing|ements?)": "check, result",
    r"in_force": "effective",
    r"\w+_asked": "declared",
    r"tells|told": "reports, reported, has to",
    r"says|said": "reports, output",
    r"grant(s|ed|ing)?": "allow",
    r"Unseen|unproven|not proven": "unavailable, inconclusive",
    r"cures?|cured": "remediation, fix",
    r"mend(s|ed|ing)?": "fix",
    r"taken back|takes? back|way back|gives? way": "rolled back, rollback, is replaced",
    r"stranded": "rollback_failed",
    r"class Rollout": "Deployer",
    r"class (Wanted|Found|Allowed)": "Desired, Current, Baseline",
    r"(hold|holds) its breath": "pause",
    r"forgive_unit|absolve|guilty": "reset_failed, clear_rejection, image_at_fault",
    r"dismiss_candidate|knock|park": "remove_candidate, probe_auth, stop_failed",
    r"strangers?": "foreign containers",
    r"litter(ed)?|leftovers?": "stale files",
    r"sort_out|in_order|swallowed": "partition_containers, merge_streams, continued",
    r"lies? (in|at|on|beside)": "is in",
    r"whoever": "the process that, the user that",
    r"somebody": "another user",
    r"anew": "again",
    r"mutants?": "seeded fault",
    r"light gateway|light_gateway": "stub gateway",
}
FILES = {
    "trouble.yml": "rescue.yml",
    "take.yml": "fetch.yml",
    "refuse.yml": "assert.yml",
    "down.yml": "absent.yml",
    "look.yml": "gather.yml",
}
PATTERN = re.compile(
    "|".join(f"(?P<w{number}>{START}(?:{word}){END})" for number, word in enumerate(WORDS)), re.IGNORECASE
)


def old_words(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, old word, and what to use."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in PATTERN.finditer(line):
            yield number, found[0], list(WORDS.values())[int((found.lastgroup or "w0")[1:])]


def main() -> int:
    """Check all files, or those named as arguments."""
    paths = [path for place in PLACES for path in tree.files(place)]
    found = [
        f"{path}:{line}: {word!r}; use: {better}" for path in paths for line, word, better in old_words(tree.text(path))
    ]
    found += [f"{path}: a file name; use: {FILES[path.name]}" for path in paths if path.name in FILES]
    print("\n".join(found) or f"{len(WORDS) + len(FILES)} old words are in none of {len(paths)} files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
