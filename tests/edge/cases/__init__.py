"""Bad inputs as data, numbered as in BAD_INPUTS.md: a new bug adds a line here."""
