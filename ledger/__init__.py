"""The books: double-entry accounting in PostgreSQL. Knows nothing of networks and imports no other room."""
