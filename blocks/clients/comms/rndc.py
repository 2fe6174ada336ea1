"""The control channel of our name servers, by BIND's own `rndc`. Its key stands in a file, not among the arguments."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from shutil import which

from blocks.errors import NotFound, Refused, Transient

WAIT_S = 30.0
_NO_ANSWER = ("connect failed", "timed out", "connection refused", "network unreachable", "host unreachable")


class Rndc:
    """Asks the server at `address` (name or IP). Raises Transient where nobody answers, Refused for a no."""

    def __init__(self, address: str, port: int, key: Path) -> None:
        self._server = ("-s", address, "-p", str(port), "-k", str(key))
        self._address = address

    def has(self, zone: str) -> bool:
        """Whether the server has the zone. Raises Refused for one that stands in its configuration: it is not ours."""
        try:
            status = self._run("zonestatus", zone)
        except NotFound:
            return False
        if "reconfigurable via modzone: yes" not in status:
            raise Refused("zone", f"{zone} is a zone of the name server's own configuration")
        return True

    def add(self, zone: str, options: str) -> None:
        """Add a zone, with its options as named.conf has them."""
        self._run("addzone", zone, f"{{ {options} }};")

    def delete(self, zone: str) -> None:
        """Take a zone and its files away; one that is not there is no error."""
        try:
            self._run("delzone", "-clean", zone)
        except NotFound:
            return

    def version(self) -> str:
        """The version that the server states, as `9.18.1`."""
        stated = re.search(r"^version: BIND (\S+)", self._run("status"), re.MULTILINE)
        if stated is None:
            raise Refused("rndc", f"{self._address} does not state a version of BIND")
        return stated[1]

    def _run(self, *words: str) -> str:
        program = which("rndc", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
        if program is None:
            raise Refused("not_installed", "rndc is not installed: Debian package bind9-utils")
        try:
            done = subprocess.run(  # noqa: S603 - zones are checked by who calls, and no shell is there
                [program, *self._server, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=WAIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Transient(f"rndc: {self._address} does not answer") from None
        if done.returncode == 0:
            return done.stdout
        raise self._fault(words, " ".join((done.stderr or done.stdout).split())[:200])

    def _fault(self, words: tuple[str, ...], said: str) -> Transient | Refused | NotFound:
        if any(sign in said for sign in _NO_ANSWER):
            return Transient(f"rndc: {self._address} does not answer")
        if "no matching zone" in said:
            return NotFound("zone", words[-1])
        return Refused("rndc", f"{self._address} refuses {words[0]}: {said}")
