"""A Postfix of the tests' own: a real MTA that delivers to Maildirs and sends real DSNs.

It takes submissions under TLS too, each by STARTTLS or from the first byte, and asks nobody for a password.

Nothing leaves the machine: every domain but example.test is refused at RCPT. Recipients of
example.test are all accepted at RCPT; those without a mailbox bounce afterwards, so that a sender
sees a delivery report and not a mere 550. Nothing under /etc/postfix is read but the list of lookup
types, and nothing there is changed.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import smtplib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from .certificates import Authority, Certificate
from .processes import (
    NOBODY_ID,
    NotReadyError,
    RunningProcess,
    clean_environment,
    free_port,
    running,
    server_directory,
    wait_until,
)
from .requirements import require, require_root

DOMAIN = "example.test"
CUSTOMER = f"customer@{DOMAIN}"
OTHER = f"other@{DOMAIN}"
BOUNCES = f"bounces@{DOMAIN}"
"""The envelope sender to use: delivery reports go to its Maildir."""

# postmaster and double-bounce must exist: Postfix's own notices go there.
MAILBOXES = ("customer", "other", "bounces", "postmaster", "double-bounce")
MASTER = Path("/usr/lib/postfix/sbin/master")
READY_DEADLINE_S = 30.0
MESSAGE_DEADLINE_S = 15.0

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.{domain}
mydomain = {domain}
myorigin = {domain}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
maillog_file = /dev/stdout
alias_maps =
alias_database =
local_recipient_maps =
default_transport = error:5.7.1 this test server relays nothing
relay_transport = error:5.7.1 this test server relays nothing
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {home}/mail
virtual_mailbox_maps = texthash:{home}/etc/vmailbox
virtual_minimum_uid = 1
virtual_uid_maps = static:{nobody}
virtual_gid_maps = static:{nobody}
virtual_mailbox_limit = 0
biff = no
smtp_tls_security_level = none
smtpd_tls_security_level = none
disable_dns_lookups = yes
smtpd_peername_lookup = no
queue_run_delay = 5s
minimal_backoff_time = 5s
bounce_queue_lifetime = 1m
"""

# smtpd's own virtual_mailbox_maps accepts every name at RCPT. Without `trace` there would be no
# success reports; `postlog` goes with maillog_file.
MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
  -o virtual_mailbox_maps=static:any
127.0.0.1:{submission_port} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_tls_chain_files={certificate}
127.0.0.1:{smtps_port} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_tls_chain_files={certificate}
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

# What `postfix start` would create, in seconds, with many more checks: (owner, group, mode).
POSTFIX_QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming")
QUEUE_DIRECTORIES: dict[str, tuple[str, str, int]] = {
    **dict.fromkeys((*POSTFIX_QUEUES, "private", "saved", "trace"), ("postfix", "root", 0o700)),
    "maildrop": ("postfix", "postdrop", 0o730),
    "public": ("postfix", "postdrop", 0o710),
    "pid": ("root", "root", 0o755),
}


@dataclass(frozen=True)
class PostfixServer:
    """A server that answers: submissions by STARTTLS at `submission_port`, under TLS at `smtps_port`.

    `ready_s` is what its start took.
    """

    host: str
    port: int
    submission_port: int
    smtps_port: int
    process: RunningProcess
    mail: Path
    log: Path
    ready_s: float
    domain: str = DOMAIN

    def maildir(self, name: str) -> Path:
        """Return the Maildir of a mailbox's local part; it exists once something came."""
        return self.mail / name

    def clear(self) -> None:
        """Empty every mailbox. What is still in the queue arrives afterwards all the same."""
        for delivered in self.mail.glob("*/new/*"):
            delivered.unlink()


@contextmanager
def postfix_server(authority: Authority) -> Iterator[PostfixServer]:
    """Run Postfix with the mailboxes above. Its master runs as root, its services as postfix.

    Errors that end master before its own log is up (a taken port) go to syslog only: the log that
    ProcessDiedError shows is then empty.
    """
    started = time.monotonic()
    require_root("Postfix")
    master = require(str(MASTER), "postfix")
    with server_directory("dg-mx-") as home:
        ports = free_port(), free_port(), free_port()
        _lay_out(home, ports, authority.issue(DOMAIN))
        with running(
            [master, "-c", home / "etc", "-s"],  # -s: stay our child, with our output
            log=home / "maillog",
            env=clean_environment(home),
            cwd=home,
        ) as process:
            _wait_ready(ports[0], process)
            ready_s = time.monotonic() - started
            yield PostfixServer("127.0.0.1", *ports, process, home / "mail", home / "maillog", ready_s)


def _lay_out(home: Path, ports: tuple[int, int, int], certificate: Certificate) -> None:
    values = {"daemons": MASTER.parent, "domain": DOMAIN, "home": home, "nobody": NOBODY_ID}
    for name in ("etc", "queue", "data", "mail"):
        (home / name).mkdir(mode=0o755)
    (home / "etc/main.cf").write_text(MAIN_CF.format(**values))
    listeners = dict(zip(("port", "submission_port", "smtps_port"), ports, strict=True))
    (home / "etc/master.cf").write_text(MASTER_CF.format(**listeners, certificate=certificate.both))
    mailboxes = "".join(f"{name}@{DOMAIN} {name}/\n" for name in MAILBOXES)
    (home / "etc/vmailbox").write_text(mailboxes)
    for file in (home / "etc").iterdir():
        # Postfix naps until a file it reads is older than a second, lest it be half written.
        os.utime(file, (0, 0))
    shutil.chown(home / "data", "postfix")
    os.chown(home / "mail", NOBODY_ID, NOBODY_ID)
    for name, (owner, group, mode) in QUEUE_DIRECTORIES.items():
        directory = home / "queue" / name
        directory.mkdir()
        os.chown(directory, pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid)
        directory.chmod(mode)


def _wait_ready(port: int, process: RunningProcess) -> None:
    def greets() -> bool:
        process.ensure_alive()
        try:
            # Given no name, smtplib would look up this machine's own, which can take seconds.
            with smtplib.SMTP("127.0.0.1", port, DOMAIN, timeout=5) as client:
                return client.noop()[0] == 250
        except OSError:  # smtplib's own errors are OSErrors too
            return False

    wait_until(greets, READY_DEADLINE_S, "Postfix answers")


def read_maildir(maildir: Path) -> list[EmailMessage]:
    """Return the new messages of a Maildir, oldest first, leaving them there."""
    # Maildir delivery renames complete files into new/: what is seen there is whole.
    files = sorted(maildir.glob("new/*"), key=lambda file: file.stat().st_mtime_ns)
    return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]


def wait_messages(
    maildir: Path,
    count: int,
    deadline_s: float = MESSAGE_DEADLINE_S,
    *,
    match: Callable[[EmailMessage], bool] = lambda _: True,
) -> list[EmailMessage]:
    """Wait until `maildir` holds at least `count` messages that match; return those that do.

    Give `match` where the server is shared: reports on another test's mail may still come in.
    """
    matching: list[EmailMessage] = []

    def enough() -> bool:
        matching[:] = filter(match, read_maildir(maildir))
        return len(matching) >= count

    try:
        wait_until(enough, deadline_s, f"{count} messages in {maildir.name}")
    except NotReadyError as error:
        seen = [str(message["Subject"]) for message in read_maildir(maildir)]
        error.add_note(f"matching: {len(matching)}; subjects there: {seen}")
        raise
    return matching
