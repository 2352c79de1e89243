"""The database: SQLite in WAL mode through SQLAlchemy Core, synchronous, in threads. One exchange owns one file."""
