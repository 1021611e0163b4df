"""Groups of contacts: lists that people are added to, and segments that a filter decides."""
