"""The tables as the newest migration leaves them. Times are microseconds since 1970, UTC; bodies are JSON."""

import sqlalchemy as sa

METADATA = sa.MetaData()

COMPANIES = sa.Table(
    "companies",
    METADATA,
    sa.Column("company", sa.String(63), primary_key=True),
    sa.Column("created_at_us", sa.BigInteger, nullable=False),
)

OBJECTS = sa.Table(
    "objects",
    METADATA,
    sa.Column("company", sa.String(63), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

BINDINGS = sa.Table(
    "bindings",
    METADATA,
    sa.Column("company", sa.String(63), primary_key=True),
    sa.Column("device", sa.String(63), primary_key=True),
    sa.Column("contact", sa.String(2048), primary_key=True),
    sa.Column("expires_at_us", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

BANS = sa.Table(
    "bans",
    METADATA,
    sa.Column("source", sa.String(45), primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

API_KEYS = sa.Table(
    "api_keys",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("company", sa.String(63)),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("scopes", sa.String(400), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False, unique=True),
    sa.Column("created_at_us", sa.BigInteger, nullable=False),
    sa.Column("expires_at_us", sa.BigInteger),
)

ANSWERS = sa.Table(  # an empty answer: the request was begun
    "answers",
    METADATA,
    sa.Column("company", sa.String(63), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("answer", sa.LargeBinary, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)

NODE = sa.Table(
    "node",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("alive_at_us", sa.BigInteger, nullable=False),
)

JOURNAL = sa.Table(
    "journal",
    METADATA,
    sa.Column("company", sa.String(63), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("call", sa.String(36)),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index("journal_call", "company", "call", "seq", sqlite_where=sa.text("call IS NOT NULL")),
    sqlite_with_rowid=False,
)

CALL_RECORDS = sa.Table(
    "call_records",
    METADATA,
    sa.Column("company", sa.String(63), primary_key=True),
    sa.Column("call", sa.String(36), primary_key=True),
    sa.Column("started_at_us", sa.BigInteger, nullable=False),
    sa.Column("ended_at_us", sa.BigInteger),
    sa.Column("direction", sa.String(8), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index("call_records_started", "company", "started_at_us", "call"),
    sa.Index("call_records_direction", "company", "direction", "started_at_us", "call"),
    sa.Index("call_records_open", "company", "call", sqlite_where=sa.text("ended_at_us IS NULL")),
    sqlite_with_rowid=False,
)

CALL_PARTIES = sa.Table(
    "call_parties",
    METADATA,
    sa.Column("company", sa.String(63), primary_key=True),
    sa.Column("party", sa.String(80), primary_key=True),
    sa.Column("started_at_us", sa.BigInteger, primary_key=True),
    sa.Column("call", sa.String(36), primary_key=True),
    sqlite_with_rowid=False,
)
