"""`segsync serve`: ticker, worker and a small HTTP server in one process, until it is told to end."""
