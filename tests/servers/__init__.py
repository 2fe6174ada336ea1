"""Real servers for tests, each a context manager: PostgreSQL, Postfix, BIND, ejabberd, Dovecot, Kamailio, Chromium.

All listen on 127.0.0.1 at ports of their own, keep their state in a temporary directory that goes
away with them, and end when the context does, or when the test process dies. `install.sh` beside
this file installs what they need.
"""
