"""``privacy: none`` from the video to the page: after the worker there are no picture bytes.

The same clip plays on a camera that is shown, where the same search finds pictures everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from core.messages import FRAMES_GONE_S, FRAMES_KEPT, Keys
from headcount.ports import free_port
from tests.headcount.conftest import write_site
from tests.headcount.running_site import FIRST_READING_WITHIN_S, running_site
from tests.waiting import wait_until

PICTURE = re.compile(rb"\xff\xd8\xff[\xc0-\xfe]|ftyp(?:isom|mp4|avc)")  # a JPEG or a clip begins
LEVELS = {"unit": "persons", "watch": 1, "raise_after": "1s"}
OPEN, SHUT = "open", "shut"


def has_picture(content: bytes) -> bool:
    return PICTURE.search(content) is not None


def flat(value: Any) -> bytes:
    """All the bytes in a reply of Redis."""
    if isinstance(value, dict):
        return b"".join(flat(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple | set):
        return b"".join(map(flat, value))
    return value if isinstance(value, bytes) else str(value).encode()


def contents(client: redis.Redis) -> Iterator[tuple[str, bytes]]:
    """Every key in the broker with everything in it."""
    for key in client.scan_iter():
        read = {
            b"stream": client.xrange,
            b"string": client.get,
            b"hash": client.hgetall,
            b"set": client.smembers,
            b"list": lambda name: client.lrange(name, 0, -1),
            b"zset": lambda name: client.zrange(name, 0, -1),
        }.get(client.type(key))
        if read is not None:
            yield key.decode(), flat(read(key))


def kept_files(folder: Path) -> dict[Path, bytes]:
    """The history and the evidence, as they lie on the disk."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        path: path.read_bytes()
        for path in files
        if path.name.startswith("history.db") or "evidence" in path.parts
    }


def replies(http: httpx.Client, camera: str) -> dict[str, bytes]:
    """What the API and the pages' pictures say of a camera, its incidents' evidence included."""
    found = http.get(f"/api/v1/incidents?camera={camera}").json()
    urls = [url for incident in found for url in incident["evidence"]]
    urls += [
        f"/live/{camera}.jpg?overlay={overlay}" for overlay in ("none", "heads,map,zones", "map")
    ]
    urls += ["/api/v1/cameras", f"/api/v1/history?camera={camera}", "/metrics", "/"]
    return {url: http.get(url).content for url in urls}


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("weights")
def test_no_picture_of_a_private_camera_is_anywhere_after_the_worker(
    tmp_path: Path, clips: Path, redis_client: redis.Redis, redis_url: str
) -> None:
    source = str(clips / "plaza.mp4")
    cameras = [
        {"id": name, "source": source, "zones": [{"id": "all", "levels": {**LEVELS}}], **privacy}
        for name, privacy in ((OPEN, {}), (SHUT, {"privacy": "none"}))
    ]
    port = free_port()
    site = write_site(tmp_path, cameras=cameras, dashboard={"port": port})
    with (
        running_site(site, port, HEADCOUNT_REDIS_URL=redis_url) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as http,
    ):
        both = {OPEN: "ok", SHUT: "ok"}
        wait_until(lambda: running.statuses() == both, FIRST_READING_WITHIN_S, 0.5)

        def evidence(camera: str) -> list[str]:
            found = http.get(f"/api/v1/incidents?camera={camera}").json()
            return [url for incident in found for url in incident["evidence"]]

        wait_until(lambda: len(evidence(OPEN)) >= 3 and evidence(SHUT), 60, 0.5)

        in_broker = dict(contents(redis_client))
        frames = Keys().frames(SHUT)
        assert has_picture(in_broker[Keys().pictures(OPEN)])
        assert not redis_client.exists(Keys().pictures(SHUT))
        pictured = {key for key, content in in_broker.items() if has_picture(content)}
        assert pictured <= {Keys().pictures(OPEN), Keys().frames(OPEN), frames}
        assert redis_client.xlen(frames) <= FRAMES_KEPT  # on their way to the worker
        assert redis_client.ttl(frames) <= FRAMES_GONE_S

        shown, hidden = replies(http, OPEN), replies(http, SHUT)
        assert sum(map(has_picture, shown.values())) >= 4
        assert [url for url, content in hidden.items() if has_picture(content)] == []

        incidents = http.get(f"/api/v1/incidents?camera={SHUT}").json()
        numbers = {str(incident["id"]) for incident in incidents}
    files = kept_files(tmp_path)
    assert any(path.name == "history.db" for path in files)
    assert any(has_picture(content) for content in files.values())  # of the open camera's evidence
    for path, content in files.items():
        is_hidden = "history.db" in path.name or numbers & set(
            re.split(r"\D+", str(path.parent.relative_to(tmp_path)))
        )
        assert not (is_hidden and has_picture(content)), path
