"""Loads an OpenVINO graph from a prepared folder in about a second, from its compiled form where that is there."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.engines.errors import ModelUnusable
from metrics.engines.precisions import EIGHT_BITS, remember_precision, require_eight_bits
from metrics.engines.prepared_folder import description

_log = logging.getLogger(__name__)

Run = Callable[..., NDArray[np.float32]]
"""Takes the inputs of the graph as arrays and returns its one output."""


def load_graph(folder: Path, threads: int) -> tuple[Run, str]:
    """The graph `model.xml` of a prepared folder as a function, and its precision: `f32`, `bf16`, or `int8`.

    Raises ModelUnusable if it cannot be loaded.
    """
    import openvino as ov

    core = ov.Core()
    eight_bits = description(folder).get("precision") == EIGHT_BITS
    if eight_bits:
        require_eight_bits()
    precision = EIGHT_BITS if eight_bits else _precision(core)
    options = {
        # What is not in eight bits stays in f32: the scorer's name says `int8` of one set of numbers only.
        "INFERENCE_PRECISION_HINT": "f32" if eight_bits else precision,
        "INFERENCE_NUM_THREADS": max(1, threads),
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled, memory = _compiled(core, folder, options)
    request = compiled.create_infer_request()
    remember_precision(folder, precision)

    def run(*inputs: NDArray[Any], _keep_alive: Any = memory) -> NDArray[np.float32]:
        (output,) = request.infer(list(inputs), share_inputs=True).values()
        return np.asarray(output, dtype=np.float32)

    return run, precision


def _precision(core: Any) -> str:
    """`bf16` where the processor multiplies it natively, else `f32`: emulated it would be slower and less exact."""
    return "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


def _compiled(core: Any, folder: Path, options: dict[str, Any]) -> tuple[Any, Any]:
    """The compiled model: from its file beside the graph if one fits this OpenVINO and precision, else compiled now.

    Also returns the memory that the model goes on reading from, which has to live as long as the model.
    """
    import openvino as ov

    release = "".join(c if c.isalnum() or c in ".-" else "_" for c in ov.__version__)
    kept = folder / f"compiled-{release}-{options['INFERENCE_PRECISION_HINT']}.blob"
    if kept.exists():
        try:
            content = ov.Tensor(np.memmap(kept, dtype=np.uint8, mode="c"), shared_memory=True)
            return core.import_model(content, "CPU", options), content
        except (RuntimeError, ValueError) as error:
            _log.warning("The compiled model %s cannot be used and is made again: %s", kept, error)
    try:
        compiled = core.compile_model(folder / "model.xml", "CPU", options)
    except RuntimeError as error:
        raise ModelUnusable(
            f"OpenVINO cannot load {folder / 'model.xml'}: delete that folder and run `python -m jobs prepare`."
        ) from error
    _keep(compiled, kept)
    return compiled, None


def _keep(compiled: Any, kept: Path) -> None:
    """A folder that may not be written to only costs the next start its time."""
    work = kept.with_name(f".{kept.name}.{os.getpid()}")
    try:
        work.write_bytes(compiled.export_model().getbuffer())
        work.replace(kept)
    except OSError as error:
        work.unlink(missing_ok=True)
        _log.warning("The compiled model was not kept in %s, so the next start compiles again: %s", kept, error)
