"""`python -m jobs docs`: the pages of `docs/` that are generated from code."""

import json
from pathlib import Path

from pydantic import SecretStr

from lakehouse import documentation
from settings import Settings

DOCS = Path(__file__).resolve().parent.parent / "docs"


def settings_page() -> str:
    """The text of `docs/settings.md`: one row for each setting, in the order of `settings.py`."""
    lines = [
        "# Settings",
        "",
        "Generated from `settings.py` by `make docs`. Each is read from an environment variable, or from a",
        "file of that",
        "name in the folder that `LAKEHELM_SECRETS_DIR` points to (for secrets mounted as files).",
        "",
        "| environment variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, SecretStr):
            shown = ""
        elif isinstance(default, dict):
            shown = json.dumps(default)
        else:
            shown = str(default)
        lines.append(f"| `LAKEHELM_{name.upper()}` | {f'`{shown}`' if shown else 'empty'} | {field.description} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write both generated pages. Takes no argument."""
    (DOCS / "settings.md").write_text(settings_page(), encoding="utf-8")
    documentation.main()
    print("docs/settings.md and docs/tables.md are written.")
    return 0
