"""The process behind `tests.rtsp_server.RtspServer`: GStreamer's RTSP server, looping H.264 files.

It runs with the system's Python, which has GStreamer's bindings, and uses nothing of ours. One line
of JSON on stdin says what to serve::

    {"port": 0, "credentials": ["user", "secret"] | null, "digest": false,
     "media": {"name": ["x.h264", "x.json"]}}

``x.h264`` holds access units back to back, ``x.json`` their ``[size, pts_ns, dts_ns]`` and the
duration of one loop. Once it serves it prints ``{"port": N}``, and it ends when stdin closes.
"""

import json
import sys
import threading
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

LAUNCH = (
    "( appsrc name=source is-live=true format=time block=false max-bytes=262144 "
    'caps="video/x-h264,stream-format=byte-stream,alignment=au" '
    "! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)


class LoopingMedia(GstRtspServer.RTSPMediaFactory):
    """One file as a stream that never ends; all clients share it, as with a camera."""

    def __init__(self, units_path, index_path):
        super().__init__()
        data = Path(units_path).read_bytes()
        index = json.loads(Path(index_path).read_text())
        self.duration = index["duration_ns"]
        self.units = []
        start = 0
        for size, pts, dts in index["units"]:
            self.units.append((data[start : start + size], pts, dts))
            start += size
        self.set_launch(LAUNCH)
        self.set_shared(True)
        self.connect("media-configure", self.configure)

    def configure(self, _factory, media):
        source = media.get_element().get_by_name_recurse_up("source")
        place = {"unit": 0, "loop": 0}
        source.connect("need-data", self.feed, place)

    def feed(self, source, _length, place):
        data, pts, dts = self.units[place["unit"]]
        offset = place["loop"] * self.duration
        buffer = Gst.Buffer.new_wrapped(data)
        buffer.pts = pts + offset
        buffer.dts = dts + offset
        place["unit"] += 1
        if place["unit"] == len(self.units):
            place["unit"] = 0
            place["loop"] += 1
        source.emit("push-buffer", buffer)


def authentication(user, password, digest):
    auth = GstRtspServer.RTSPAuth()
    method = GstRtsp.RTSPAuthMethod
    auth.set_supported_methods(method.DIGEST if digest else method.BASIC)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    auth.add_digest(user, password, token)
    return auth


def serve(settings):
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(settings["port"]))
    mounts = server.get_mount_points()
    if settings["credentials"]:
        server.set_auth(authentication(*settings["credentials"], settings["digest"]))
    for name, (units, index) in settings["media"].items():
        factory = LoopingMedia(units, index)
        if settings["credentials"]:
            factory.add_role_from_structure(
                Gst.Structure.new_from_string(
                    "viewer, media.factory.access=(boolean)true, "
                    "media.factory.construct=(boolean)true"
                )
            )
        mounts.add_factory(f"/{name}", factory)
    if not server.attach(None):
        sys.exit(f"port {settings['port']} could not be bound")
    print(json.dumps({"port": server.get_bound_port()}), flush=True)


def main():
    settings = json.loads(sys.stdin.readline())
    Gst.init(None)
    loop = GLib.MainLoop()
    serve(settings)

    def wait_for_the_end():
        sys.stdin.read()
        GLib.idle_add(loop.quit)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
