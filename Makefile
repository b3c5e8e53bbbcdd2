# One verb a line. `make test` needs only python3 (3.11 or newer), git and make: uv is installed privately when missing.
.PHONY: demo programs test check lint types bench bench-convert docs soak pairing wheels alone clean
PYTHON ?= python3
# Hundreds of processes are started by the tests: none of them should compile its imports again.
unexport PYTHONDONTWRITEBYTECODE
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
RUN := $(UV) run --frozen --quiet

$(UV):
	$(PYTHON) -m venv .tools && .tools/bin/python -m pip install --quiet --disable-pip-version-check uv

.venv: $(UV) uv.lock pyproject.toml
	$(UV) sync --frozen --quiet && touch .venv

demo: .venv
	@$(RUN) python -m tests.demo --out demo-out $(if $(CAPTURE),--capture $(CAPTURE)) $(if $(SPEED),--speed $(SPEED)) $(if $(DURATION),--duration $(DURATION))

programs: .venv

test: .venv
	$(RUN) pytest -m "not soak" -n logical --maxprocesses 4

check: lint types test

lint: .venv
	$(RUN) ruff check . && $(RUN) ruff format --check .

types: .venv
	$(RUN) mypy packages/*/src services/*/src

bench: .venv
	$(RUN) python -m tests.bench

bench-convert: .venv
	$(RUN) python -m tests.bench_convert $(if $(ROWS),--rows $(ROWS))

docs: .venv
	$(RUN) pytest tests/docs -m "soak or not soak" --timeout 1200

soak: .venv
	$(RUN) pytest -m soak --timeout 3600

pairing: .venv
	$(RUN) python -m tests.pairing

wheels: .venv
	$(RUN) python -m tests.wheels $(if $(PYTHONS),--pythons $(PYTHONS))

alone: .venv
	$(RUN) python -m tests.alone

clean:
	rm -rf .venv .tools demo-out dist
