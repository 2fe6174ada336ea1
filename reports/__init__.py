"""What people read: frozen view models in, bytes or text out. Russian for customers, partners and auditors.

Invariants: no ledger, no clients, no Prefect, no clock; the same view gives the same bytes. Templates are strict: an
undefined name is an error. HTML is escaped.
"""
