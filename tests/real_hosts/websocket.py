"""A websocket to a local server, in as many lines as listening to ComfyUI takes."""

from __future__ import annotations

import base64
import os
import socket
import struct


class WebSocket:
    """Receives text and binary messages; sends nothing but pongs and the first text."""

    def __init__(self, host: str, port: int, path: str, timeout: float) -> None:
        self._socket = socket.create_connection((host, port), timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            (
                f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                "Sec-WebSocket-Version: 13\r\n\r\n"
            ).encode()
        )
        self._buffer = b""
        answer = self._until(b"\r\n\r\n")
        if b" 101 " not in answer.split(b"\r\n")[0]:
            raise ConnectionError(answer.decode(errors="replace"))

    def send(self, text: str) -> None:
        """A text message."""
        self._frame(1, text.encode())

    def receive(self) -> str | bytes:
        """The next message: str for text, bytes for binary. Raises TimeoutError."""
        parts, kind = [], 0
        while True:
            first, second = self._exactly(2)
            size = second & 127
            if size == 126:
                size = struct.unpack(">H", self._exactly(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self._exactly(8))[0]
            data, code = self._exactly(size), first & 15
            if code == 9:
                self._frame(10, data)
                continue
            if code == 8:
                raise ConnectionError("the server closed the socket")
            parts.append(data)
            kind = code or kind
            if first & 128:
                whole = b"".join(parts)
                return whole.decode() if kind == 1 else whole

    def close(self) -> None:
        """End of it."""
        self._socket.close()

    def _frame(self, code: int, data: bytes) -> None:
        mask, size = os.urandom(4), len(data)
        head = bytes([128 | code]) + (
            bytes([128 | size]) if size < 126 else bytes([254]) + struct.pack(">H", size)
        )
        hidden = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
        self._socket.sendall(head + mask + hidden)

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more()
        found, self._buffer = self._buffer[:count], self._buffer[count:]
        return found

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._more()
        found, self._buffer = self._buffer.split(end, 1)
        return found

    def _more(self) -> None:
        data = self._socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the connection ended")
        self._buffer += data
