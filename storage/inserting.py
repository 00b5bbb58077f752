"""Inserts rows that may be there already, in either database."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session as Unit


def insert_missing(unit: Unit, table: type[Any], rows: Sequence[dict[str, Any]], keys: list[str]) -> None:
    """Insert the rows whose keys are not there."""
    assert unit.bind is not None
    dialect = sqlite if unit.bind.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table.__table__).on_conflict_do_nothing(index_elements=keys)
    unit.execute(statement, list(rows))
