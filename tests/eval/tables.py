"""Reads the tables that are printed."""


def cells(text: str, start: str) -> list[list[str]]:
    """The cells of each table's line that begins with this one."""
    rows = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("|")]
    stripped = [[cell.strip() for cell in row] for row in rows]
    return [row for row in stripped if row[0] == start]
