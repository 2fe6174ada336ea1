"""Whole flows on a running installation: Prefect's server, worker, dispatcher, gateway, a browser."""
