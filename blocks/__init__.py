"""What the rest stands on: errors, settings, terms, ledger, clients.

Invariants: nothing here imports `tasks`, `reports` or `flows`; inside, imports go
`office -> ledger | clients -> settings | sealing -> terms -> errors`. Only `prefect_blocks` knows Prefect.
"""
