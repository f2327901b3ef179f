"""An OpenAI-compatible model that needs no account: it asks for one command, then repeats what the command printed.

Usage: model_server.py ADDRESS PORT RECORD. Each request is appended to RECORD as one JSON line.
The command to run is what follows "run: " in the user's message; without it the answer is plain text.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def text_of(message: dict) -> str:
    """Return a message's text; OpenClaw sends a string or a list of parts."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def answer(messages: list[dict]) -> dict:
    """Decide what the model reports: a call of the tool `exec`, or text.

    OpenClaw appends a user message after each tool result, so the tool is asked for only while there is no result.
    """
    results = [text_of(message) for message in messages if message["role"] == "tool"]
    if results:
        return {"role": "assistant", "content": "The command printed:\n" + results[-1]}
    asked = "\n".join(text_of(message) for message in messages if message["role"] == "user")
    commands = re.findall(r"\brun: (.+)", asked)
    if not commands:
        return {"role": "assistant", "content": "The stub model answers."}
    function = {"name": "exec", "arguments": json.dumps({"command": commands[-1]})}
    return {"role": "assistant", "tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}


def chunks(model: str, message: dict) -> Iterator[dict]:
    """Return the answer as the stream that OpenClaw reads."""
    reason = "tool_calls" if "tool_calls" in message else "stop"
    frame = {"id": "stub-1", "object": "chat.completion.chunk", "created": 0, "model": model}
    yield {**frame, "choices": [{"index": 0, "delta": message, "finish_reason": None}]}
    yield {**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    yield {**frame, "choices": [], "usage": usage}


class Model(BaseHTTPRequestHandler):
    """POST /v1/chat/completions."""

    record: Path

    def do_POST(self) -> None:
        """Record the request, answer in server-sent events."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        entry = {"path": self.path, "authorization": self.headers["Authorization"], "request": request}
        with self.record.open("a") as lines:
            lines.write(json.dumps(entry) + "\n")
        if self.path != "/v1/chat/completions":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for chunk in chunks(request["model"], answer(request["messages"])):
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")


if __name__ == "__main__":
    address, port, record = sys.argv[1:]
    Model.record = Path(record)
    ThreadingHTTPServer((address, int(port)), Model).serve_forever()
