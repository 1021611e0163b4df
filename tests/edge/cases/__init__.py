"""Bad inputs as data, with the ids of `tests/bad_inputs.md`: a new bug adds a line here."""
