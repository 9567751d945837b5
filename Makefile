# Needs Python 3.11 or later, and nothing else. Everything that it installs stays in this folder.
#   DATABASE_URL=postgresql://...   for run, psql, events, test and migrate: use this server, not the embedded one
#   PORT=9000                       for run: listen on this port
#   ARGS="-k idempotency -x"        for psql, events, check, test, bench, chaos, soak, eval, load and lock: more arguments
#   PYTHON=python3.13               for all: make the environments with this interpreter, again if need be

BIN := .venv/bin
# An environment contains its own path, so a clone that was moved makes its environments again.
READY := ready-$(firstword $(shell pwd | cksum))
COMPILE := .venv-uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(ARGS)

# What every place where the function runs can be configured to do.
EXTRAS := --extra llm --extra auth --extra metrics --extra otel --extra profiles

# The tests wait more than they compute. Each process has its own PostgreSQL, unless DATABASE_URL names one.
PARALLEL := -p tests.scheduler --numprocesses 4 --no-loadscope-reorder

# Not in the image, because nothing imports it there: what flask-swagger-ui needs beside its files, uvicorn's command
# line (click), and cffi's compiler (pycparser).
UNUSED := $(addprefix --no-emit-package ,blinker click flask itsdangerous jinja2 markupsafe pycparser werkzeug)

.PHONY: help audit sbom test-audit run check-model psql events observe image up down manifests test simulate test-setup test-clients test-consumers test-contracts test-browser test-kafka test-debian \
	test-deploy test-flink test-image test-insights test-models test-observe report chaos fuzz soak migrate connector openapi bench load eval lint check lock lock-jars clean environment-func environment-events check-interpreter

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' Makefile

run: .venv-run/$(READY) ## serve the function here, with a PostgreSQL of its own, until Ctrl-C
	@exec .venv-run/bin/python -m dev.run

check-model: .venv-run/$(READY) ## ask the model of LLM_PROVIDER one question, and report what works
	@exec .venv-run/bin/python -m function.llm.check

psql: .venv-run/$(READY) ## open the database of `make run`, or DATABASE_URL's (ARGS='-c "TABLE feedback"')
	@exec .venv-run/bin/python -m dev.psql $(ARGS)

events: .venv-events/$(READY) ## show the events of `make run`, by a real Debezium, until Ctrl-C (ARGS=--json)
	@exec .venv-events/bin/python -m dev.events $(ARGS)

observe: .venv/$(READY) ## show the function's metrics, dashboards and a trace under a load, until Ctrl-C (prometheus)
	@exec $(BIN)/python -m dev.observe

image: ## build the container image, mentor-function (docker)
	@docker build --tag mentor-function $(ARGS) .

up: ## serve it in containers, with PostgreSQL, Kafka and Debezium (docker compose)
	@docker compose up --build --wait $(ARGS)

down: ## stop these containers; their data is kept
	@docker compose --profile '*' down $(ARGS)

manifests: .venv/$(READY) ## write the manifests of Knative and of the Helm chart to build/manifests (go)
	@$(BIN)/python -m dev.manifests

test: .venv/$(READY) ## run all tests and report coverage, or run a part (ARGS="tests/unit -k key")
	@$(BIN)/python -m pytest $(or $(ARGS),$(if $(DATABASE_URL),,$(PARALLEL)) --cov --cov-report=term-missing:skip-covered)

simulate: .venv/$(READY) ## run the store against a simulated network and PostgreSQL, 10,000 seeds (ARGS="--seeds 300", "--seed 7")
	@$(BIN)/python -m tests.simulation $(ARGS)

test-setup: .venv/$(READY) ## test the setup itself, in fresh clones with empty caches
	@$(BIN)/python -m pytest -m setup tests/setup $(ARGS)

test-browser: .venv/$(READY) ## try the page at /docs in a real Chromium (chromium, chromedriver)
	@$(BIN)/python -m pytest -m browser tests/browser $(ARGS)

test-kafka: .venv/$(READY) environment-events ## test with a real Kafka, Debezium Server and Kafka Connect
	@$(BIN)/python -m dev.kafka # downloads 770 MB, once for all clones
	@$(BIN)/python -m pytest -m kafka tests/events $(ARGS)

