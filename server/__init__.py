"""Threadline: a chat-first support inbox. Start reading in `app.py`, the table of contents."""

import sys

__version__ = "0.1.0"

# structlog would load rich and pygments for coloured tracebacks, which this server never prints (kernel/log.py formats
# them as text): that costs a tenth of every start and 8 MB. Without rich, structlog does without them.
if "rich" not in sys.modules and "structlog" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog  # noqa: F401

    del sys.modules["rich"]
