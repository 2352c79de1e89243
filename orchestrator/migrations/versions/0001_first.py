"""The first tables: configuration, registrations, keys, journal and call records."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Step forward."""
    op.create_table(
        "companies",
        sa.Column("company", sa.String(63), primary_key=True),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "objects",
        sa.Column("company", sa.String(63), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "bindings",
        sa.Column("company", sa.String(63), primary_key=True),
        sa.Column("device", sa.String(63), primary_key=True),
        sa.Column("contact", sa.String(2048), primary_key=True),
        sa.Column("expires_at_us", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("company", sa.String(63)),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("scopes", sa.String(400), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        sa.Column("expires_at_us", sa.BigInteger),
    )
    op.create_table(
        "answers",
        sa.Column("company", sa.String(63), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False, index=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "node",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("alive_at_us", sa.BigInteger, nullable=False),
    )
    _what_happened()


def _what_happened() -> None:
    op.create_table(
        "journal",
        sa.Column("company", sa.String(63), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("call", sa.String(36)),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "journal_call", "journal", ["company", "call", "seq"], sqlite_where=sa.text("call IS NOT NULL")
    )
    op.create_table(
        "call_records",
        sa.Column("company", sa.String(63), primary_key=True),
        sa.Column("call", sa.String(36), primary_key=True),
        sa.Column("started_at_us", sa.BigInteger, nullable=False),
        sa.Column("ended_at_us", sa.BigInteger),
        sa.Column("direction", sa.String(8), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("call_records_started", "call_records", ["company", "started_at_us", "call"])
    op.create_index(
        "call_records_open", "call_records", ["company", "call"], sqlite_where=sa.text("ended_at_us IS NULL")
    )
    op.create_table(
        "call_parties",
        sa.Column("company", sa.String(63), primary_key=True),
        sa.Column("party", sa.String(80), primary_key=True),
        sa.Column("started_at_us", sa.BigInteger, primary_key=True),
        sa.Column("call", sa.String(36), primary_key=True),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Step back: everything goes."""
    tables = "call_parties", "call_records", "journal", "node", "answers", "api_keys", "bindings", "objects"
    for table in (*tables, "companies"):
        op.drop_table(table)
