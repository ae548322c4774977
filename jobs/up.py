"""`python -m jobs up`, which is `make run`: starts gateway, scheduler and dashboard and keeps them running.

The dashboard comes first, so that there is something to look at while the demo workspace is being built.
"""

import errno
import fcntl
import os
import signal
import socket
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TextIO
from urllib.error import URLError

from jobs.demo_workspace import demo_state, is_demo, needs_demo, touches_others
from jobs.processes import Supervised
from lakehouse.status import write_status
from registry.identity import why_closed
from settings import Settings, get_settings

DASHBOARD = Path(__file__).resolve().parent.parent / "dashboard" / "app.py"
DASHBOARD_START_SECONDS = 60.0
DASHBOARD_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2"}
"""Its many threads share two heaps of glibc: each with its own keeps what it once needed, together some 50 MB."""


class CannotStart(Exception):
    """`make run` cannot start; the message says why and what to do."""


def taken_port_sentence(name: str, port: int, address: str = "127.0.0.1") -> str | None:
    """One sentence if `port` of `address` (of this machine) cannot be listened on, else None."""
    try:
        family, _, _, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return (
                f"Port {port}, which the {name} needs, is taken by another program: end that program or set "
                f"LAKEHELM_{name.upper()}_PORT to a free port."
            )
        other = " or LAKEHELM_DASHBOARD_ADDRESS" if name == "dashboard" else ""
        return (
            f"The {name} cannot listen on port {port} of {address} ({error.strerror}): change "
            f"LAKEHELM_{name.upper()}_PORT{other}."
        )
    return None


def dashboard_url(settings: Settings) -> str:
    """Where the dashboard is reached from this machine, whatever address it listens on."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.dashboard_address, settings.dashboard_address)
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{settings.dashboard_port}"


def lock_workspace(home: Path) -> TextIO:
    """Hold the workspace for this `make run`; the lock goes when the process ends. Raises CannotStart if it is held."""
    home.mkdir(parents=True, exist_ok=True)
    lock = (home / "up.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise CannotStart(
            f"Lakehelm already runs for the workspace {home}: use that one, or set LAKEHELM_HOME to another folder."
        ) from None
    return lock


def _module(settings: Settings, name: str, *arguments: str, restart: bool = True, patience: float = 10.0) -> Supervised:
    log = settings.home / "logs" / f"{name}.log"
    return Supervised(name, list(arguments), log, restart=restart, patience_seconds=patience)


class House:
    """The processes of one `make run`, in the order in which they were started."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.processes: list[Supervised] = []
        self.stopping = False

    def start(self, process: Supervised) -> Supervised:
        """Start a process and keep it running from now on."""
        process.start()
        self.processes.append(process)
        self.report()
        return process

    def report(self) -> None:
        """Tell the first screen how every process is doing."""
        write_status(self.settings, "up", {"processes": [process.report() for process in self.processes]})

    def stop(self, *_: int | FrameType | None) -> None:
        """Ask the loop to end (also a signal handler)."""
        self.stopping = True

    def watch(self) -> None:
        """Look after the processes until somebody asks to stop; start what follows the demo when that is built."""
        after_demo = False
        while not self.stopping:
            for process in self.processes:
                process.watch()
            demo = next((process for process in self.processes if process.name == "demo"), None)
            if not after_demo and (demo is None or demo.state != "running"):
                after_demo = True
                self.start(_module(self.settings, "scheduler", "jobs", "schedule"))
                if _has_trickle(self.settings):
                    self.start(_module(self.settings, "trickle", "jobs", "trickle"))
                if demo is not None:
                    _say_how_the_demo_ended(self.settings)
            self.report()
            time.sleep(1.0)

    def end(self) -> None:
        """End every process, the last started first. The gateway is last, so that what was asked is still delivered."""
        for process in sorted(reversed(self.processes), key=lambda process: process.name == "gateway"):
            process.end()
        self.report()


def _has_trickle(settings: Settings) -> bool:
    """Whether the demo's endpoint is asked; a workspace that was a demo may since have been pointed to a real one."""
    return is_demo(settings) and settings.demo_trickle_seconds > 0 and not touches_others(settings)


def _say_how_the_demo_ended(settings: Settings) -> None:
    state = demo_state(settings)
    if state.get("state") == "ready":
        print("The demo workspace is ready.", flush=True)
    else:
        print(f"The demo workspace could not be built: {state.get('error') or 'see logs/demo.log'}", flush=True)


def _wait_for_dashboard(settings: Settings, dashboard: Supervised) -> None:
    address = f"{dashboard_url(settings)}/_stcore/health"
    deadline = time.monotonic() + DASHBOARD_START_SECONDS
    while time.monotonic() < deadline and dashboard.process and dashboard.process.poll() is None:
        with suppress(URLError, OSError), urllib.request.urlopen(address, timeout=1):
            return
        time.sleep(0.1)
    raise CannotStart(f"The dashboard did not start; the end of {dashboard.log} says why.")


def dashboard_process(settings: Settings) -> Supervised:
    """The dashboard, listening on the address and port of the settings; not started yet."""
    port = str(settings.dashboard_port)
    process = _module(
        settings, "dashboard", "streamlit", "run", str(DASHBOARD), "--server.port", port,
        "--server.address", settings.dashboard_address, "--server.headless", "true",
        "--browser.gatherUsageStats", "false",
    )  # fmt: skip
    process.environment |= {name: value for name, value in DASHBOARD_ENVIRONMENT.items() if name not in os.environ}
    return process


def _run(house: House, settings: Settings) -> None:
    build_demo = needs_demo(settings)
    dashboard = house.start(dashboard_process(settings))
    if not settings.on_databricks:
        house.start(_module(settings, "gateway", "serving", patience=settings.gateway_drain_seconds + 10))
    if build_demo:
        house.start(_module(settings, "demo", "jobs", "demo", restart=False))
    _wait_for_dashboard(settings, dashboard)
    print(f"Lakehelm is at {dashboard_url(settings)}  (Ctrl-C stops everything)", flush=True)
    if any(process.name == "demo" for process in house.processes):
        print("The demo workspace is being built; the page shows the steps.", flush=True)
    house.watch()


def _check_entrance(settings: Settings) -> None:
    # The dashboard says the same on every page; here it is said before anything is started.
    if sentence := why_closed(settings, settings.dashboard_address, os.environ):
        raise CannotStart(sentence)


def _check_ports(settings: Settings) -> None:
    sentence = taken_port_sentence("dashboard", settings.dashboard_port, settings.dashboard_address)
    if not sentence and not settings.on_databricks:
        sentence = taken_port_sentence("gateway", settings.gateway_port)
    if sentence:
        raise CannotStart(sentence)


def main(arguments: list[str]) -> int:
    """Run until Ctrl-C or SIGTERM. Takes no argument. Returns 0, or 1 with one sentence if it cannot start."""
    settings = get_settings()
    house = House(settings)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, house.stop)
    try:
        _check_entrance(settings)
        with lock_workspace(settings.home):
            _check_ports(settings)
            try:
                _run(house, settings)
            finally:
                house.end()
    except CannotStart as reason:
        print(reason, flush=True)
        return 1
    print("Lakehelm has stopped.", flush=True)
    return 0
