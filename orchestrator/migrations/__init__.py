"""The database's history, one file a step. Run at start by `devices/store`."""
