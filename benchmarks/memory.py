"""Peak memory of one run of the metrics job with the real models, in a process of its own: a line a kind of input.

The peak is the resident set at its highest (VmHWM), the libraries and models included. `peer` is the limit.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.whole_job import workspace
from jobs.score import run_score
from lakehouse.appends import append
from settings import Settings

LIMIT_MB = 2_500
START = datetime(2026, 5, 4, tzinfo=UTC)
SENTENCE = "The gateway keeps version {} warm, and a worker waits for request {} of the day. "

Bodies = tuple[str, str]


def bodies(question: str, answer: str) -> Bodies:
    asked = {"messages": [{"role": "user", "content": question}]}
    usage = {"prompt_tokens": 9, "completion_tokens": 90}
    return json.dumps(asked), json.dumps({"choices": [{"message": {"content": answer}}], "usage": usage})


def text(number: int, characters: int) -> str:
    """A text unlike any other, of about so many characters."""
    sentences = (SENTENCE.format(number, line) for line in range(characters // len(SENTENCE) + 1))
    return "".join(sentences)


def long_texts(number: int) -> Bodies:
    """Answers of more than the 2,048 tokens that the model reads."""
    return bodies(f"Question {number}?", text(number, 12_000))


def ten_megabytes(number: int) -> Bodies:
    return bodies(text(0, 10_000_000), text(number, 10_000_000))


def many_rows(number: int) -> Bodies:
    """Rows of some 8 KB, of which few are unlike: the work is to hold them, not to score them."""
    return bodies(f"Question {number % 2}?", text(number % 2, 8_000))


def large_bodies(number: int) -> Bodies:
    """As large as Databricks logs them, a request and an answer of a megabyte together; few are unlike."""
    return bodies(text(number % 2, 500_000), text(number % 2, 500_000))


CASES: dict[str, tuple[int, Callable[[int], Bodies]]] = {
    "4 answers of 2,048 tokens": (4, long_texts),
    "2 rows with two texts of 10 MB": (2, ten_megabytes),
    "20,000 rows of 8 KB in one commit": (20_000, many_rows),
    "1,000 rows of 1 MB in one commit": (1_000, large_bodies),
}


def rows(count: int, make: Callable[[int], Bodies]) -> list[dict[str, Any]]:
    made = []
    for number in range(count):
        request, response = make(number)
        time = START + timedelta(seconds=number)
        made.append(
            {
                "databricks_request_id": f"m{number}",
                "request_date": time.date(),
                "request_time": time,
                "status_code": 200,
                "execution_duration_ms": 100,
                "request": request,
                "response": response,
            }
        )
    return made


def peak_megabytes() -> int:
    """The highest resident set of this process so far."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) // 1024


def fill(settings: Settings, case: str) -> None:
    append(settings, "inference_table", rows(*CASES[case]))


def measured(settings: Settings, case: str) -> dict[str, Any]:
    """One run over a workspace that has the rows, in a new process; another one made them."""
    for step in ("fill", "score"):
        command = [sys.executable, "-m", "benchmarks.memory", "--step", step, "--home", str(settings.home)]
        done = subprocess.run([*command, "--case", case], stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", choices=["fill", "score"])
    parser.add_argument("--home", type=Path)
    parser.add_argument("--case", choices=list(CASES))
    options = parser.parse_known_args()[0]
    if options.step:
        settings = Settings(home=options.home)
        if options.step == "fill":
            fill(settings, options.case)
        else:
            progress = run_score(settings, once=True)
            print(json.dumps({"rows": progress.rows_read, "mb": peak_megabytes()}))
        return
    with tempfile.TemporaryDirectory() as name:
        models = workspace(Path(name)).models_folder
        for case in [options.case] if options.case else CASES:
            with tempfile.TemporaryDirectory() as home:
                settings = Settings(home=Path(home))
                settings.models_folder.symlink_to(models)
                found = measured(settings, case)
            line = {
                "bench": f"peak memory of a run: {case}",
                "ours": found["mb"],
                "peer": LIMIT_MB,
                "ratio": round(found["mb"] / LIMIT_MB, 2),
                "unit": "MB",
                "rows": found["rows"],
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
