# One image for the function and for the job that migrates its database:
#
#     docker build --tag mentor-function .
#     docker run --env-file mentor.env --publish 8080:8080 mentor-function
#     docker run --env-file mentor.env mentor-function python -m function.migrate
#
# It needs no writable file system and no capability: --read-only --cap-drop ALL.
# --build-arg BASE=... builds on another Debian image that has Python 3.11 or later.
# The full name, because OCI requires it in the label below.
ARG BASE=docker.io/library/python:3.13.15-slim-trixie

FROM ${BASE} AS build
WORKDIR /src
# pip and the build tools stay in this stage.
COPY requirements/ requirements/
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --quiet --no-deps --require-hashes -r requirements/build.txt \
    && python -m venv --without-pip /opt/venv \
    && /opt/build/bin/pip --python /opt/venv/bin/python install --quiet --no-compile \
        --no-deps --require-hashes -r requirements/server.txt
COPY LICENSE README.md pyproject.toml schema.sql deploy/image/probe.py ./
COPY function/ function/
RUN /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/build/bin/pip --python /opt/venv/bin/python install --quiet --no-compile --no-deps \
        dist/*.whl \
    && /opt/venv/bin/python -m compileall -qf -j 0 --invalidation-mode unchecked-hash /opt/venv/lib \
    && install --mode=644 probe.py /opt/probe.py

FROM ${BASE}
# Compile the standard library: the official image has no bytecode of it, and on a read-only file
# system each cold start would compile it again. The image does not need pip.
RUN python -m pip uninstall --quiet --yes --root-user-action ignore pip \
    && library=$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))') \
    && rm -rf "$library/ensurepip" /usr/local/bin/pip \
    && python -m compileall -qf -j 0 --invalidation-mode unchecked-hash "$library"
COPY --from=build /opt/probe.py /opt/probe.py
COPY --from=build /opt/venv /opt/venv
# PYTHONSAFEPATH: import nothing from the folder in which a platform starts the process.
ENV PATH=/opt/venv/bin:$PATH PYTHONSAFEPATH=1
USER 65532:65532
EXPOSE 8080
# Liveness, not readiness: a platform may replace an unhealthy container, and that does not help if
# PostgreSQL is away.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
    CMD ["python", "-IS", "/opt/probe.py", "/health/liveness"]
# No ENTRYPOINT, so that `docker run`, Compose's `command` and Kubernetes' `command` or `args` can
# replace this command.
CMD ["python", "-m", "function.serve"]

# https://github.com/opencontainers/image-spec/blob/main/annotations.md
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG BASE
LABEL org.opencontainers.image.title="mentor-function" \
    org.opencontainers.image.description="Turns a student's feedback into a teaching strategy" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.base.name="${BASE}" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}"
