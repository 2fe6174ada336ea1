"""Asking a person to confirm an envelope: a suspended run of its own, once an order."""

from __future__ import annotations

import logging

from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound

log = logging.getLogger("dogovor.handover")
DEPLOYMENT = "confirm-envelope/confirm-envelope"


async def ask_handover(order: str, refusals: int) -> None:
    """Start the run that waits for the confirmation; the same run is found again until a person says "not yet"."""
    try:
        key = f"envelope:{order}:{refusals}"
        await arun_deployment(DEPLOYMENT, parameters={"order": order}, timeout=0, idempotency_key=key, as_subflow=False)
    except ObjectNotFound:
        log.warning("%s waits for its confirmation, but the deployment %s is not there yet", order, DEPLOYMENT)
