"""A client from outside: plain HTTP, and OpenClaw's WebSocket protocol with a device identity."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import websocket
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PROTOCOL = 4
CLIENT = {"id": "cli", "version": "1.0.0", "platform": "linux", "mode": "cli"}
SCOPES = ["operator.read", "operator.write"]


def http(port: int, path: str, token: str | None = None, body: dict | None = None) -> tuple[int, str]:
    """Ask the gateway and return status and text; a refusal is an answer, too."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    if body is not None:
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode()
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


class Refused(Exception):
    """The gateway reported no; ``error`` is what it reported."""

    def __init__(self, error: dict) -> None:
        super().__init__(error.get("message"))
        self.error = error
        self.details = error.get("details") or {}


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True)
class Device:
    """What a client proves its identity with (docs/gateway/protocol/auth of OpenClaw)."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def id(self) -> str:
        return hashlib.sha256(self.public).hexdigest()

    def proof(self, challenge: dict, token: str) -> dict:
        """Sign the server's challenge, bound to client, role, scopes and token (payload v3)."""
        client = [self.id, CLIENT["id"], CLIENT["mode"], "operator", ",".join(SCOPES)]
        fields = ["v3", *client, str(challenge["ts"]), token, challenge["nonce"], CLIENT["platform"], ""]
        signature = self.key.sign("|".join(fields).encode())
        return {
            "id": self.id,
            "publicKey": encoded(self.public),
            "signature": encoded(signature),
            "signedAt": challenge["ts"],
            "nonce": challenge["nonce"],
        }


class Connection:
    """An open connection: requests go out, answers come back between events."""

    def __init__(self, socket: websocket.WebSocket) -> None:
        self.socket = socket
        self.ids = itertools.count(1)

    def receive(self) -> dict:
        return json.loads(self.socket.recv())

    def call(self, method: str, **parameters) -> dict:
        """Call one method and return its payload."""
        request = str(next(self.ids))
        self.socket.send(json.dumps({"type": "req", "id": request, "method": method, "params": parameters}))
        while True:
            frame = self.receive()
            if frame.get("type") == "res" and frame.get("id") == request:
                if not frame["ok"]:
                    raise Refused(frame["error"])
                return frame["payload"]


@contextmanager
def connected(port: int, token: str, device: Device) -> Iterator[tuple[Connection, dict]]:
    """Shake hands with the gateway; give the connection and the gateway's hello."""
    socket = websocket.create_connection(f"ws://127.0.0.1:{port}/", timeout=30, suppress_origin=True)
    try:
        connection = Connection(socket)
        challenge = connection.receive()
        if challenge.get("event") != "connect.challenge":
            raise Refused({"message": f"no challenge but {challenge}"})
        hello = connection.call(
            "connect",
            minProtocol=PROTOCOL,
            maxProtocol=PROTOCOL,
            client=CLIENT,
            role="operator",
            scopes=SCOPES,
            caps=[],
            auth={"token": token},
            device=device.proof(challenge["payload"], token),
        )
        yield connection, hello
    finally:
        socket.close()
