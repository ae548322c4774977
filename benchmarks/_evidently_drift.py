"""What Evidently's defaults say of pairs of samples; run by an interpreter that has Evidently, not by ours.

`python _evidently_drift.py CASES.npz`: prints a JSON list with the drifted columns of each pair. The arrays are called
`<number of the pair>/<now|before>/<column>`; columns of 0 and 1 are categories.
"""

import json
import sys

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset


def frame(arrays: dict[str, np.ndarray], prefix: str) -> pd.DataFrame:
    columns = {name.rsplit("/", 1)[1]: arrays[name] for name in arrays if name.startswith(prefix)}
    return pd.DataFrame(
        {name: values.astype(int).astype(str) if is_share(values) else values for name, values in columns.items()}
    )


def is_share(values: np.ndarray) -> bool:
    return values.dtype.kind == "f" and bool(np.isin(values, (0.0, 1.0)).all())


def drifted(now: pd.DataFrame, before: pd.DataFrame) -> list[str]:
    categories = [name for name in now if now[name].dtype == object]
    numbers = [name for name in now if name not in categories]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    both = [Dataset.from_pandas(side, data_definition=definition) for side in (now, before)]
    found = []
    for metric in Report([DataDriftPreset()]).run(*both).dict()["metrics"]:
        about = metric["config"]
        if "column" not in about:
            continue
        # A p-value is drift below its threshold, a distance above.
        below = about["method"].endswith("p_value")
        if (metric["value"] < about["threshold"]) == below:
            found.append(about["column"])
    return found


def main(path: str) -> None:
    arrays = dict(np.load(path))
    pairs = sorted({int(name.split("/")[0]) for name in arrays})
    said = [drifted(frame(arrays, f"{pair}/now/"), frame(arrays, f"{pair}/before/")) for pair in pairs]
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1])
