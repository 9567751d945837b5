"""The account that PostgreSQL runs under: it refuses root, so for root that is `nobody`."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict


class PopenOptions(TypedDict, total=False):
    """Who a process is to be, for subprocess."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine."""

    uid: int
    gid: int

    @property
    def is_ours(self) -> bool:
        """Whether this process runs under the same account."""
        return self.uid == os.geteuid()

    @property
    def popen_options(self) -> PopenOptions:
        """The keywords that make subprocess start a program under this account."""
        if self.is_ours:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give a file or folder of ours to the account."""
        if not self.is_ours:
            os.chown(path, self.uid, self.gid)

    def can_enter(self, path: Path) -> bool:
        """Whether the account may use a folder, or run a program, with all folders above it."""
        check = subprocess.run(["test", "-x", path], **self.popen_options, check=False)
        return check.returncode == 0


def unprivileged() -> Account:
    """The account of this process, or `nobody` for root."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)
