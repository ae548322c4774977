"""Nobody is called when OpenVINO is imported or converts a model, also where nobody has declined its telemetry."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
CONVERT = """
import socket, sys, time

def refuse(*call, **options):
    sys.stderr.write(f"CALLED {call}")
    raise OSError("no network here")

socket.create_connection = socket.getaddrinfo = socket.socket.connect = refuse
import metrics.engines
import openvino
import torch
openvino.convert_model(torch.nn.ReLU(), example_input=torch.ones(2), input=[([-1], openvino.Type.f32)])
time.sleep(1)
"""


def test_converting_a_model_calls_nobody(tmp_path: Path) -> None:
    # A home of its own has no file in which telemetry was declined; in a CI job OpenVINO sends none anyway.
    environment = {name: text for name, text in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")}
    command = [sys.executable, "-c", CONVERT]
    environment["HOME"] = str(tmp_path)
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "CALLED" not in done.stderr
    assert list(tmp_path.glob("intel*")) == []
