# Every command of the exchange; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help up down status logs clean audit dead-letters republish bench chaos mutations pictures tournament drop-old-data test lint requirements

PYTHON ?= python3
RUN = @$(PYTHON) -m deploy.local

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1|/' | column -t -s '|'

up: ## install what is missing, start everything with six bots; BOTS=none API_PORT=8000 PUBLIC=host.example ...
	$(RUN) up

down: ## stop everything; the data stay
	$(RUN) down

status: ## what runs, how deep the queues are, what the stores hold and how fast they grow
	$(RUN) status

logs: ## follow the logs of all processes
	$(RUN) logs

clean: ## stop everything and drop all data
	$(RUN) clean

audit: ## check that every order, cent and share is where it has to be
	$(RUN) run tasks.audit $(ARGS)

drop-old-data: ## drop what market_data holds of the days before the last DAYS=7; ARGS="--dry-run" says what that is
	$(RUN) run deploy.drop_old_data $(if $(DAYS),--days $(DAYS)) $(ARGS)

dead-letters: ## messages that could not be handled; ARGS="show NAME", ARGS="return NAME" sends one back to its queue
	$(RUN) run deploy.dead_letters $(ARGS)

republish: ## publish everything of a shard again from a command on, should messages be lost; SHARD=0 FROM=123
	$(RUN) run tasks.catch_up republish --shard $(SHARD) --from $(FROM)

bench: ## measure the running exchange; ARGS="--scenario arrays --seconds 20"
	$(RUN) run bench $(ARGS)

chaos: ## break an exchange of its own under load and see that nothing is lost; SEED=7 MINUTES=3
	$(RUN) chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

mutations: ## take one safeguard away at a time, in a copy of the code, and see that a test notices
	$(RUN) test tests/mutations/all_of_them.py $(ARGS)

pictures: ## the pictures of the page in docs/images/, of the running exchange; after make test, which installs a browser
	$(RUN) run tests.support.pictures $(ARGS)

tournament: ## bots against each other, with a report; LEAGUE=league.toml ARGS="--with my_bot.py:MyBot --seeds 3"
	$(RUN) tournament $(LEAGUE) $(ARGS)

test: ## all tests, on services of their own; ARGS="tests/bots -k market_maker" for some
	$(RUN) test $(ARGS)

lint: ## format, style, types and who imports whom
	$(RUN) lint

COMPILE = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command 'make requirements'

requirements: ## pin the newest libraries that pyproject.toml allows, with their hashes
	@test -x .venv/bin/uv || .venv/bin/python -m pip install --quiet uv
	$(COMPILE) --upgrade pyproject.toml --output-file requirements.txt
	$(COMPILE) --upgrade pyproject.toml --extra league --constraint requirements.txt \
		--output-file bots/league/requirements.txt
	$(COMPILE) --upgrade pyproject.toml --extra test --extra league --constraint bots/league/requirements.txt \
		--output-file tests/requirements.txt
