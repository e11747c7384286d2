# Every command of the exchange; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help requirements

PYTHON ?= python3

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | column -t -s '|'

COMPILE = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command 'make requirements'

requirements: ## pin the newest libraries that pyproject.toml allows, with their hashes
	@test -x .venv/bin/uv || .venv/bin/python -m pip install --quiet uv
	$(COMPILE) --upgrade pyproject.toml --output-file requirements.txt
	$(COMPILE) --upgrade pyproject.toml --extra test --constraint requirements.txt --output-file tests/requirements.txt
