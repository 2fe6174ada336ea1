"""What is done: one capability a file, as plain typed functions.

Invariants: `now` is an argument; a function that takes a `Session` works inside its caller's transaction, one that
takes an `Office` opens its own; every function can be repeated after a crash at any point. Only `tasks.wrapped` knows
Prefect. Nothing here imports `flows` or `reports`.
"""
