"""Development tools: the embedded PostgreSQL, `make run`, `make events`, Kafka for tests."""
