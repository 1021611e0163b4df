"""What else happens? Event type → steps that run in the same transaction, in this order.

A lower feature announces and never knows who listens. Nobody reacts yet: flows, notifications and
attribution come with their features.
"""

from __future__ import annotations

from server.kernel.context import Reactions

REACTIONS: Reactions = {}
