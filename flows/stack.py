"""The running installation: Prefect's server, a worker, the gateway and the dispatcher, as processes kept up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import httpx

from blocks.errors import Transient
from blocks.terms.policy import RETENTION_POLICY

PROJECT = Path(__file__).resolve().parent.parent
POOL = "dogovor"
START_SECONDS = 120.0
STOP_SECONDS = 10.0
HASTY = {"PREFECT_CLIENT_MAX_RETRIES": "2"}
"""The dispatcher's: it puts an order back when Prefect is down, and takes it again later."""
Say = Callable[[str], None]


def history() -> dict[str, str]:
    """How long Prefect keeps ended runs: forms with names are their parameters, so no longer than ledger copies live.

    Suspended and running runs stay. Artifacts go with their run, and what stands for the newest of them an hour later.
    """
    seconds = str(min(policy.copy_days for _, policy in RETENTION_POLICY.entries) * 24 * 3600)
    return {
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": seconds,
        "PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": "3600",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ORPHAN_CLEANUP_LOOP_SECONDS": "3600",
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"PT{seconds}S",
    }


def environment(home: Path, prefect_port: int) -> dict[str, str]:
    """What every process of the installation shares. What the caller's environment sets already stays."""
    api = f"http://127.0.0.1:{prefect_port}/api"
    wanted = {
        "DOGOVOR_HOME": str(home),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "prefect" / "ui"),
        "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        # A run that waits a minute for a free slot is not late; marking it only adds writers to SQLite.
        "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "300",
        "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "60",
        **history(),
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "PREFECT_API_REQUEST_TIMEOUT": "10",
        # SQLite answers 503 while it is busy; a worker that gives up within seconds reports its run as crashed.
        "PREFECT_CLIENT_MAX_RETRIES": "6",
        # Prefect without byte code compiles itself at every start, for seconds each.
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(home / "bytecode"),
    }
    return {**os.environ, **wanted, **{k: v for k, v in os.environ.items() if k in wanted and k.startswith("PREFECT_")}}


@dataclass
class Child:
    """A process of ours in a group of its own, with its log."""

    name: str
    arguments: list[str]
    log: Path
    env: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def start(self) -> None:
        """Start it, appending to its log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                [sys.executable, *self.arguments],
                env=dict(self.env),
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.starts += 1

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for the whole group when that is not heard in time."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


@dataclass
class Stack:
    """An installation on this machine. Start it, keep it up, stop it."""

    home: Path
    env: dict[str, str]
    gateway_port: int
    say: Say
    children: dict[str, Child] = field(default_factory=dict)

    @property
    def prefect_url(self) -> str:
        """Prefect's API."""
        return self.env["PREFECT_API_URL"]

    @property
    def gateway_url(self) -> str:
        """The gateway on this machine."""
        return f"http://127.0.0.1:{self.gateway_port}"

    def run(self, name: str, *arguments: str, env: Mapping[str, str] = MappingProxyType({})) -> Child:
        """Start a child, with an environment that differs so, and keep it in the stack."""
        child = Child(name, list(arguments), self.home / "logs" / f"{name}.log", {**self.env, **env})
        child.start()
        self.children[name] = child
        return child

    def once(self, name: str, *arguments: str) -> None:
        """Run a command to its end. Raises Transient with the end of its log."""
        child = Child(name, list(arguments), self.home / "logs" / f"{name}.log", self.env)
        child.start()
        if child.process is None or child.process.wait(START_SECONDS) != 0:
            raise Transient(f"{name} failed:\n{child.tail()}")

    def wait_for(self, child: Child, url: str) -> float:
        """Wait until a URL answers 200; the seconds it took. Raises Transient when the child dies or time runs out."""
        began = time.monotonic()
        with httpx.Client(timeout=2, trust_env=False) as http:
            while time.monotonic() - began < START_SECONDS:
                if not child.alive:
                    break
                try:
                    if http.get(url).is_success:
                        return time.monotonic() - began
                except httpx.TransportError:
                    pass
                time.sleep(0.1)
        raise Transient(f"{child.name} did not start; the end of {child.log}:\n{child.tail()}")

    def start(self) -> None:
        """The gateway first, so that no order is turned away; then Prefect, its deployments, worker and dispatcher."""
        began = time.monotonic()
        gateway = self.run("gateway", "-m", "flows.cli", "gateway")
        server = self.run("prefect", "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", self._port())
        took = self.wait_for(gateway, f"{self.gateway_url}/readyz")
        self.say(f"gateway takes orders after {took:.1f} s: {self.gateway_url}")
        took = self.wait_for(server, f"{self.prefect_url}/health")
        self.say(f"Prefect is up after {time.monotonic() - began:.1f} s: {self.prefect_url.removesuffix('/api')}")
        self.run("dispatcher", "-m", "flows.cli", "dispatch", env=HASTY)
        self.say("dispatcher works")
        self.once("setup", "-m", "flows.setup")
        self.say(f"blocks, work pool, deployments and automations are there ({time.monotonic() - began:.1f} s)")
        self.run("worker", "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process", "--name", "main")
        self.say(f"worker started ({time.monotonic() - began:.1f} s)")

    def _port(self) -> str:
        return str(httpx.URL(self.prefect_url).port or 4200)

    def tend(self) -> None:
        """Start again what has died, each at most once a second."""
        for child in self.children.values():
            if not child.alive:
                self.say(f"{child.name} died and is started again (its log: {child.log})")
                child.start()

    def stop(self) -> None:
        """Stop everything, the dispatcher and the worker before what they talk to."""
        for name in ("dispatcher", "worker", "gateway", "prefect"):
            if name in self.children:
                self.children[name].stop()
        for name, child in self.children.items():
            if name not in ("dispatcher", "worker", "gateway", "prefect"):
                child.stop()


@contextmanager
def running(stack: Stack) -> Iterator[Stack]:
    """A started stack that is stopped whatever happens."""
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()
