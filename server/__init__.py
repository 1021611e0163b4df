"""Threadline: a chat-first support inbox. Start reading in `app.py`, the table of contents."""

__version__ = "0.1.0"
