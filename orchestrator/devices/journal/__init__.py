"""The journal: entries are numbered at once, committed in groups, and told to others only then."""
