"""Events: what people did, in one append-only table, and the readers of it."""
