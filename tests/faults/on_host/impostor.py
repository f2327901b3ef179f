"""Any account of the host: takes a port as soon as it is free, answers everybody, and writes down what it is shown.

    impostor.py PORT STATUS SECONDS FILE

Ends SECONDS after it got the port (0: never). Run as an account without rights.
"""

import json
import os
import socket
import sys
import threading
import time


def serve(peer, status, record):
    """Answer like a gateway that is well, or not."""
    with peer:
        peer.settimeout(2)
        asked = peer.recv(65536).decode("ascii", "replace")
        record.write(json.dumps(asked) + "\n")
        record.flush()
        body = b'{"ok":true,"ready":true,"status":"started","result":[]}'
        head = f"HTTP/1.1 {status} Any\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        peer.sendall(head.encode() + body)


def main():
    """Take the port, and keep it for a while."""
    port, status, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    record = open(sys.argv[4], "w")  # noqa: SIM115 (until it ends)
    while True:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen()
            break
        except OSError:
            listener.close()
            time.sleep(0.001)
    record.write(json.dumps("taken") + "\n")
    record.flush()
    if seconds:
        threading.Timer(seconds, os._exit, [0]).start()
    while True:
        peer, _address = listener.accept()
        threading.Thread(target=serve, args=(peer, status, record), daemon=True).start()


if __name__ == "__main__":
    main()
