"""A TLS server that shows the certificate it last read: reading it anew is a command that copies a file."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TlsSite:
    """A server on 127.0.0.1 that shows what stands in `loaded` (chain and key in one file)."""

    port: int
    loaded: Path

    def reload(self, both: Path) -> tuple[str, ...]:
        """The command that has it read `both`."""
        return ("/bin/cp", str(both), str(self.loaded))


@contextmanager
def tls_site(home: Path) -> Iterator[TlsSite]:
    """Run it; until it has read a certificate it ends every connection."""
    home.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        site = TlsSite(listening.getsockname()[1], home / "loaded.pem")
        threading.Thread(target=_accepting, args=(listening, site.loaded), daemon=True).start()
        try:
            yield site
        finally:
            listening.shutdown(socket.SHUT_RDWR)


def _accepting(listening: socket.socket, loaded: Path) -> None:
    while True:
        try:
            connected, _ = listening.accept()
        except OSError:
            return
        with suppress(OSError), connected:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(loaded)
            connected.settimeout(5)
            with context.wrap_socket(connected, server_side=True) as secure:
                secure.recv(1)
