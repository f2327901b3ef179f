"""Print all settings of pip, those from the environment too, as a configuration file for another home folder."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys


def pip(*arguments: str) -> str:
    """What pip prints."""
    command = [sys.executable, "-m", "pip", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Later settings win, as they do in pip: files first, then the environment."""
    settings = configparser.RawConfigParser()
    settings.read_dict({"global": {"quiet": "2", "cache-dir": pip("cache", "dir").strip()}})
    listed = [line.partition("=") for line in pip("config", "list").splitlines()]
    for name, _equals, value in sorted(listed, key=lambda line: line[0].startswith(":env:")):
        section, _dot, key = name.replace(":env:", "global").partition(".")
        settings.read_dict({section: {key: ast.literal_eval(value).replace("\n", "\n ")}})
    settings.write(sys.stdout)


if __name__ == "__main__":
    main()
