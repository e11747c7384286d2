# All commands of the exchange; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help up down status logs clean audit dead-letters republish shards move cluster cluster-down cluster-clean cluster-status bench chaos mutations pictures tournament competition drop-old-data test lint requirements

PYTHON ?= python3
# $(call need,VARIABLE,EXAMPLE): one sentence instead of a command without its argument.
need = @test -n "$($(1))" || { echo "$(1) is missing: make $@ $(2)" >&2; exit 2; }
RUN = @command -v $(PYTHON) > /dev/null || { \
	echo "there is no $(PYTHON): install Python 3.11 to 3.13, on Debian and Ubuntu with: apt-get install python3" >&2; \
	exit 1; }; $(PYTHON) -m deploy.local

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1|/' | column -t -s '|'

up: ## install missing programs, start everything and its bots; BOTS=none MARKET=my.toml PUBLIC=host.example ...
	$(RUN) up

down: ## stop everything and keep the data
	$(RUN) down

status: ## show processes, queue depths, the size of the stores and their growth
	$(RUN) status

logs: ## follow the logs of all processes
	$(RUN) logs

clean: ## stop everything and drop all data
	$(RUN) clean

audit: ## check that every order, cent and share is where it must be
	$(RUN) run tasks.audit $(ARGS)

drop-old-data: ## drop market data older than DAYS=7; ARGS="--dry-run" only lists it
	$(RUN) run deploy.drop_old_data $(if $(DAYS),--days $(DAYS)) $(ARGS)

dead-letters: ## list messages that no stage could handle; ARGS="show NAME", ARGS="return NAME" to its queue
	$(RUN) run deploy.dead_letters $(ARGS)

shards: ## add shards while the exchange trades: N=4, with the other variables of the last make up
	$(call need,N,N=4)
	@SHARDS=$(N) $(PYTHON) -m deploy.local up

move: ## move a security to another shard while it trades: SECURITY=MSFT SHARD=3
	$(call need,SECURITY,SECURITY=MSFT SHARD=3)
	$(call need,SHARD,SECURITY=MSFT SHARD=3)
	$(RUN) run tasks.moving $(SECURITY) $(SHARD)

republish: ## publish everything of a shard again from a command on; SHARD=0 FROM=123
	$(call need,SHARD,SHARD=0 FROM=123)
	$(call need,FROM,SHARD=0 FROM=123)
	$(RUN) run tasks.catch_up republish --shard $(SHARD) --from $(FROM)

bench: ## measure the running exchange; ARGS="--scenario arrays --seconds 20", ARGS="--against COMMIT"
	$(RUN) run bench $(ARGS)

cluster: ## run the exchange on three hosts, which are network namespaces of this machine (root); see docs/cluster.md
	$(RUN) cluster up

cluster-down: ## stop the three hosts and keep their data; cluster-clean drops it
	$(RUN) cluster down

cluster-clean: ## stop the three hosts and drop their data
	$(RUN) cluster clean

cluster-status: ## show the processes of the three hosts, the roles of Postgres and the nodes of RabbitMQ
	$(RUN) cluster status

chaos: ## break an exchange of its own under load and check that nothing is lost; SEED=7 MINUTES=3
	$(RUN) chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

mutations: ## remove one safeguard at a time in a copy of the code and check that a test fails
	$(RUN) test tests/mutations/all_of_them.py $(ARGS)

pictures: ## take the pictures of docs/images/ from the running exchange; needs the browser that make test installs
	$(RUN) run tests.support.pictures $(ARGS)

tournament: ## let bots compete and write a report; LEAGUE=league.toml ARGS="--with my_bot.py:MyBot --seeds 3"
	$(RUN) tournament $(LEAGUE) $(ARGS)

competition: ## create a competition and print its links; CASE=deploy/cases/first-hour.toml ARGS="--invites 12"
	$(call need,CASE,CASE=deploy/cases/first-hour.toml)
	$(RUN) run deploy.competition $(CASE) $(ARGS)

test: ## run all tests on services of their own; ARGS="tests/bots -k market_maker" for some
	$(RUN) test $(ARGS)

lint: ## check style, format, types and imports
	$(RUN) lint

COMPILE = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command 'make requirements'

requirements: ## pin the newest libraries that pyproject.toml allows, with their hashes
	@test -x .venv/bin/uv || .venv/bin/python -m pip install --quiet uv
	$(COMPILE) --upgrade pyproject.toml --output-file requirements.txt
	$(COMPILE) --upgrade pyproject.toml --extra league --constraint requirements.txt \
		--output-file bots/league/requirements.txt
	$(COMPILE) --upgrade pyproject.toml --extra parquet --constraint requirements.txt \
		--output-file bots/competition/requirements.txt
	$(COMPILE) --upgrade pyproject.toml --extra traces --constraint requirements.txt \
		--output-file deploy/observability/requirements.txt
	$(COMPILE) --upgrade pyproject.toml --extra flames --constraint requirements.txt \
		--output-file bench/requirements.txt
	$(COMPILE) --upgrade pyproject.toml --extra test --extra league --extra parquet --extra traces \
		--constraint bots/league/requirements.txt --constraint bots/competition/requirements.txt --constraint deploy/observability/requirements.txt \
		--output-file tests/requirements.txt
