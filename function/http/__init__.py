"""HTTP: the ASGI application, and what requests and answers mean."""
