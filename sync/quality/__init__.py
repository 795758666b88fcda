"""How good the data is: rules over contacts, the report made of them, and which records stay outside.

Tables in, tables and numbers out, all of it inside DuckDB; nothing here changes a record, asks a platform or
calls the clock. Values and addresses leave it only in the columns that say so.
"""
