"""Who rings next, and where a caller goes on when nobody answers."""
