# Every target makes .venv by itself when it is missing or older than what it is made from.
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
PYTHON ?= python3
RESULTS ?= results
LAUNCHED = $(if $(LAUNCH),--launch $(LAUNCH)) $(if $(NODES),--nodes $(NODES)) $(if $(GPUS),--gpus $(GPUS)) \
	$(if $(RENDEZVOUS),--rendezvous $(RENDEZVOUS)) $(if $(SBATCH),--sbatch $(SBATCH))

.DEFAULT_GOAL := help
.PHONY: help plan sweep status tune plot study points paint guidance rescore foundations gallery prompts pack index decoder cache bench check test test-slow format clean

help:  ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "headtohead needs Python 3.11 or newer: make PYTHON=python3.11 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

plan: $(READY)  ## What runs will cost and whether they fit: DESIGN=clip_flow SCALE=paper GPUS=32 [GPU=h200] [JSON=file]
	@$(PY) -m ablations.plan $(if $(DESIGN),--design $(DESIGN)) $(if $(SCALE),--scale $(SCALE)) \
		$(if $(SEEDS),--seeds $(SEEDS)) $(if $(STEPS),--steps $(STEPS)) $(if $(SET),--set $(SET)) \
		$(if $(NODES),--nodes $(NODES)) $(if $(GPUS),--gpus $(GPUS)) $(if $(GPU),--gpu $(GPU)) \
		$(if $(UTILISATION),--utilisation $(UTILISATION)) $(if $(JSON),--json $(JSON))

# make sweep NAME=reference runs sweeps/reference.yaml; DESIGN, SEEDS, SCALE, STEPS and SET override it.
sweep: $(READY)  ## Train and measure designs: DESIGN=clip_flow [SEEDS=0,1,2] [STEPS=600] [SET="head.dim=256"] [NAME=file] [LOG=tensorboard]
	@$(PY) -m ablations.sweep $(NAME) $(if $(DESIGN),--design $(DESIGN)) $(if $(SEEDS),--seeds $(SEEDS)) \
		$(if $(SCALE),--scale $(SCALE)) $(if $(STEPS),--steps $(STEPS)) $(if $(SET),--set $(SET)) $(if $(LOG),--log $(LOG)) \
		$(LAUNCHED)

status: $(READY)  ## How far every run is, who works on it, what failed, when all is done: [RESULTS=results] [WATCH=2]
	@$(PY) -m ablations.sweep.status $(RESULTS) $(if $(WATCH),--watch $(WATCH))

# sweeps/search/micro.yaml is the space; the same command on other machines shares the trials through STORAGE.
tune: $(READY)  ## Search settings on dev prompts: DESIGN="clip_flow vae_flow" TRIALS=20 [SPACE=micro] [STORAGE=postgresql://...] [PRUNE=1]
	@$(PY) -m ablations.tune $(if $(DESIGN),--design $(DESIGN)) $(if $(TRIALS),--trials $(TRIALS)) \
		$(if $(SPACE),--space $(SPACE)) $(if $(STUDY),--study $(STUDY)) $(if $(STORAGE),--storage '$(STORAGE)') \
		$(if $(STEPS),--steps $(STEPS)) $(if $(SET),--set $(SET)) $(if $(filter-out 0,$(PRUNE)),--prune) \
		$(if $(WRITE),--write $(WRITE))

plot: $(READY)  ## Draw the curves as PNG and PDF, and write the comparison [RESULTS=results/micro]
	@$(PY) -m ablations.report $(RESULTS)

study: $(READY)  ## A page on which people compare designs blind: RESULTS=results/micro [DESIGN="clip_flow vae_flow"]
	@$(PY) -m ablations.report.human_study $(RESULTS) $(if $(DESIGN),--design $(DESIGN))

points: $(READY)  ## Measure points that runs with SET=evaluation.apart=true left open: [RESULTS=results] [LAUNCH=slurm]
	@$(PY) -m ablations.posthoc.measure_points $(RESULTS) $(LAUNCHED)

