# Runs on the host under test: listens like a gateway, ntfy or an impostor, and writes down what it is sent.
import argparse
import contextlib
import importlib.machinery
import importlib.util
import json
import os
import select
import socket
import sys
import time

ANSWER = json.dumps({"ok": True, "result": {"content": [], "details": {"ok": True}}}).encode()
MPTCP, DEFER = 262, 9  # IPPROTO_MPTCP, TCP_DEFER_ACCEPT


def listening(port, address, options):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM
    server = socket.socket(family, kind, MPTCP) if options.mptcp else socket.socket(family, kind)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if options.reuse_port:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if options.defer:
        server.setsockopt(socket.IPPROTO_TCP, DEFER, 30)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind((address, port))
    server.listen(16)
    return server


def serve(server, got, silent=False):
    """Answer each request at once, and keep what comes."""
    while True:
        connection = server.accept()[0]
        connection.settimeout(2)
        with contextlib.suppress(OSError), connection:
            got(connection.recv(65536))
            if not silent:
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(ANSWER)}\r\nConnection: close\r\n\r\n"
                connection.sendall(head.encode() + ANSWER)
            connection.settimeout(1)
            while True:
                more = connection.recv(65536)
                if not more:
                    break
                got(more)


def record(options):
    server = listening(options.port, options.address, options)
    with open(options.record, "ab", buffering=0) as file:
        if options.deaf:
            time.sleep(3600)
        serve(server, file.write, options.silent)


def show(notifier, port):
    try:
        notifier.post(notifier.Place("127.0.0.1", port, "/", proven=True), b"{}", {}, "the-token")
    except notifier.UnprovenError:
        return "refused"
    except notifier.DeliveryError:
        return "failed"
    return "sent"


def turns(program, port):
    """Let the port change hands between root and another account, and show a token again and again meanwhile."""
    loader = importlib.machinery.SourceFileLoader("notifier", program)
    notifier = importlib.util.module_from_spec(importlib.util.spec_from_loader("notifier", loader))
    sys.modules["notifier"] = notifier
    loader.exec_module(notifier)
    notifier.ACCEPT_SECONDS = 0.3
    notifier.TIMEOUT = 2
    end = time.monotonic() + 10
    observed = {}
    pipes = {name: os.pipe() for name in ("root", "impostor")}
    children = []
    for name, (_reading, writing) in pipes.items():
        child = os.fork()
        if not child:
            if name == "impostor":
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
            plain = argparse.Namespace(mptcp=False, reuse_port=True, defer=False)
            while time.monotonic() < end:
                with contextlib.suppress(OSError):
                    server = listening(port, "127.0.0.1", plain)
                    stop = time.monotonic() + (0.3 if name == "root" else 0.03)
                    with server:
                        server.setblocking(False)
                        held = []
                        while time.monotonic() < stop:
                            ready, _w, _x = select.select([server, *held], [], [], 0.01)
                            for one in ready:
                                if one is server:
                                    with contextlib.suppress(OSError):
                                        held.append(server.accept()[0])
                                    continue
                                with contextlib.suppress(OSError):
                                    data = one.recv(65536)
                                    os.write(writing, b"1" if b"the-token" in data else b"")
                                    one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                                held.remove(one)
                        # What was accepted is read on for a while: a token may still be on its way.
                        for one in held:
                            one.settimeout(0.05)
                            with contextlib.suppress(OSError):
                                os.write(writing, b"1" if b"the-token" in one.recv(65536) else b"")
            os._exit(0)
        os.close(writing)
        children.append(child)
        observed[name] = 0
    counts = {"refused": 0, "sent": 0, "failed": 0}
    while time.monotonic() < end:
        counts[show(notifier, port)] += 1
    for child in children:
        os.waitpid(child, 0)
    for name, (reading, _writing) in pipes.items():
        with open(reading, "rb") as pipe:
            observed[name] = len(pipe.read())
    print(json.dumps({**counts, **observed}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("record", nargs="?")
    parser.add_argument("port", type=int)
    parser.add_argument("address", nargs="?")
    parser.add_argument("--turns")
    for flag in ("--reuse-port", "--deaf", "--defer", "--mptcp", "--silent"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args()
    if options.turns:
        turns(options.turns, options.port)
    else:
        record(options)


if __name__ == "__main__":
    main()
