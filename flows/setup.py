"""What Prefect's server must know: block types and blocks, the work pool, the deployments of prefect.yaml, automations.

Idempotent; `dogovor up` runs it at every start.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from blocks.prefect_blocks import BLOCK_NAME, MailServer, PaymentShop
from blocks.settings import load_settings
from flows.automations import ensure_all
from flows.stack import POOL, PROJECT

POOL_LIMIT = 4


async def ensure_pool(client: PrefectClient) -> None:
    """The process pool; a run is one process of this interpreter instead of three."""
    template = ProcessWorker.get_default_base_job_template()
    template["variables"]["properties"]["command"]["default"] = f"{sys.executable} -m prefect.engine"
    try:
        await client.read_work_pool(POOL)
    except ObjectNotFound:
        pool = WorkPoolCreate(name=POOL, type="process", base_job_template=template, concurrency_limit=POOL_LIMIT)
        await client.create_work_pool(pool)
    else:
        update = WorkPoolUpdate(base_job_template=template, concurrency_limit=POOL_LIMIT)
        await client.update_work_pool(POOL, update)


async def setup() -> None:
    """All of it."""
    settings = load_settings()
    await MailServer.of(settings).save(BLOCK_NAME, overwrite=True)
    await PaymentShop.of(settings).save(BLOCK_NAME, overwrite=True)
    async with get_client() as client:
        await ensure_pool(client)
        deploy = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", "prefect.yaml"]
        await asyncio.to_thread(subprocess.run, deploy, cwd=PROJECT, check=True)
        await ensure_all(client)


if __name__ == "__main__":
    asyncio.run(setup())
