"""Collects the fixtures of the tests of API keys."""

from tests.support.databases import database, database_url, empty_database, shared_postgres

__all__ = ["database", "database_url", "empty_database", "shared_postgres"]
