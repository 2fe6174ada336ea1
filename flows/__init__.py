"""When things happen: one business process a file, thin. The gateway and the commands live here too.

Invariants: a flow reads, decides, acts, records; time enters as `as_of`; no SQL, no vendor SDK, no arithmetic on money
or dates. Flows do not import each other; what they share is in `fulfilment` and `runtime`, which know no Prefect.
"""
