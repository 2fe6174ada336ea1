"""Against real servers: SQLite and PostgreSQL, the payment sandbox over HTTP, Postfix."""
