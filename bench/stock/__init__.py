"""What a user of functions-framework writes without this repository."""
