"""Real servers for tests: PostgreSQL, Postfix and Chromium, each a context manager.

All listen on 127.0.0.1 at ports of their own, keep their state in a temporary directory that goes
away with them, and end when the context does, or when the test process dies. `install.sh` beside
this file installs what they need.
"""
