"""What only development needs: a PostgreSQL from a wheel, `make run`, `make events`."""
