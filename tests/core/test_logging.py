import json
import logging
import subprocess
import sys
import textwrap

import pytest


def run(code: str, **environment: str) -> str:
    """What a fresh process that runs ``code`` writes on stderr."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=20,
        env={"PATH": "/usr/bin:/bin", **environment},
    )
    assert result.stdout == ""
    return result.stderr


SECRET_URL = "rtsp://admin:hunter2@10.0.0.5/live"
EVERY_WAY_TO_LOG = f"""
    import logging, structlog, threading, warnings
    from core.logging import configure_logging
    configure_logging("ingest")
    log = structlog.get_logger()
    log.info("opening {SECRET_URL}", source="{SECRET_URL}", nested={{"urls": ["{SECRET_URL}"]}})
    log.info("settings", password="hunter2", error=OSError("{SECRET_URL}"))
    logging.getLogger("library").warning("cannot open %s", "{SECRET_URL}")
    logging.getLogger("library").warning("cannot open %s://%s", "rtsp", "admin:hunter2@10.0.0.5")
    try:
        raise OSError("[Errno 5] I/O error: '{SECRET_URL}'")
    except OSError as error:
        log.exception("structlog exception")
        logging.getLogger("library").exception("library exception: %s", error)
    own = logging.getLogger("stubborn")
    own.propagate = False
    own.addHandler(logging.StreamHandler())
    try:
        raise OSError("{SECRET_URL}")
    except OSError:
        own.exception("a handler of its own, {SECRET_URL}")
    warnings.warn("a warning about {SECRET_URL}")
    thread = threading.Thread(target=lambda: 1 / len("{SECRET_URL}"[:0]), name="decoder")
    thread.start()
    thread.join()
    raise RuntimeError("uncaught: {SECRET_URL}")
"""


@pytest.mark.parametrize("kind", ["", "json"])
def test_no_way_of_logging_shows_a_password(kind: str) -> None:
    text = run(EVERY_WAY_TO_LOG, HEADCOUNT_LOG=kind)
    assert "hunter2" not in text
    for told in (
        "opening rtsp://***@10.0.0.5/live",
        "structlog exception",
        "library exception",
        "a handler of its own",
        "a warning about",
        "uncaught exception in thread decoder",
        "ZeroDivisionError",
        "uncaught: rtsp://***@10.0.0.5/live",
    ):
        assert told in text


def test_json_lines_are_one_object_each_with_time_level_and_service() -> None:
    text = run(
        """
        import logging, structlog
        from core.logging import configure_logging
        configure_logging("worker", json=True)
        structlog.get_logger().warning("slow", camera="gate-1", ms=12.5)
        logging.getLogger("library").error("bad %d", 3)
        """
    )
    first, second = (json.loads(line) for line in text.splitlines())
    assert first["event"] == "slow"
    assert (first["level"], first["service"], first["camera"]) == ("warning", "worker", "gate-1")
    assert first["ms"] == 12.5
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["level"]) == ("bad 3", "error")


def test_text_for_people_has_no_escape_codes_outside_a_terminal() -> None:
    text = run(
        """
        import structlog
        from core.logging import configure_logging
        configure_logging("worker")
        structlog.get_logger().info("ready", cameras=3)
        """
    )
    assert "ready" in text
    assert "cameras=3" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(("level", "lines"), [("ERROR", 0), ("debug", 2), ("nonsense", 1), ("", 1)])
def test_the_level_comes_from_the_environment(level: str, lines: int) -> None:
    text = run(
        """
        import structlog
        from core.logging import configure_logging
        configure_logging("worker")
        structlog.get_logger().debug("one")
        structlog.get_logger().info("two")
        """,
        HEADCOUNT_LOG_LEVEL=level,
    )
    assert len(text.splitlines()) == lines


def test_formatters_that_read_the_arguments_still_can() -> None:
    text = run(
        """
        import logging
        from core.logging import configure_logging
        configure_logging("dashboard")
        class AccessFormatter(logging.Formatter):
            def formatMessage(self, record):
                client, method, path, version, status = record.args
                return f"{client} {method} {path} {status + 0}"
        handler = logging.StreamHandler()
        handler.setFormatter(AccessFormatter())
        access = logging.getLogger("access")
        access.propagate = False
        access.addHandler(handler)
        access.warning("%s %s %s %s %d", "127.0.0.1", "GET", "/a?token=abc", "1.1", 200)
        """
    )
    assert text == "127.0.0.1 GET /a?token=*** 200\n"


def test_importing_it_changes_nothing() -> None:
    before = logging.getLogRecordFactory()
    import core.logging  # noqa: F401

    assert logging.getLogRecordFactory() is before
