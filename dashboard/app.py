"""The dashboard's entry: `streamlit run dashboard/app.py`."""

import sys
from pathlib import Path

# Streamlit puts this folder on the path, not the repository's root, where our rooms are.
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from dashboard.navigation import current_page  # noqa: E402
from dashboard.queries import registry_ready, tables_ready  # noqa: E402

page = current_page()
if page is not None:
    page.run()
# After the first page has been drawn: all of these take seconds of a processor that the page needs.
tables_ready.start()
registry_ready.start()
# Likewise its import, which is that of most pages.
from dashboard.queries import read_ahead  # noqa: E402

read_ahead.look()
