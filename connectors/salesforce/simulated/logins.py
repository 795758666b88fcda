"""The token address: client credentials and JWT bearer, with the words of its refusals."""

from __future__ import annotations

import base64
import time
from urllib.parse import parse_qs

from connectors.simulation.platform import Request

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LONGEST_S = 300


def problem(
    request: Request, *, key: str, secret: str, username: str, public_key: str | None
) -> tuple[str, str] | None:
    """(error, description) if the login is refused, else None."""
    form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
    grant = form.get("grant_type", "")
    if grant == "client_credentials":
        basic = base64.b64encode(f"{key}:{secret}".encode()).decode()
        given = request.headers.get("authorization", "").removeprefix("Basic ")
        by_form = (form.get("client_id"), form.get("client_secret")) == (key, secret)
        if given == basic or by_form:
            return None
        return "invalid_client", "invalid client credentials"
    if grant == JWT_GRANT:
        return _assertion(form.get("assertion", ""), key=key, username=username, public_key=public_key)
    return "unsupported_grant_type", "grant type not supported"


def _assertion(text: str, *, key: str, username: str, public_key: str | None) -> tuple[str, str] | None:
    """Checks the signature; the expiry against the computer's own clock, as the SDK signs with that."""
    import jwt

    try:
        claims = jwt.decode(
            text,
            public_key or "",
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_aud": False},
        )
    except (jwt.PyJWTError, ValueError, TypeError):
        return "invalid_grant", "invalid assertion"
    if claims.get("iss") != key:
        return "invalid_client_id", "client identifier invalid"
    if claims.get("sub") != username:
        return "invalid_grant", "user hasn't approved this consumer"
    if claims.get("aud") not in ("https://login.salesforce.com", "https://test.salesforce.com"):
        return "invalid_grant", "audience is invalid"
    left_s = float(claims.get("exp") or 0) - time.time()
    if not 0 < left_s <= LONGEST_S:
        return "invalid_grant", "expired authorization code"
    return None
