"""Addresses of the network: which of them are fetched, and how they are asked for.

A password in an address is sent to its own host alone. Neither it nor a query, which may hold a key, is in a message.
"""

from __future__ import annotations

import re
from base64 import b64encode
from http.client import HTTPResponse
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from speechbrain_xser.errors import AudioError
from speechbrain_xser.utils.user_file import printable

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
SCHEMES = ("http", "https")
REDIRECTS = (301, 302, 303, 307, 308)
ALLOWED = "%/:=&?~#+!$,;'@()*[]"  # in an address as it is; other signs are escaped


def is_address(source: object) -> bool:
    """Whether a text is an address of the network, rather than a path.

    Example
    -------
    >>> [is_address(text) for text in ("https://a.example/b.wav", "ftp://a.example", "C:/b.wav", "b.wav", b"RIFF")]
    [True, True, False, False, False]
    """
    return isinstance(source, str) and ADDRESS.match(source) is not None


def shown(address: str) -> str:
    """An address in a message: without a password, and without a query, which may hold a key.

    Example
    -------
    >>> shown("https://me:secret@a.example/b.wav?key=secret")
    'https://a.example/b.wav'
    >>> shown("https://me:sec/ret@a.example/b.wav"), shown("https://a.example/@me/b.wav")
    ('https://a.example/b.wav', 'https://a.example/@me/b.wav')
    """
    scheme, _, rest = address.partition("://")
    if _has_a_torn_password(address):
        rest = rest.rpartition("@")[2]
    host, slash, path = re.split("[?#]", rest, maxsplit=1)[0].partition("/")
    return printable(f"{scheme}://{host.rpartition('@')[2]}{slash}{path}")


def _has_a_torn_password(address: str) -> bool:
    """Whether a sign in the password ends the part where a password can be, as in https://me:pa/ss@a.example."""
    host, rest = re.fullmatch("([^/?#]*)(.*)", address.partition("://")[2], re.DOTALL).groups()
    return ":" in host and "@" not in host and "@" in rest


def opened_address(address: str, redirects: int, patience: float) -> HTTPResponse:
    """The answer to a request for an address, after redirects, whose bodies are not read.

    Arguments
    ---------
    address : str
        http or https. Proxies are those of the environment.
    redirects : int
        How many are followed; none leads from https to http.
    patience : float
        Seconds without a byte.

    Returns
    -------
    HTTPResponse
        With the header read, and the body not yet.

    Raises
    ------
    AudioError
        If an address is of another kind, or there are too many redirects.
    OSError, HTTPException, ValueError
        Of the network, as Python's library raises them.

    Example
    -------
    >>> opened_address("file:///etc/hostname", redirects=5, patience=1.0)
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.AudioError: file:///etc/hostname: only http and https addresses are fetched. Give one of \
them, or a file.
    """
    opener = OpenerDirector()
    for handler in (ProxyHandler, HTTPHandler, HTTPSHandler, HTTPErrorProcessor, HTTPDefaultErrorHandler):
        opener.add_handler(handler())
    begun = shown(address)
    for _ in range(redirects + 1):
        try:
            return opener.open(_request(address, begun), timeout=patience)
        except HTTPError as error:
            with error:
                target = error.headers.get("Location")
                if error.code not in REDIRECTS or not target:
                    raise
            address = _redirected(address, target, begun)
    raise AudioError(f"{begun}: more than {redirects} redirects. Give the address that they lead to.")


def _request(address: str, begun: str) -> Request:
    """The request for an address, with signs outside ASCII escaped; a password goes to its own host alone."""
    if _has_a_torn_password(address):
        raise AudioError(f"{begun}: write /, ? and # in a password as %2F, %3F and %23.")
    parts, headers = urlsplit(address), {"User-Agent": "speechbrain_xser"}
    if parts.scheme.lower() not in SCHEMES:
        raise AudioError(f"{begun}: only http and https addresses are fetched. Give one of them, or a file.")
    credentials, _, host = parts.netloc.rpartition("@")
    if credentials:
        headers["Authorization"] = f"Basic {b64encode(unquote(credentials).encode()).decode()}"
    return Request(quote(urlunsplit(parts._replace(netloc=host)), safe=ALLOWED), headers=headers)


def _redirected(address: str, target: str, begun: str) -> str:
    """Where a redirect leads."""
    found = urljoin(address, target)
    if address.lower().startswith("https:") and found.lower().startswith("http:"):
        raise AudioError(f"{begun}: is redirected from https to http. Give an address that stays with https.")
    return found
