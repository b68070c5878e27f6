"""A small HTTP server for tests: files, and an MJPEG stream as cameras send it."""

from __future__ import annotations

import base64
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np

from ingest.picture import encode_jpeg

MJPEG_FPS = 10
BLACK = encode_jpeg(av.VideoFrame.from_ndarray(np.full((240, 320), 9, np.uint8), "gray"), 320)


class HttpServer:
    """Serves a folder on 127.0.0.1, and ``/live.mjpg``: the frames of ``gate.mp4``, repeated.

    Args:
        credentials: user and password asked for by basic authentication.
    """

    def __init__(self, folder: Path, credentials: tuple[str, str] | None = None) -> None:
        self.requests: list[str] = []
        with av.open(str(folder / "gate.mp4")) as container:
            jpegs = [encode_jpeg(frame, 320) for frame in container.decode(video=0)]
        handler = partial(_Handler, directory=str(folder), owner=self, jpegs=jpegs)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.port = self._server.server_address[1]
        self.credentials = credentials
        self.stopping = threading.Event()
        self.frozen = threading.Event()  # the live stream repeats one picture
        self.picture: bytes | None = None  # what the live stream sends instead of its own
        self.covered = threading.Event()  # it shows the inside of a lens cap

    def url(self, name: str) -> str:
        user = ":".join(self.credentials) + "@" if self.credentials else ""
        return f"http://{user}127.0.0.1:{self.port}/{name}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args: Any, owner: HttpServer, jpegs: list[bytes], **kwargs: Any) -> None:
        self.owner = owner
        self.jpegs = jpegs
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        self.owner.requests.append(self.path)
        if not self._authorised():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/live.mjpg":
            self._stream()
        else:
            super().do_GET()

    def _authorised(self) -> bool:
        if self.owner.credentials is None:
            return True
        wanted = base64.b64encode(":".join(self.owner.credentials).encode()).decode()
        return self.headers.get("Authorization") == f"Basic {wanted}"

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            while True:
                for moving in self.jpegs:
                    if self.owner.stopping.is_set():
                        return
                    jpeg = self.jpegs[0] if self.owner.frozen.is_set() else moving
                    jpeg = self.owner.picture or jpeg
                    jpeg = BLACK if self.owner.covered.is_set() else jpeg
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
                    self.wfile.write(head.encode() + b"\r\n\r\n" + jpeg + b"\r\n")
                    time.sleep(1 / MJPEG_FPS)
        except OSError:  # the client has gone
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
