"""Says what time it is, in UTC."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time now."""
    return datetime.now(UTC)


def as_iso(moment: datetime) -> str:
    """A moment as clients get it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
