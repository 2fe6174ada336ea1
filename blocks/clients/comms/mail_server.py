"""Postfix, Dovecot and OpenDKIM of a complex: what their configuration says, and how they are started.

Everything lies in `mail/` of the plan's home: `store/DOMAIN/NAME` is the mail, `sockets` joins the servers. Postfix and
Dovecot need root to start, and give it up for their users; OpenDKIM runs as a user of its own.
"""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path
from shutil import which

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import HttpUrl

from blocks.clients.comms.addresses import MailAt
from blocks.clients.comms.plan import Plan, Program, fill
from blocks.errors import Refused

HEADROOM_BYTES = 64 * 2**10
"""What a message may grow by on its way. Incoming mail has it above KS-3.5, our own contacts' messages have not."""
MAIL_UID = 5000
DKIM_KEY = "mail/dkim/mail.private"

_QUERIES = {
    "ours": "SELECT 'REJECT' FROM mail_domain WHERE domain = lower('%d')",
    "domains": "SELECT domain FROM mail_domain WHERE domain = '%s' AND active = 1",
    "mailboxes": "SELECT email FROM mail_account JOIN mail_domain USING (domain)"
    " WHERE email = lower('%s') AND mail_account.active = 1 AND mail_domain.active = 1",
}
_QUERIES["suspended"] = f"SELECT 'REJECT' WHERE NOT EXISTS ({_QUERIES['mailboxes']})"
_OF_USER = "FROM mail_account WHERE email = '%Lu' AND active = 1"
_SQL = {
    "scram": {
        "default_pass_scheme": "SCRAM-SHA-256",
        "password_query": f"SELECT email AS user, scram256 AS password {_OF_USER}",
    },
    "cram": {
        "default_pass_scheme": "CRAM-MD5",
        "password_query": f"SELECT email AS user, cram AS password {_OF_USER} AND cram IS NOT NULL",
    },
    "users": {"user_query": f"SELECT '*:storage=' || quota_mb || 'M' AS quota_rule {_OF_USER}"},
}
_PROGRAMS = {
    "opendkim": "opendkim",
    "dovecot": "dovecot",
    "/usr/lib/dovecot/imap": "dovecot-imapd",
    "/usr/lib/dovecot/lmtp": "dovecot-lmtpd",
    "/usr/lib/dovecot/modules/auth/libdriver_pgsql.so": "dovecot-pgsql",
    "/usr/lib/postfix/sbin/master": "postfix",
    "/usr/lib/postfix/postfix-pgsql.so": "postfix-pgsql",
}


def files(plan: Plan) -> dict[str, str]:
    """The configuration, by paths relative to the plan's home. A DKIM key that is there already stays."""
    tls = {"ciphers": _openssl(plan, "CipherString"), "suites": _openssl(plan, "Ciphersuites")}
    submission = fill("mail/submission.cf", plan)
    made = {
        "mail/openssl.cnf": fill("openssl.cnf", plan),
        "mail/postfix/main.cf": fill("mail/main.cf", plan, headroom=HEADROOM_BYTES, **tls),
        "mail/postfix/master.cf": fill("mail/master.cf", plan, submission=submission),
        "mail/dovecot.conf": fill("mail/dovecot.conf", plan, uid=MAIL_UID, **tls),
        "mail/opendkim.conf": fill("mail/opendkim.conf", plan),
        "mail/dkim/keys": f"all %:mail:{plan.home / DKIM_KEY}\n",
        "mail/dkim/signers": "* all\n",
        DKIM_KEY: dkim_key(plan),
    }
    made |= {f"mail/postfix/{name}.cf": fill("mail/lookup.cf", plan, query=_QUERIES[name]) for name in _QUERIES}
    made |= {f"mail/dovecot/{name}.sql": fill("mail/dovecot.sql", plan, queries=_SQL[name]) for name in _SQL}
    return made | {
        f"mail/{name}.sh": fill(f"mail/{name}.sh", plan, uid=MAIL_UID) for name in ("postfix", "dovecot", "opendkim")
    }


def programs(plan: Plan) -> tuple[Program, ...]:
    """OpenDKIM, Dovecot and Postfix, in the order in which they need each other.

    Raises Refused where one is not installed, or where we are not root.
    """
    for needed, package in _PROGRAMS.items():
        if which(needed, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin") is None and not Path(needed).exists():
            raise Refused("not_installed", f"{needed} is missing: install the package {package}")
    if os.geteuid() != 0:
        raise Refused("not_root", "Postfix and Dovecot are started by root alone")
    return listed(plan)


def listed(plan: Plan) -> tuple[Program, ...]:
    """The same, whatever this machine has: for another one."""
    ports = plan.ports
    public = {"dovecot": (ports.imap, ports.imaps), "postfix": (ports.smtp, ports.submission, ports.submissions)}
    return tuple(
        Program(name, ("sh", f"{plan.home}/mail/{name}.sh"), public.get(name, ()))
        for name in ("opendkim", "dovecot", "postfix")
    )


def at(plan: Plan) -> MailAt:
    """Where these servers will stand."""
    ports = plan.ports
    return MailAt(
        imap_port=ports.imap,
        imaps_port=ports.imaps,
        submission_port=ports.submission,
        submissions_port=ports.submissions,
        smtp_port=ports.smtp,
        doveadm_url=HttpUrl(f"http://{plan.management}:{ports.doveadm}"),
        management_port=ports.mail_management,
    )


def dkim_key(plan: Plan) -> str:
    """The private key that signs for every domain, in PEM: the one that is in the plan's home, else a new one."""
    there = plan.home / DKIM_KEY
    if there.exists():
        return there.read_text()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, shape = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(encoding, shape, serialization.NoEncryption()).decode()


def dkim_public(plan: Plan) -> str:
    """The public key of the one in the plan's home, as the DNS wants it in `p=`. Raises Refused where there is none."""
    try:
        private = serialization.load_pem_private_key((plan.home / DKIM_KEY).read_bytes(), None)
    except OSError:
        raise Refused("dkim", f"{plan.home / DKIM_KEY} is not there: write the configuration first") from None
    encoding, shape = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return b64encode(private.public_key().public_bytes(encoding, shape)).decode()


def _openssl(plan: Plan, setting: str) -> str:
    lines = (line.partition(" = ") for line in fill("openssl.cnf", plan).splitlines())
    return next(value for name, _, value in lines if name == setting)
