"""Remembers the slot that `make events` has on another server, until `make clean` drops it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

FILE = "server.json"


@dataclass(frozen=True, slots=True)
class Note:
    """A slot, and how its server was reached; never the password."""

    host: str
    port: int
    database: str
    user: str
    sslmode: str
    sslrootcert: str
    slot: str

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The note in the folder, if there is one."""
        file = folder / FILE
        return cls(**json.loads(file.read_text())) if file.exists() else None

    def write(self, folder: Path) -> None:
        """Put the note into the folder."""
        new = folder / f"{FILE}.new"
        new.write_text(json.dumps(asdict(self), indent=2))
        new.chmod(0o600)
        new.rename(folder / FILE)

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Variables that lead to the server: DATABASE_URL if it is given, else what was noted."""
        noted = {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGDATABASE": self.database,
            "PGUSER": self.user,
            "PGSSLMODE": self.sslmode,
            "PGSSLROOTCERT": self.sslrootcert,
        }
        return {**environ, **noted}


def noted(data: Path) -> Iterator[tuple[Path, Note]]:
    """All folders of `data` with a note in them, and the notes."""
    for file in data.glob(f"events-*/{FILE}"):
        if note := Note.read(file.parent):
            yield file.parent, note
