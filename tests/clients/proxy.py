"""nginx or haproxy in front of an instance, letting through one path only."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dev.ports import free_port
from tests.instance import PATH, Instance

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
    """The proxy's program, which Debian has in a folder for administrators; or skip the test."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


@contextmanager
def running_proxy(name: str, instance: Instance, folder: Path) -> Iterator[int]:
    """Yield the port of the proxy."""
    port = free_port()
    file = folder / f"{name}.conf"
    user = "user root;" if os.getuid() == 0 else ""  # its folders are the test's
    text = CONFIGURATIONS[name].format(
        user=user, folder=folder, port=port, target=instance.port, path=PATH
    )
    file.write_text(text)
    with subprocess.Popen([program(name), *OPTIONS[name], file]) as process:
        try:
            _wait_for(port, process)
            yield port
        finally:
            process.terminate()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the proxy did not start")
