# `make` alone lists what there is. Settings are environment variables: FOR=60, KAFKA_PORT=9192, PYTHON=python3.12 ...
PYTHON ?= python3
FLEXMETER_RUN ?= .run
VENV := .venv/bin/python
export PYTHON FLEXMETER_RUN FOR KILLS SOURCES KAFKA_PORT MQTT_PORT PAGE_PORT AMQP_PORT HTTP_PORT COAP_PORT NAME

.DEFAULT_GOAL := help
.PHONY: help run test lint proof faults dashboards screenshots conformance fuzz bench bench-engine soak accuracy doctor clean install install-tests

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

run: install ## everything on this machine, shown live; Ctrl-C ends it (FOR=60: ends by itself; SOURCES=mqtt: less of it)
	@exec setpriv --pdeathsig TERM $(VENV) -m flexmeter run

test: install-tests lint ## all tests, on real Kafka, mosquitto, chdb and clickhouse-server
	$(VENV) -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --durations 12

lint: install-tests ## style, types, and who may import whom
	$(VENV) -m ruff format --check
	$(VENV) -m ruff check
	$(VENV) -m mypy
	node flexmeter/page/node_modules/prettier/bin/prettier.cjs --config flexmeter/page/package.json --log-level warn --check flexmeter/page/js flexmeter/page/index.html tests/page
	$(VENV) -c 'from importlinter.cli import lint_imports_command as lint; lint()'

proof: install ## a week of recorded readings through everything, compared with independent arithmetic (KILLS=1: while parts die)
	$(VENV) -m bench.proof

faults: install ## workers and Kafka killed, paused, torn and cut off under load: all results as if nothing had happened
	$(VENV) -m bench.faults

dashboards: install-tests ## write what Grafana and the local page are given, from dashboards/*.py
	$(VENV) -m dashboards

screenshots: install-tests ## pictures of the local page, into docs/images; look at them before they are committed
	$(VENV) -m tests.screenshots

conformance: install-tests ## every decoder on the published telegrams of FLEXMETER_DATA
	$(VENV) -m bench.conformance

fuzz: install-tests ## every decoder on broken and invented telegrams, for MINUTES=10 in all
	$(VENV) -m bench.fuzz --minutes $(or $(MINUTES),10)

# Every bench of the list, also after one that missed its goal; at the end docs/performance.md is written, and those named.
define each_bench
	@missed=; for bench in $(1); do \
		echo "== python -m bench.$$bench"; $(VENV) -m bench.$$bench || missed="$$missed $${bench%% *}"; \
	done; $(VENV) -m bench.performance; [ -z "$$missed" ] || { echo "failed, or a goal missed:$$missed"; exit 1; }
endef

bench: install-tests ## how fast the parts that must be fast are; the engine beside its peers: bench-engine
	$(call each_bench,codec decode dlms bridge amqp http coap register last_gasp overload sink router \
		router_away \
		'sink_away --minutes $(or $(MINUTES),1)' dashboards_speed anomaly outage_speed nilm_cost nilm_kafka)

soak: install-tests ## a live district for hours: does anything grow that should not? (HOURS=2)
	$(VENV) -m bench.soak --hours $(or $(HOURS),2)

bench-engine: install-tests ## the engine beside Faust, quixstreams, bytewax, Kafka Streams; hours (SECONDS=5 REPEATS=1: to try it)
	$(call each_bench,'engine --seconds $(or $(SECONDS),60) --repeats $(or $(REPEATS),5)' \
		'engine_blocks --seconds $(or $(SECONDS),60) --repeats $(or $(REPEATS),5)' \
		engine_parts 'metering --seconds $(or $(SECONDS),20) --repeats $(or $(REPEATS),3)' \
		'restart --seconds $(or $(SECONDS),20)' 'latency --minutes $(or $(MINUTES),2)')

accuracy: install-tests ## how right a part that judges is: NAME=nab (anomalies), faults (of meters), nilm, outage
	$(VENV) -m bench.accuracy $(NAME)

doctor: ## what is there, what is missing, and the command that installs it
	@if [ -x $(VENV) ]; then $(VENV) -m flexmeter doctor; else $(PYTHON) -m flexmeter.local.checkup; fi

clean: ## remove everything that was made here, data included; a FLEXMETER_RUN elsewhere stays
	@if [ -e .run/lock ] && ! flock -n .run/lock true; then \
		echo "a run uses .run (pid $$(cat .run/lock)): end it first" >&2; exit 1; fi
	rm -rf .venv .run .parts flexmeter/page/node_modules examples/subscribers/node_modules *.egg-info build dist
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	rm -f "$${TMPDIR:-/tmp}/flexmeter-ports-$$(id -u)"
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

install:
	@flexmeter/local/install.sh

install-tests:
	@flexmeter/local/install.sh --tests
