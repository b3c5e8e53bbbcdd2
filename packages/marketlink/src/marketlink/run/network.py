"""What REST and websocket share of the network: whom TLS trusts, which proxy leads out, and what a failed handshake means in words."""

import ipaddress
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import certifi

from marketlink.errors import SettingsError

_CERTIFICATE: Final = "Give a file of PEM certificates (-----BEGIN CERTIFICATE-----)."
# OpenSSL's numbers of what is wrong with a certificate (openssl/x509_vfy.h)
_UNKNOWN_AUTHORITY: Final = frozenset({2, 18, 19, 20, 21})
_NOT_YET: Final = frozenset({9, 11})
_EXPIRED: Final = frozenset({10, 12})
_OTHER_HOST: Final = frozenset({62, 64})


def ssl_context(ca_file: Path | None = None, environment: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Make the TLS settings of every connection, REST and websocket alike.

    Only the authorities in `ca_file` are trusted, else those that SSL_CERT_FILE or SSL_CERT_DIR name, else the system's, and where
    the system has none, certifi's. Raises SettingsError when a file can't be used.
    """
    name, file, directory = "ca_file", str(ca_file) if ca_file is not None else None, None
    if file is None:
        name, file = "SSL_CERT_FILE", environment.get("SSL_CERT_FILE") or None
        if file is None and (directory := environment.get("SSL_CERT_DIR") or None) is not None:
            name = "SSL_CERT_DIR"
            if not Path(directory).is_dir():
                raise SettingsError("tls", name, f"{directory}: no such directory", "Give a directory of certificates.")
    try:
        context = ssl.create_default_context(cafile=file, capath=directory)
        if file is None and directory is None and not _system_has_authorities(context):
            context.load_verify_locations(certifi.where())
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise SettingsError("tls", name, f"{file}: {what}", _CERTIFICATE) from error
    if file is not None and not context.cert_store_stats()["x509_ca"] and not context.cert_store_stats()["x509"]:
        raise SettingsError("tls", name, f"{file}: no certificate in it", _CERTIFICATE)
    return context


def _system_has_authorities(context: ssl.SSLContext) -> bool:
    directory = ssl.get_default_verify_paths().capath
    return bool(context.cert_store_stats()["x509_ca"]) or (directory is not None and any(Path(directory).glob("*.0")))


def proxy_of(url: str) -> str | None:
    """Return the proxy that the environment names for a URL: HTTPS_PROXY for https and wss, HTTP_PROXY for http and ws, else ALL_PROXY.

    None for hosts in NO_PROXY, and for this machine itself. Raises SettingsError when the proxy is of a kind that is not spoken here.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme in ("https", "wss")
    proxies = getproxies_environment()
    name = next((each for each in ("https" if secure else "http", "all") if proxies.get(each)), None)
    if name is None or _is_here(host):
        return None
    port = f":{parts.port}" if parts.port is not None else ""
    if proxy_bypass(host + port):
        return None
    proxy = proxies[name] if "://" in proxies[name] else f"http://{proxies[name]}"
    try:
        scheme, proxy_host, _ = (found := urlsplit(proxy)).scheme, found.hostname, found.port
    except ValueError as error:
        raise SettingsError("environment", f"{name.upper()}_PROXY", str(error), _PROXY) from error
    if scheme not in ("http", "https") or not proxy_host:
        what = f"a proxy of kind {scheme!r} is not spoken here" if proxy_host else "no host in it"
        raise SettingsError("environment", f"{name.upper()}_PROXY", what, _PROXY)
    return proxy


_PROXY: Final = "Give http://HOST:PORT, or name the exchange's hosts in NO_PROXY."


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def tls_words(error: BaseException, url: str) -> str | None:
    """Say in a sentence, with its remedy, why TLS with the host of `url` failed; None when that is not what the error is about."""
    found: BaseException | None = error
    seen = 0
    while found is not None and not isinstance(found, ssl.SSLError) and seen < 10:
        found, seen = found.__cause__ or found.__context__, seen + 1
    if not isinstance(found, ssl.SSLError):
        return None
    host = urlsplit(url).hostname
    if not isinstance(found, ssl.SSLCertVerificationError):
        return f"no TLS with {host}: {found.reason or found}. Does it speak TLS at this port? If not, use ws:// and http://"
    code, words = found.verify_code, found.verify_message
    start = f"the certificate of {host} is not accepted"
    if code in _UNKNOWN_AUTHORITY:
        remedy = "If that authority is to be trusted, give its certificate as ca_file or in SSL_CERT_FILE"
        return f"{start}: it is signed by an authority that is not trusted here ({words}). {remedy}"
    if code in _OTHER_HOST:
        return f"{start}: it is another host's ({words}). Check the host in the URL"
    if code in _EXPIRED:
        return f"{start}: it has expired ({words}). Check this machine's date, else its owner must renew it"
    if code in _NOT_YET:
        return f"{start}: it is not valid yet ({words}). Check this machine's date"
    return f"{start}: {words}. Ask its owner"
