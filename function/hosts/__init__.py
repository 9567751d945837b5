"""What the function needs of its hosts beyond their public interfaces, one module per library."""
