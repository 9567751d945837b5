"""What only development needs: a PostgreSQL from a wheel, and the launcher of `make run`."""
