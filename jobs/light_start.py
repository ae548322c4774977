"""Start-up without pandas, for processes that start every few minutes.

Pyarrow imports pandas, which costs over a second of processor time, when it makes its first value, only to
know what a DataFrame is. A process that shows pyarrow no DataFrame can do without.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


class _NoPandas:
    """An import finder that says, while it is installed, that there is no pandas."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "pandas":
            raise ModuleNotFoundError("Pandas is left out of this process.", name=name)
        return None


def leave_out_pandas() -> None:
    """Let pyarrow find no pandas in this process, once and for all. Other packages may import it as always.

    Does nothing where pyarrow or pandas is loaded already.
    """
    if "pandas" in sys.modules or "pyarrow" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        import pyarrow

        pyarrow.scalar(0)
    finally:
        sys.meta_path.remove(finder)
