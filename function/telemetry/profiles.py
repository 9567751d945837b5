"""Profiles of the CPU, by Pyroscope's agent: https://grafana.com/docs/pyroscope/latest/

A thread of the agent reads the stacks of this process 100 times a second. That needs no capability
and no file, because a process may always read its own memory.
"""

import threading

from function.process import version
from function.profile_settings import ProfileSettings


class Profiler:
    """Profiles this process, and sends it every 10 seconds."""

    def __init__(self, settings: ProfileSettings) -> None:
        self._settings = settings
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Let run() send what is left, and return."""
        self._stopping.set()

    def run(self) -> None:
        """Profile until stop()."""
        if self._stopping.is_set():  # after a life too short for a profile
            return
        import pyroscope

        pyroscope.configure(
            application_name=self._settings.application,
            server_address=self._settings.server,
            basic_auth_username=self._settings.user,
            basic_auth_password=self._settings.password,
            tenant_id=self._settings.tenant,
            tags=dict(zip(("service_version", "python"), version(), strict=True)),
        )
        self._stopping.wait()
        pyroscope.shutdown()
