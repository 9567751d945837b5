"""Reads printed tables."""


def cells(text: str, start: str) -> list[list[str]]:
    """Return the cells of each row whose first cell is `start`."""
    rows = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("|")]
    stripped = [[cell.strip() for cell in row] for row in rows]
    return [row for row in stripped if row[0] == start]