paint: $(READY)  ## What designs paint, from kept weights: RESULTS=results/micro PROMPT="a red circle above a blue star" [DESIGN=...] [TIMES=4]
	@$(PY) -m ablations.posthoc.paint $(RESULTS) $(if $(PROMPT),--prompt '$(PROMPT)') $(if $(FILE),--file $(FILE)) \
		$(if $(DESIGN),--design $(DESIGN)) $(if $(TIMES),--times $(TIMES)) $(if $(SET),--set $(SET))

guidance: $(READY)  ## FID against GenEval over guidance scales, from kept weights: RESULTS=results/micro
	@$(PY) -m ablations.posthoc.guidance $(RESULTS)

rescore: $(READY)  ## Score kept weights again: RESULTS=results/micro [SET="guidance=3 solver=heun"] [JUDGE=file]
	@$(PY) -m ablations.posthoc.rescore $(RESULTS) $(if $(SET),--set $(SET)) $(if $(JUDGE),--judge $(JUDGE))

foundations: $(READY)  ## Make the foundations that are out of date, and measure their ceilings [ONLY="vae clip"]
	@$(PY) -m ablations.prepare.pretrained $(if $(ONLY),--only $(ONLY))

gallery: $(READY)  ## Draw the world: scenes, captions, what the judge sees, round trips -> results/gallery
	@$(PY) -m ablations.prepare.gallery

prompts: $(READY)  ## Write the dev and test prompts anew
	@$(PY) -m ablations.prepare.prompts

pack: $(READY)  ## Pack pictures and captions into shards: FOLDER=pictures OUT=shards [CAPTIONS=captions.csv] [PER_SHARD=1000] [SKIP=1]
	@$(PY) -m headtohead.data.pack $(FOLDER) $(OUT) $(if $(CAPTIONS),--captions $(CAPTIONS)) \
		$(if $(PER_SHARD),--per-shard $(PER_SHARD)) $(if $(WORKERS),--workers $(WORKERS)) $(if $(filter-out 0,$(SKIP)),--skip)

index: $(READY)  ## Index tar shards: DATA="shards/{00000..00099}.tar" [INDEX=folder] [WORKERS=8] [VERIFY=1] [MAX_DAMAGED=0.01]
	@$(PY) -m headtohead.data.shards.__main__ $(foreach place,$(DATA),'$(place)') $(if $(INDEX),--index '$(INDEX)') \
		$(if $(WORKERS),--workers $(WORKERS)) $(if $(VERIFY),--verify) $(if $(MAX_DAMAGED),--max-damaged $(MAX_DAMAGED))

decoder: $(READY)  ## Train a scale's decoder from CLIP tokens to pictures: SCALE=paper SET="data.mix=mix.yaml" [LAUNCH=slurm]
	@$(PY) -m ablations.prepare.clip_decoder $(if $(SCALE),--scale $(SCALE)) $(if $(SET),--set $(SET)) $(if $(FOLDER),--folder $(FOLDER)) \
		$(LAUNCHED)

cache: $(READY)  ## Encode a design's corpora once: DESIGN=clip_flow SCALE=paper SET="data.mix=mix.yaml" [FOLDER=features]
	@$(PY) -m ablations.prepare.cache_features --design $(DESIGN) $(if $(SCALE),--scale $(SCALE)) $(if $(SET),--set $(SET)) \
		$(if $(FOLDER),--folder $(FOLDER))

bench: $(READY)  ## Measure speed: foundations, designs, metrics, commands -> results/bench
	@$(PY) -m ablations.bench

check: $(READY)  ## Lint, types and floors, in seconds
	@$(VENV)/bin/ruff check src ablations tests
	@$(VENV)/bin/ruff format --check src ablations tests
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo

test: check  ## All checks and the tests
	@$(PY) -m pytest -m "not slow" -n $(or $(JOBS),auto) --dist loadfile

test-slow: $(READY)  ## The tests that need minutes or services
	@$(PY) -m pytest -m slow

format: $(READY)  ## Put the code in order
	@$(VENV)/bin/ruff check -q --fix src ablations tests
	@$(VENV)/bin/ruff format -q src ablations tests

clean:  ## Remove what was made here, .venv included
	rm -rf $(VENV) .foundations .pytest_cache .mypy_cache .ruff_cache build src/*.egg-info
