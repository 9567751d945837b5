# Needs Python 3.11 or later, and nothing else; what it installs stays in this folder.
#   DATABASE_URL=postgresql://...   for run, psql, events, test and migrate: that server, not the embedded one
#   PORT=9000                       for run: where it listens
#   ARGS="-k idempotency -x"        for psql, events, check, test, bench, eval, load and lock: more arguments
#   PYTHON=python3.13               for the first of all: the interpreter to set up with

BIN := .venv/bin
# An environment holds its own address: one that was moved along with the clone is made anew.
READY := ready-$(firstword $(shell pwd | cksum))
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(ARGS)

.PHONY: help run psql events image up down manifests test test-browser test-kafka test-debian test-deploy test-image \
	migrate connector bench load eval lint check lock lock-jars clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

run: .venv/$(READY) ## serve the function here, with a PostgreSQL of its own, until Ctrl-C
	@exec $(BIN)/python -m dev.run

psql: .venv/$(READY) ## open the database of `make run`, or DATABASE_URL's (ARGS='-c "TABLE feedback"')
	@exec $(BIN)/python -m dev.psql $(ARGS)

events: .venv-events/$(READY) ## show the events of `make run`, by a real Debezium, until Ctrl-C (ARGS=--json)
	@exec .venv-events/bin/python -m dev.events $(ARGS)

image: ## build the container image, mentor-function (docker)
	@docker build --tag mentor-function $(ARGS) .

up: ## serve it in containers, with PostgreSQL, Kafka and Debezium (docker compose)
	@docker compose up --build --wait $(ARGS)

down: ## stop these containers; their data is kept
	@docker compose --profile '*' down $(ARGS)

manifests: .venv/$(READY) ## write the manifests of Knative and of the Helm chart to build/manifests (go)
	@$(BIN)/python -m dev.manifests

test: .venv/$(READY) .venv-func/$(READY) .venv-events/$(READY) ## run all tests and report which branches they cover
	@$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered $(ARGS)

test-browser: .venv/$(READY) ## try the page at /docs in a real Chromium (chromium, chromedriver)
	@$(BIN)/python -m pytest -m browser tests/browser $(ARGS)

test-kafka: .venv/$(READY) .venv-func/$(READY) .venv-events/$(READY) ## test with a real Kafka, Debezium Server and Kafka Connect
	@$(BIN)/python -m dev.kafka # downloads 770 MB, once for all clones
	@$(BIN)/python -m pytest -m kafka tests/events $(ARGS)

test-debian: .venv/$(READY) ## test with Debian's PostgreSQL, over TLS, and behind PgBouncer
	@$(BIN)/python -m pytest -m debian tests/debian $(ARGS)

test-deploy: .venv/$(READY) ## check all of deploy/, the workflows and the load test (go)
	@$(BIN)/python -m dev.tools actionlint compose helm k6 kustomize
	@$(BIN)/python -m pytest -m deploy tests/deploy tests/load $(ARGS)

test-image: .venv/$(READY) ## build the image and run it as the platforms do (docker; root and debootstrap, or BASE=python:...)
	@$(BIN)/python -m pytest -m image tests/image $(ARGS)

connector: .venv/$(READY) ## make deploy/debezium/connector.json anew from application.properties
	@$(BIN)/python -m dev.debezium

migrate: .venv/$(READY) ## apply schema.sql, to DATABASE_URL or to the data of `make run` while that is off
	@exec $(BIN)/python -m dev.migrate

bench: .venv/$(READY) .venv-events/$(READY) ## measure the function beside its alternatives
	@$(BIN)/python -m bench $(ARGS)

load: ## load the function at URL by k6, from the PATH or its container (docker)
	@sh tests/load/run.sh $(ARGS)

eval: .venv/$(READY) ## measure how well the model of LLM_PROVIDER reads 60 labelled messages (ARGS=--help)
	@$(BIN)/python -m eval $(ARGS)

lint: .venv/$(READY) ## check style, types, and which package imports which
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

check: lint ## lint, then the unit tests: in seconds, for before a commit
	@$(BIN)/python -m pytest --quiet tests/unit $(ARGS)

lock: .venv/$(READY) ## make the locks anew from pyproject.toml (ARGS=--upgrade: newest versions)
	@$(COMPILE) pyproject.toml --extra server --extra functions-framework --extra docs --extra llm --group embedded \
		--group test --group kafka --group deploy --group lint --group bench --group build --output-file requirements/dev.txt
	@$(COMPILE) pyproject.toml --group events --group build --output-file requirements/events.txt
	@$(COMPILE) pyproject.toml --extra llm --group func --group build --output-file requirements/func.txt
	@$(COMPILE) pyproject.toml --extra server --extra docs --extra llm --output-file requirements/server.txt
	@$(COMPILE) --group build --output-file requirements/build.txt

lock-jars: .venv/$(READY) ## make requirements/jars.txt anew from requirements/pom.xml (needs Maven)
	@$(BIN)/python -m dev.kafka.lock

clean: ## remove all that these targets made here, the data of `make run` too; not what docker keeps
	@sh dev/clean.sh

.venv/$(READY): requirements/dev.txt pyproject.toml
	@sh dev/venv.sh .venv requirements/dev.txt $@

.venv-func/$(READY): requirements/func.txt pyproject.toml
	@sh dev/venv.sh .venv-func requirements/func.txt $@

.venv-events/$(READY): requirements/events.txt pyproject.toml
	@sh dev/venv.sh .venv-events requirements/events.txt $@ >&2 # stdout is for events
