"""Makes the tables of jobs, their stages, enrolled voices and webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them, and the column of sessions that says whether their end makes a job."""
    op.add_column("sessions", sa.Column("enhance", sa.JSON))
    _make_jobs()
    _make_stages()
    _make_speakers()
    _make_webhooks()


def _make_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("principal", sa.String(200), nullable=False),
        sa.Column("session_id", sa.String(64)),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("input_key", sa.String(300)),
        sa.Column("result_key", sa.String(300)),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.Column("heartbeat_at", _TIME),
        sa.Column("sent_at", _TIME),
        sa.Column("due_at", _TIME),
    )
    op.create_index("ix_jobs_session", "jobs", ["session_id"])
    op.create_index("ix_jobs_status", "jobs", ["status", "created_at"])
    op.create_index("ix_jobs_principal", "jobs", ["principal", "created_at"])


def _make_stages() -> None:
    op.create_table(
        "job_stages",
        sa.Column("job_id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("lease_owner", sa.String(100)),
        sa.Column("lease_until", _TIME),
        sa.Column("percent", sa.Double),
        sa.Column("reason", sa.Text),
        sa.Column("used", sa.String(300)),
        sa.Column("output_key", sa.String(300)),
        sa.Column("started_at", _TIME),
        sa.Column("ended_at", _TIME),
    )
    op.create_index("ix_job_stages_lease", "job_stages", ["status", "lease_until"])


def _make_speakers() -> None:
    op.create_table(
        "speakers",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("principal", sa.String(200), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("embedding", sa.JSON, nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
    )
    op.create_index("ix_speakers_principal", "speakers", ["principal", "name"])


def _make_webhooks() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("event_id", sa.String(64), primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("next_at", _TIME),
        sa.Column("delivered_at", _TIME),
        sa.Column("last_error", sa.Text),
    )
    op.create_index("ix_webhook_deliveries_next", "webhook_deliveries", ["delivered_at", "next_at"])
