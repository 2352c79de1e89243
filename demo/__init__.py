"""The demo company and its phones."""
