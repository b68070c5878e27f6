"""Takes secrets out of text before anybody reads it: logs, error sentences, the screen.

It works on finished text, because that is where secrets turn up: PyAV, redis and Apprise put the
URL that they were given, password included, into the messages of their exceptions. When in doubt
it hides too much.
"""

from __future__ import annotations

import re

HIDDEN = "***"

# Lengths are bounded, so that no text, however made, takes long to search.

# Names of URL parameters, keywords and fields whose value is a secret.
_SENSITIVE_WORD = (
    r"(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key"
    r"|credential|signature|authorization)"
)
_SENSITIVE = rf"[\w.-]{{0,40}}{_SENSITIVE_WORD}[\w.-]{{0,40}}"
_PARAMETER = rf"(?:{_SENSITIVE}|pass|key|auth|sig|pin)"

# Schemes whose URL names a place; in all others (slack://, tgram://, ...) the path is the secret.
_PLAIN_SCHEMES = re.compile(
    r"amqps?|file|forms?|ftp|https?|jsons?|mqtts?|postgresql|rediss?|rtmps?|rtp|rtsp[stu]?|s3|sftp"
    r"|sqlite|srt|tcp|udp|unix|wss?|xmls?"
)

_RULES = (
    # scheme://user:password@host, also where the password holds an unescaped / or @
    (re.compile(r"(?<=://)[^\s/?#]{0,500}@"), f"{HIDDEN}@"),
    (
        re.compile(r"(?<=://)[^\s/@:]{1,200}:(?!\d+(?:[/?#'\"),.;:\s]|$))[^\s]{0,500}@"),
        f"{HIDDEN}@",
    ),
    # the same where the password begins like a port: 00000#, 554/x
    (re.compile(r"(?<=://)[^\s/@:]{1,200}:\d(?:(?!://)\S){0,500}@"), f"{HIDDEN}@"),
    # ?token=..., &password=..., ;key=...
    (re.compile(rf"(?i)([?&;]{_PARAMETER}=)[^&\s#'\"<>)]+"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    # webhook addresses whose path is the secret
    (re.compile(r"(hooks\.slack\.com/services/|/api/webhooks/)[^\s'\"]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(/bot)\d+:[\w-]+"), rf"\1{HIDDEN}"),
)
_NAMED_RULES = (
    (re.compile(r"(?i)\b(authorization['\"]?\s*[:=]\s*['\"]?)[^'\"\r\n]+"), rf"\1{HIDDEN}"),
    # password='...', "token": "..." as in reprs of keywords, dicts and JSON
    (re.compile(rf"(?i)\b({_SENSITIVE}\s*=\s*)(['\"])(?:(?!\2).)+\2"), rf"\1\2{HIDDEN}\2"),
    (
        re.compile(rf"(?i)((['\"]){_SENSITIVE}\2\s*:\s*)(['\"])(?:(?!\3).)+\3"),
        rf"\1\3{HIDDEN}\3",
    ),
    (re.compile(rf"(?i)\b({_SENSITIVE}=)(?!['\"*])[^\s&,;)]+"), rf"\1{HIDDEN}"),
)
_ANY_SENSITIVE_WORD = re.compile(_SENSITIVE_WORD, re.IGNORECASE)
_ANY_URL = re.compile(r"\b([a-z][a-z0-9+.-]{0,30})://[^\s'\"<>]+", re.IGNORECASE)
_SENSITIVE_KEY = re.compile(_SENSITIVE, re.IGNORECASE)


def redact(text: str) -> str:
    """The text without URL credentials, secret parameters, tokens and webhook addresses.

    >>> redact("cannot open rtsp://admin:pw@10.0.0.5/live?token=abc&x=1")
    'cannot open rtsp://***@10.0.0.5/live?token=***&x=1'
    """
    # The rules about names are the slow ones, and few texts hold such a name.
    named = _NAMED_RULES if _ANY_SENSITIVE_WORD.search(text) else ()
    for pattern, replacement in (*_RULES, *named):
        text = pattern.sub(replacement, text)
    return _ANY_URL.sub(_hide_unknown_scheme, text)


def names_a_secret(key: str) -> bool:
    """Whether a field of this name holds a secret, such as ``password`` or ``api_key``."""
    return _SENSITIVE_KEY.fullmatch(key) is not None


def _hide_unknown_scheme(match: re.Match[str]) -> str:
    scheme = match[1].lower().partition("+")[0]
    return match[0] if _PLAIN_SCHEMES.fullmatch(scheme) else f"{match[1]}://{HIDDEN}"
