"""The HTTP API: thin, decides nothing."""
