"""Runs the migrations on the connection that `storage.migrating` hands in; alembic loads this file."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=False)
context.run_migrations()
