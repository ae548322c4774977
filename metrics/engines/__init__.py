"""Engines that run models. OpenVINO's telemetry is off in each process that imports one: Lakehelm calls nobody.

`import openvino` alone would send an event to its makers as long as nobody has declined on that machine. Without the
package `openvino_telemetry` it takes a stub of its own, so that package is made unfindable, before any engine imports
OpenVINO.
"""

import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
