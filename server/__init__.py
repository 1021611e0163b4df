"""Threadline: a chat-first support inbox. Start reading in `app.py`, the table of contents."""

import sys

__version__ = "0.1.0"

# structlog loads rich, and with it pygments, for tracebacks that ours never are (kernel/log.py formats them as text):
# a tenth of every start and 8 MB. It does without where there is none.
if "rich" not in sys.modules and "structlog" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog  # noqa: F401

    del sys.modules["rich"]