test-debian: .venv/$(READY) ## test with Debian's PostgreSQL, over TLS, and behind PgBouncer
	@$(BIN)/python -m pytest -m debian tests/debian $(ARGS)

test-deploy: .venv/$(READY) ## check all of deploy/, by Knative's and Kubernetes' code too, the workflows and the load test (go)
	@$(BIN)/python -m dev.tools actionlint compose helm k6 kustomize
	@$(BIN)/python -m pytest -m deploy tests/deploy tests/load $(ARGS)

test-observe: .venv/$(READY) environment-events ## ask Prometheus every query of the dashboards and alerts (prometheus, prometheus-postgres-exporter, go)
	@$(BIN)/python -m dev.kafka
	@$(BIN)/python -m dev.observe.collector
	@$(BIN)/python -m pytest -m observe tests/observe $(ARGS)

test-image: .venv/$(READY) ## build the image and run it as the platforms do (docker; root and debootstrap, or BASE=python:...)
	@$(BIN)/python -m pytest -m image tests/image $(ARGS)

test-contracts: .venv/$(READY) .venv-contracts/$(READY) ## try the published contracts with real tools (node, go, jdk)
	@$(BIN)/python -m dev.tools kin-openapi
	@$(BIN)/python -m tests.contracts.prepare
	@$(BIN)/python -m pytest -m contracts tests/contracts $(ARGS)

test-clients: .venv/$(READY) environment-func ## try real clients, SDKs and proxies (node, go, jdk; nginx, haproxy, MENTOR_TEST_DATA)
	@$(BIN)/python -m tests.clients.prepare
	@$(BIN)/python -m pytest -m clients tests/clients $(ARGS)

test-models: .venv/$(READY) .venv-models/$(READY) ## ask real model servers, and compare with the official SDKs (ARGS=--long: 60 messages, not 12)
	@$(BIN)/python -m pytest -m models tests/models $(ARGS)

test-audit: .venv/$(READY) .venv-audit/$(READY) sbom ## test the audit with made-up advisories, and the SBOM
	@$(BIN)/python -m pytest -m audit tests/audit $(ARGS)

test-consumers: .venv/$(READY) environment-events ## read the events with other teams' software (node, go, jdk; ARGS="--rounds 10")
	@$(BIN)/python -m tests.consumers.prepare
	@$(BIN)/python -m pytest -m consumers tests/consumers $(ARGS)

test-flink: .venv/$(READY) environment-events .venv-flink/$(READY) ## compare the windows of deploy/flink with the views, on a real Flink and the real chain
	@$(BIN)/python -m dev.kafka flink
	@$(BIN)/python -m pytest -m flink tests/flink $(ARGS)

chaos: .venv/$(READY) ## inject faults under load, and prove that no feedback is lost or doubled (go, faketime, root; ARGS=--short)
	@$(BIN)/python -m tests.chaos $(ARGS)

soak: .venv/$(READY) ## a million requests, then a table of ten million rows (wrk; ARGS=--short)
	@$(BIN)/python -m tests.soak $(ARGS)

fuzz: .venv-fuzz/$(READY) environment-func ## send mutated requests, bytes and databases (ARGS="--requests 100000 --databases 200")
	@.venv-fuzz/bin/python -m pytest -m fuzz tests/fuzz $(ARGS)

connector: .venv/$(READY) ## write the connectors in deploy/debezium, from application.properties and the schema of the value
	@$(BIN)/python -m dev.debezium
	@$(BIN)/python -m dev.sink

openapi: .venv/$(READY) ## write function/http/openapi.json, the description of the API
	@$(BIN)/python -m dev.openapi

migrate: .venv/$(READY) ## apply schema.sql, to DATABASE_URL or to the data of `make run` while that is off
	@exec $(BIN)/python -m dev.database

report: .venv-insights/$(READY) ## write a report of a made-up school year (ARGS="--language=de --from=2026-05-04")
	@.venv-insights/bin/python -m dev.report $(ARGS)

test-insights: .venv-insights/$(READY) ## test the views, the reports and the dashboard for teachers
	@.venv-insights/bin/python -m pytest -m insights tests/insights $(ARGS)

