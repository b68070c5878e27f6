"""What can be wrong with a source, as a reason from the closed list and one sentence.

FFmpeg's own messages carry the URL with its password, so a sentence here is written anew from the
kind of the error, and names the source only by `place`.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from urllib.parse import urlsplit

import av

from core.messages import Reason

_SECRET_HINTS = ("=", "pass", "pwd", "@")  # some cameras want their password in the path


class SourceError(RuntimeError):
    """A source cannot be played.

    Args:
        reason: from the closed list.
        detail: one sentence for an operator, without credentials.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        detail = detail[:1].upper() + detail[1:] if detail.startswith("the ") else detail
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def place(source: str) -> str:
    """The source's address without user, password and query, to show to an operator.

    >>> place("rtsp://admin:secret@10.0.0.5:554/live?token=1")
    'rtsp://10.0.0.5:554/live'
    """
    if source.isdecimal():
        return f"webcam {source}"
    if "://" not in source:
        return f"the file {Path(source).name}"
    parts = urlsplit(source)
    host = parts.netloc.rpartition("@")[2]
    path = parts.path
    if any(hint in path.lower() for hint in _SECRET_HINTS):
        path = "/..."
    return f"{parts.scheme}://{host}{path}"


def classify(error: Exception, source: str, elapsed_s: float, limit_s: float) -> SourceError:
    """The reason and the sentence for what PyAV raised.

    Args:
        error: raised by PyAV while opening or reading.
        source: what was opened.
        elapsed_s: how long the failed call took.
        limit_s: how long it might take; an RTSP server that does not answer shows as invalid data
            once this time is over.
    """
    where = place(source)
    network = "://" in source
    late = network and elapsed_s >= 0.9 * limit_s
    if isinstance(error, av.error.TimeoutError | av.error.ExitError) or late:
        return SourceError(Reason.TIMEOUT, f"{where} did not answer within {elapsed_s:.0f} s.")
    if isinstance(error, av.error.HTTPClientError | av.error.HTTPServerError):
        return _http_error(error, where)
    if isinstance(error, av.error.ConnectionRefusedError):
        return SourceError(Reason.REFUSED, f"Nothing listens at {where}: connection refused.")
    if isinstance(error, av.error.FileNotFoundError):
        return SourceError(Reason.NOT_FOUND, f"There is no {where.removeprefix('the ')}.")
    if isinstance(error, av.error.DecoderNotFoundError):
        return SourceError(Reason.NO_VIDEO, f"{where} has a video codec that is not known here.")
    if network and isinstance(error, av.error.EOFError):
        return SourceError(Reason.OFFLINE, f"{where} closed the connection without an answer.")
    if source.lower().startswith("rtsp") and isinstance(error, av.error.InvalidDataError):
        detail = f"{where} closed the connection, or is no RTSP server."
        return SourceError(Reason.OFFLINE, detail)
    if isinstance(error, OSError) and error.errno is not None and error.errno in errno.errorcode:
        return _system_error(error.errno, where, network)
    return SourceError(Reason.NO_VIDEO, f"{where} is nothing that can be read as video.")


def _http_error(error: Exception, where: str) -> SourceError:
    if isinstance(error, av.error.HTTPUnauthorizedError):
        detail = f"{where} refuses the user name or password (401)."
        return SourceError(Reason.UNAUTHORISED, detail)
    if isinstance(error, av.error.HTTPForbiddenError):
        return SourceError(Reason.UNAUTHORISED, f"{where} forbids access to this user (403).")
    if isinstance(error, av.error.HTTPNotFoundError):
        return SourceError(Reason.NOT_FOUND, f"The server has no stream at {where} (404).")
    kind = "the server failed" if isinstance(error, av.error.HTTPServerError) else "refused"
    return SourceError(Reason.OFFLINE, f"{where} answered the request with an error: {kind}.")


def _system_error(number: int, where: str, network: bool) -> SourceError:
    text = os.strerror(number).lower()
    if number == errno.EACCES:
        return SourceError(Reason.NOT_FOUND, f"{where} may not be read: {text}.")
    if number == errno.EBUSY:
        return SourceError(Reason.REFUSED, f"{where} is in use by another program.")
    if not network:
        return SourceError(Reason.NO_VIDEO, f"{where} cannot be read as video: {text}.")
    if number == errno.EIO:  # how FFmpeg reports an unknown host name
        text = "unknown host, or the connection broke"
    return SourceError(Reason.OFFLINE, f"{where} cannot be reached: {text}.")
