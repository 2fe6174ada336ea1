"""Prefect's API as its UI uses it: forms, runs, artifacts."""

from __future__ import annotations

import time
from typing import Any

import httpx

from flows.stack import Stack
from tests.conftest import eventually


def api(stack: Stack, path: str, body: dict[str, Any] | None = None) -> Any:
    """Ask Prefect's API: a GET without a body, a POST with one.

    503 is Prefect's word for "SQLite was locked, nothing was written, ask again"; its own clients do so.
    """
    with httpx.Client(base_url=stack.prefect_url, timeout=90, trust_env=False) as http:
        give_up = time.monotonic() + 180
        while True:
            answer = http.get(path) if body is None else http.post(path, json=body)
            if answer.status_code != 503 or time.monotonic() > give_up:
                break
            time.sleep(0.5)
        answer.raise_for_status()
        return answer.json() if answer.content else None


def run_deployment(stack: Stack, name: str, parameters: dict[str, Any]) -> str:
    """Start a run as the UI's form does; its id."""
    deployment = api(stack, f"/deployments/name/{name}/{name}")
    run = api(stack, f"/deployments/{deployment['id']}/create_flow_run", {"parameters": parameters})
    return str(run["id"])


def run_state(stack: Stack, run: str) -> str:
    return str(api(stack, f"/flow_runs/{run}")["state"]["name"])


def wait_run(stack: Stack, run: str, *wanted: str) -> str:
    eventually(lambda: run_state(stack, run) in (*wanted, "Failed", "Crashed", "Cancelled"), within_s=240)
    return run_state(stack, run)


def run_to_its_end(stack: Stack, name: str, parameters: dict[str, Any]) -> str:
    """Start a run and wait for how it ends; one that met its own schedule's run is started again."""
    end = wait_run(stack, run_deployment(stack, name, parameters), "Completed")
    return end if end != "Cancelled" else wait_run(stack, run_deployment(stack, name, parameters), "Completed")


def suspended(stack: Stack, title: str) -> list[dict[str, Any]]:
    """The runs of that title that wait for a person."""
    wanted = {"flow_runs": {"name": {"any_": [title]}, "state": {"name": {"any_": ["Suspended"]}}}}
    found: list[dict[str, Any]] = api(stack, "/flow_runs/filter", wanted)
    return found


def resume(stack: Stack, run: str, answer: dict[str, Any]) -> str:
    """Answer a waiting run as the form behind Resume does."""
    return str(api(stack, f"/flow_runs/{run}/resume", {"run_input": answer})["status"])
