"""The providers: the only modules that import vendor SDKs. They build and send, verify and parse; they know no feature."""