bench: .venv/$(READY) .venv-events/$(READY) ## compare the function with its alternatives
	@$(BIN)/python -m bench $(ARGS)

load: ## load the function at URL by k6, from the PATH or its container (docker)
	@sh tests/load/run.sh $(ARGS)

eval: .venv/$(READY) ## measure how well the model of LLM_PROVIDER reads 201 labelled messages (ARGS=--help)
	@$(BIN)/python -m eval $(ARGS)

lint: .venv/$(READY) ## check style, types, and which package imports which
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

check: lint ## lint, then the unit tests; run it before a commit
	@$(BIN)/python -m pytest --quiet tests/unit $(ARGS)

audit: .venv-audit/$(READY) ## ask OSV about known vulnerabilities of every locked version (ARGS="--ignore-vuln ID")
	@.venv-audit/bin/python -m dev.audit $(ARGS)

sbom: .venv-audit/$(READY) .venv-server/$(READY) ## list the Python packages of the image in build/sbom.cdx.json (CycloneDX)
	@mkdir -p build
	@.venv-audit/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application \
		--output-reproducible --output-file build/sbom.cdx.json .venv-server

lock: .venv/$(READY) ## make the locks again from pyproject.toml (ARGS=--upgrade: newest versions)
	@$(COMPILE) pyproject.toml --extra server --extra functions-framework --extra docs $(EXTRAS) --group embedded \
		--group test --group kafka --group deploy --group lint --group bench --group observe --output-file requirements/dev.txt
	@$(COMPILE) pyproject.toml --extra server --extra functions-framework --extra docs $(EXTRAS) --group embedded \
		--constraint requirements/dev.txt --output-file requirements/run.txt
	@$(COMPILE) pyproject.toml --group events --output-file requirements/events.txt
	@$(COMPILE) pyproject.toml $(EXTRAS) --group func --output-file requirements/func.txt
	@$(COMPILE) pyproject.toml --extra server --extra docs $(EXTRAS) $(UNUSED) \
		--output-file requirements/server.txt
	@$(COMPILE) pyproject.toml --group contracts --output-file requirements/contracts.txt
	@$(COMPILE) pyproject.toml --extra server --extra functions-framework --extra docs --extra llm --extra auth --group embedded \
		--group fuzz --constraint requirements/dev.txt --output-file requirements/fuzz.txt
	@$(COMPILE) --group models --output-file requirements/models.txt
	@$(COMPILE) pyproject.toml --extra insights --extra server --group embedded --group test --output-file requirements/insights.txt
	@$(COMPILE) pyproject.toml --extra insights --constraint requirements/insights.txt --output-file requirements/reports.txt
	@$(COMPILE) --group flink --output-file requirements/flink.txt
	@$(COMPILE) --group audit --output-file requirements/audit.txt
	@$(COMPILE) --group build --output-file requirements/build.txt
	@$(COMPILE) --group uv --output-file requirements/uv.txt

lock-jars: .venv/$(READY) ## make requirements/*-jars.txt again from the POMs beside them (needs Maven)
	@$(BIN)/python -m dev.kafka.lock

clean: ## remove all that these targets made here, the data of `make run` too; not what docker keeps
	@sh dev/clean.sh

# An environment whose interpreter is gone, was replaced, or is not PYTHON, is made again.
.venv/bin/python: ;
.venv-%/bin/python: ;
INTERPRETER := $(if $(PYTHON),check-interpreter)
check-interpreter:

.venv/$(READY): requirements/dev.txt requirements/uv.txt .venv/bin/python $(INTERPRETER)
	@sh dev/venv.sh .venv requirements/dev.txt $@

OTHERS := audit contracts flink func fuzz insights models run server
$(OTHERS:%=.venv-%/$(READY)): .venv-%/$(READY): requirements/%.txt requirements/uv.txt .venv-%/bin/python $(INTERPRETER)
	@sh dev/venv.sh .venv-$* requirements/$*.txt $@

environment-func: .venv-func/$(READY)

environment-events: .venv-events/$(READY)

.venv-events/$(READY): requirements/events.txt requirements/uv.txt .venv-events/bin/python $(INTERPRETER)
	@sh dev/venv.sh .venv-events requirements/events.txt $@ >&2 # stdout is for events
