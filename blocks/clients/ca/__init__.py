"""Certificate authorities: ACME, a commercial CA by its reseller API, and the local one, behind one protocol."""
