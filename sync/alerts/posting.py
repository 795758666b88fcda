"""A POST to an address that a user wrote down: over https, to the public internet, to nowhere else.

The name is resolved once, every address must be public, and we connect to that very address, so that no name
can lead us into our own network. No redirects, no proxies, bounded time and answer. Hosts that the config
names as internal may be anywhere, and at another port. Errors never say which address it was.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Collection, Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

TIMEOUT_S = 10.0
MOST_READ = 64 * 1024

_V6_YES = ip_network("2000::/3")
_V6_NO = tuple(ip_network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
_V4_NO = tuple(ip_network(net) for net in ("192.0.0.0/24", "192.88.99.0/24"))


class Undelivered(Exception):
    """It did not arrive: a sentence of ours, in which nothing is repeated that others said."""


def public(text: str) -> bool:
    """Whether an address belongs to the public internet. `is_global` alone lets some through that do not."""
    address = ip_address(text.partition("%")[0])
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.version == 6:
        return address in _V6_YES and not any(address in net for net in _V6_NO)
    kept = address.is_multicast or address.is_reserved or any(address in net for net in _V4_NO)
    return address.is_global and not kept


def post(url: str, body: bytes, headers: Mapping[str, str], *, internal: Collection[str] = ()) -> None:
    """Send it; `Undelivered` if it is not answered with 2xx. `internal`: "host:port" that may be anywhere."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    address = _resolved(host, port, internal)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = _Pinned(host, port, address)
    over = threading.Timer(TIMEOUT_S, connection.cut)  # a socket's own time-out begins anew with each byte
    over.daemon = True
    over.start()
    try:
        connection.request("POST", target, body=body, headers={**headers, "User-Agent": "segsync"})
        answer = connection.getresponse()
        status = answer.status
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer.read(MOST_READ)
    except ssl.SSLCertVerificationError:
        raise Undelivered("its certificate is not good for this name") from None
    except TimeoutError:
        raise Undelivered(f"no answer within {TIMEOUT_S:.0f} s") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Undelivered(f"cannot be reached ({type(error).__name__})") from None
    finally:
        over.cancel()
        connection.close()
    if not 200 <= status < 300:
        raise Undelivered(f"answered {status}")


def _resolved(host: str, port: int, internal: Collection[str]) -> str:
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        raise Undelivered("its host name cannot be resolved") from None
    named = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    allowed = named.lower() in internal
    if not found or not (allowed or (port == 443 and all(map(public, found)))):
        raise Undelivered(
            "refused: not at port 443 of the public internet, and not listed under alerts.internal"
        )
    return min(found, key=lambda one: (":" in one, one))


class _Pinned(http.client.HTTPSConnection):
    """Connects to the address that was checked; the certificate is checked for the name."""

    def __init__(self, host: str, port: int, address: str) -> None:
        self._tls = ssl.create_default_context()
        self._address = address
        super().__init__(host, port, timeout=TIMEOUT_S, context=self._tls)

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), TIMEOUT_S)
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise

    def cut(self) -> None:
        """End whatever is under way."""
        sock = self.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
