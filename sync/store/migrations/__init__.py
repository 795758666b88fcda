"""Alembic's steps from an empty database to the tables of `sync.store.tables`."""
