"""Defines `dalston-rt delete`, which deletes a session that the server keeps, with its files."""

from dalston_realtime.cli import options as opt
from dalston_realtime.cli.exits import run_command
from dalston_realtime.client import history
from dalston_realtime.client.url import DEFAULT_URL


def delete(session: opt.SessionId, url: opt.Url = DEFAULT_URL) -> None:
    """Delete a session that is kept, with its recording."""
    print(f"{run_command(history.delete(url, session))} is deleted")
