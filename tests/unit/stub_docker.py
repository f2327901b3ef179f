"""A small Docker daemon on a real Unix socket: as much of its API as the image module uses, with images in a dict."""

from __future__ import annotations

import io
import json
import os
import re
import socketserver
import stat
import sys
import tarfile
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

CONFIG = {"User": "1000", "Healthcheck": {"Test": ["CMD", "true"]}}
PROGRAM = """#!{python}
import http.client, json, os, socket, sys
print("building, token npm_canary0123456789")
if os.environ.get("STUB_BUILD_FAILS"):
    sys.exit(7)
connection = http.client.HTTPConnection("stub")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect({socket!r})
connection.request("POST", "/stub/build", json.dumps(sys.argv))
connection.getresponse().read()
"""


class Daemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Images by id; every request is kept."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "docker.sock")
        self.images: dict[str, dict] = {}
        self.config = dict(CONFIG)
        self.builds: list[list[str]] = []
        self.while_saving: Callable[[], None] = bool  # does nothing
        self.programs = folder / "bin"
        self.programs.mkdir()
        program = self.programs / "docker"
        program.write_text(PROGRAM.format(python=sys.executable, socket=self.path))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        super().__init__(self.path, Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def host(self) -> str:
        return f"unix://{self.path}"

    def add(self, identity: str, *tags: str, **labels: str) -> str:
        """Put an image there as if it had been built before."""
        attributes = {
            "Id": f"sha256:{identity}",
            "RepoTags": list(tags),
            "Created": f"2026-11-{len(self.images) + 1:02}",
        }
        self.images[attributes["Id"]] = {
            **attributes,
            "Config": {**self.config, "Labels": labels},
            "RootFS": {"Layers": ["sha256:1"]},
        }
        return attributes["Id"]

    def find(self, ref: str) -> dict | None:
        return next((image for image in self.images.values() if ref == image["Id"] or ref in image["RepoTags"]), None)

    def tagged(self, ref: str) -> str:
        found = self.find(ref)
        return found["Id"] if found else ""

    def tag(self, identity: str, ref: str) -> None:
        for image in self.images.values():
            image["RepoTags"] = [tag for tag in image["RepoTags"] if tag != ref]
        self.images[identity]["RepoTags"].append(ref)

    def build(self, argv: list[str]) -> None:
        """What ``docker buildx build`` leaves behind."""
        self.builds.append(argv)
        (tag,) = (value for option, value in zip(argv, argv[1:]) if option == "--tag")
        labels = dict(value.split("=", 1) for option, value in zip(argv, argv[1:]) if option == "--label")
        identity = self.add(f"built{len(self.builds)}", **labels)
        self.tag(identity, tag)

    def remove(self, ref: str) -> int:
        found = self.find(ref)
        if found is None:
            return 404
        found["RepoTags"] = [tag for tag in found["RepoTags"] if tag != ref]
        if not found["RepoTags"]:
            del self.images[found["Id"]]
        return 200


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Daemon

    def address_string(self) -> str:
        return "stub"

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def answer(self, value: object, code: int = 200) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/octet-stream" if isinstance(value, bytes) else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def parts(self) -> tuple[str, str, dict[str, list[str]]]:
        url = urlsplit(self.path)
        found = re.fullmatch(r"(?:/v[\d.]+)?/images/(.+?)(?:/(json|get|history|tag))?", unquote(url.path))
        return (found[1], found[2] or "", parse_qs(url.query)) if found else ("", url.path, parse_qs(url.query))

    def do_GET(self) -> None:
        ref, what, query = self.parts()
        if what == "/version":
            return self.answer({"ApiVersion": "1.45"})
        if (ref, what) == ("json", ""):
            (wanted,) = json.loads(query["filters"][0])["label"]
            key, equals, value = wanted.partition("=")
            labels = [(image, image["Config"]["Labels"]) for image in self.server.images.values()]
            return self.answer([image for image, has in labels if key in has and (not equals or has[key] == value)])
        image = self.server.find(ref)
        if image is None:
            return self.answer({"message": "No such image"}, 404)
        if what == "get":
            self.server.while_saving()
        return self.answer({"json": image, "history": [], "get": archive()}[what])

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        ref, what, query = self.parts()
        if what == "tag":
            self.server.tag(ref, f"{query['repo'][0]}:{query['tag'][0]}")
            return self.answer({}, 201)
        self.server.build(json.loads(body))
        return self.answer({})

    def do_DELETE(self) -> None:
        code = self.server.remove(self.parts()[0])
        self.answer([] if code == 200 else {"message": "No such image"}, code)


def archive() -> bytes:
    """An image of one layer with one application file."""

    def packed(name: str, content: bytes) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as handle:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            handle.addfile(entry, io.BytesIO(content))
        return out.getvalue()

    return packed("layer.tar", packed("app/openclaw.mjs", os.urandom(16)))
