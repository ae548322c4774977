"""The fork server: it imports MLflow once, then forks a worker for each model version that it is told to start.

Importing MLflow takes many seconds and a fork takes none, so every version but the first starts in about a second,
and the versions share the memory of the libraries. Orders come as lines on standard input; when that ends, the gateway
is gone and so is the fork server. A fork is only safe while no other thread runs: where a library has started one (or
the system is not Linux), the worker is started as a fresh process instead.
"""

import gc
import importlib
import json
import logging
import os
import select
import subprocess
import sys
from pathlib import Path

from serving.worker import Loader, WorkerOrder, load_mlflow_model, run_worker

logger = logging.getLogger(__name__)

PRELOADED = (
    "pandas",
    "mlflow.pyfunc.scoring_server",
    "mlflow.pyfunc.model",
    "mlflow.types.responses",
    "mlflow.models.utils",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
    "serving.mlflow_model",
    "uvicorn",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)
"""What every worker needs. A model's own libraries are imported in its worker."""

ENVIRONMENT = {
    # None of these libraries may start a thread while it is imported.
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A served agent writes a trace into the registry's database for every request otherwise.
    "MLFLOW_TRACE_SAMPLING_RATIO": "0",
}
"""What has to be set before the fork server starts."""


def serve_orders(preloaded: tuple[str, ...] = PRELOADED, load: Loader = load_mlflow_model) -> int:
    """Start a worker for every line of standard input until it ends."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in preloaded:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # the shared pages stay shared when a worker's collector runs
    waiting = b""
    while True:
        readable, _, _ = select.select([0], [], [], 1.0)
        _reap()
        if not readable:
            continue
        read = os.read(0, 65536)
        if not read:
            return 0
        *lines, waiting = (waiting + read).split(b"\n")
        for line in lines:
            _start(WorkerOrder.from_json(line.decode()), load)


def _start(order: WorkerOrder, load: Loader) -> None:
    if not _may_fork():
        logger.warning("Another thread runs here, so %s gets a fresh process instead of a fork.", order.model_uri)
        subprocess.Popen([sys.executable, "-m", "serving.worker", order.to_json()], stdin=subprocess.DEVNULL)
        return
    process_id = os.fork()
    if process_id:
        return
    # In the child. Nothing of the parent may run again, so it leaves without unwinding.
    code = 1
    try:
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        code = run_worker(order, load)
    except BaseException:
        logger.exception("The worker for %s ended.", order.model_uri)
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _may_fork() -> bool:
    tasks = Path("/proc/self/task")
    return sys.platform == "linux" and tasks.is_dir() and len(list(tasks.iterdir())) == 1


def _reap() -> None:
    """Collect the workers that have ended, and say how."""
    while True:
        try:
            process_id, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if process_id == 0:
            return
        code = os.waitstatus_to_exitcode(status)
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        print(json.dumps({"process_id": process_id, "ended": how}), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(serve_orders())
