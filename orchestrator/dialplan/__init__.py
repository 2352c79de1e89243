"""Where a dialled number leads."""
