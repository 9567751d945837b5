"""What each HTTP server needs: connections for uvicorn, and a host for Knative's func."""
