"""Who may ask: whoever knows the token, or everybody, which must be said where more than this machine can ask."""

import hashlib
from collections.abc import Mapping

from serving.addresses import LOOPBACK, ServerFailed

SHORTEST, LONGEST = 16, 512
"""Characters of a token."""


def token_from(environment: Mapping[str, str], host: str) -> str:
    """The token that `EMOTION_TOKEN` sets, "" where everybody who reaches `host` may ask.

    Raises `ServerFailed` for a token that is too short or does not fit into a header, and where there is none, `host`
    is not loopback, and `EMOTION_OPEN` is not `yes`; never with the token's value.
    """
    token = environment.get("EMOTION_TOKEN", "")
    if not token:
        if host != LOOPBACK and environment.get("EMOTION_OPEN") != "yes":
            raise ServerFailed(
                "everybody who reaches this service could use it; set EMOTION_TOKEN to a secret of at least "
                f"{SHORTEST} characters, or EMOTION_OPEN=yes if that is wanted or something in front asks who they are"
            )
        return ""
    if not SHORTEST <= len(token) <= LONGEST:
        raise ServerFailed(f"EMOTION_TOKEN has {len(token)} characters; expected {SHORTEST} to {LONGEST}")
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise ServerFailed("EMOTION_TOKEN holds a character that a header cannot carry; expected printable ASCII")
    return token


def fingerprint(token: str) -> str:
    """SHA-256 in hexadecimal. Fingerprints are compared, not tokens: how long that takes tells nothing of the token."""
    return hashlib.sha256(token.encode()).hexdigest()
