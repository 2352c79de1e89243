"""Call records of one direction are found without looking at the others."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Step forward."""
    columns = ["company", "direction", "started_at_us", "call"]
    op.create_index("call_records_direction", "call_records", columns)
