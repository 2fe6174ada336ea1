"""The web entrance: webhooks and the customers' one-time page.

Invariants: it never imports or calls Prefect; an event is acknowledged only after it is stored; what is refused leaves
nothing but a count; no answer carries a stack trace, and no log line a token.
"""
