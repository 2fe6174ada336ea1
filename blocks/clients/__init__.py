"""One outside system a file. A client takes its transport and time-outs as arguments and returns our types.

Invariants: a vendor's dict, exception or status stops here; what may be tried again is raised as `Transient`, what is
final as `Refused`; no call waits without a deadline. What is called a sandbox refuses to run in production.
"""
