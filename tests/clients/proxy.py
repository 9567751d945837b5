"""nginx or haproxy in front of an instance, which allows only one path."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dev.ports import free_port
from tests.instance import PATH, Instance
from tests.waiting import wait_until

NGINX = """
{user}
daemon off;
pid {folder}/pid;
error_log {folder}/log;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream function {{
        server 127.0.0.1:{target};
        keepalive 4;
    }}
    server {{
        listen 127.0.0.1:{port};
        location = {path} {{
            proxy_pass http://function;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering off;
        }}
        location / {{
            return 403;
        }}
    }}
}}
"""
HAPROXY = """
defaults
    mode http
    timeout connect 30s
    timeout client 60s
    timeout server 60s
frontend clients
    bind 127.0.0.1:{port}
    http-request deny unless {{ path {path} }}
    default_backend function
backend function
    http-reuse always
    server function 127.0.0.1:{target}
"""
CONFIGURATIONS = {"nginx": NGINX, "haproxy": HAPROXY}
OPTIONS = {"nginx": ["-c"], "haproxy": ["-db", "-f"]}


def program(name: str) -> str:
    """Return the proxy's program, which Debian installs in /usr/sbin, or skip the test."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


@contextmanager
def running_proxy(name: str, instance: Instance, folder: Path) -> Iterator[int]:
    """Run the proxy until the end of the block; the value is its port."""
    port = free_port()
    file = folder / f"{name}.conf"
    user = "user root;" if os.getuid() == 0 else ""  # so that it can write to the test's folders
    text = CONFIGURATIONS[name].format(
        user=user, folder=folder, port=port, target=instance.port, path=PATH
    )
    file.write_text(text)
    with subprocess.Popen([program(name), *OPTIONS[name], file]) as process:
        try:
            wait_until(lambda: process.poll() is not None or _listens(port))
            assert process.poll() is None, "the proxy did not start"
            yield port
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
