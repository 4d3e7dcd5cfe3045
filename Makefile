# Every target makes .venv by itself when it is missing or older than what it is made from.
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
PYTHON ?= python3
RESULTS ?= results
export RESULTS

# Recipes read what a user types (PROMPT="it's $$5") from the environment, where no shell interprets it, and make itself
# leaves `$$` in it alone. $(call opt,prompt,PROMPT) is the option --prompt with the text of PROMPT, $(call many,...) with
# its words, $(call flag,verify,VERIFY) the bare option unless VERIFY is empty or 0.
define plain
override $(1) := $$(value $(1))
export $(1)
endef
$(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(eval $(call plain,$(name)))))
opt = $(if $(value $(2)),--$(1)="$$$(2)")
many = $(if $(value $(2)),--$(1) $$$(2))
flag = $(if $(filter-out 0,$(value $(2))),--$(1))
LAUNCHED = $(call opt,launch,LAUNCH) $(call opt,nodes,NODES) $(call opt,gpus,GPUS) $(call opt,rendezvous,RENDEZVOUS) \
	$(call many,sbatch,SBATCH)

# PLUGIN="my_heads.py ..." adds designs, heads or objectives of your own to any command: docs/extending.md. The files go
# to the commands, and to every process that they start, in HEADTOHEAD_PLUGINS, beside those that stand there already.
ifdef PLUGIN
COMMA_ := ,
SPACE_ := $(subst ,, )
FILES_ := $(subst $(COMMA_), ,$(PLUGIN)) $(subst :, ,$(HEADTOHEAD_PLUGINS))
export HEADTOHEAD_PLUGINS := $(subst $(SPACE_),:,$(strip $(FILES_)))
endif

.DEFAULT_GOAL := help
.PHONY: help demo plan sweep status tune plot study points weights paint guidance rescore foundations gallery prompts pack index decoder cache bench bench-gpu check test test-slow format clean

help:  ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "headtohead needs Python 3.11 or newer: make PYTHON=python3.11 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

plan: $(READY)  ## What runs will cost and whether they fit: NAME=paper, or DESIGN=clip_flow SCALE=paper GPUS=32 [GPU=h200] [JSON=file]
	@$(PY) -m ablations.plan $(if $(value NAME),"$$NAME") $(call opt,design,DESIGN) $(call opt,scale,SCALE) \
		$(call opt,seeds,SEEDS) $(call opt,steps,STEPS) $(call opt,set,SET) \
		$(call opt,nodes,NODES) $(call opt,gpus,GPUS) $(call opt,gpu,GPU) \
		$(call opt,utilisation,UTILISATION) $(call opt,json,JSON)

# make sweep NAME=reference runs sweeps/reference.yaml; DESIGN, SEEDS, SCALE, STEPS and SET override it.
sweep: $(READY)  ## Train and measure designs: DESIGN=clip_flow [SEEDS=0,1,2] [STEPS=600] [SET="head.dim=256"] [NAME=file] [EVAL=tiny] [DRY=1] [THREADS=4] [ESTIMATE=0] [LOG=tensorboard]
	@$(PY) -m ablations.sweep $(if $(value NAME),"$$NAME") $(call opt,design,DESIGN) $(call opt,seeds,SEEDS) \
		$(call opt,scale,SCALE) $(call opt,steps,STEPS) $(call opt,set,SET) $(call opt,log,LOG) \
		$(call opt,eval,EVAL) $(call flag,dry-run,DRY) $(if $(filter 0,$(value ESTIMATE)),--no-estimate) \
		$(call opt,threads,THREADS) $(LAUNCHED)

demo: $(READY)  ## Two designs for a minute, with a report: shows what a sweep does, too short to conclude anything
	@$(PY) -m ablations.sweep demo --no-estimate --results="$$RESULTS" $(call opt,threads,THREADS)
	@echo "A demo, too short to conclude anything: open $$RESULTS/demo/report.html"

status: $(READY)  ## How far every run is, who works on it, what failed, when all is done: [RESULTS=results] [WATCH=2]
	@$(PY) -m ablations.sweep.status "$$RESULTS" $(call opt,watch,WATCH)

# sweeps/search/micro.yaml is the space; the same command on other machines shares the trials through STORAGE.
tune: $(READY)  ## Search settings on dev prompts: DESIGN="clip_flow vae_flow" TRIALS=20 [SPACE=micro] [STORAGE=postgresql://...] [PRUNE=1] [WRITE=name]
	@$(PY) -m ablations.tune $(call opt,design,DESIGN) $(call opt,trials,TRIALS) \
		$(call opt,space,SPACE) $(call opt,study,STUDY) $(call opt,storage,STORAGE) \
		$(call opt,steps,STEPS) $(call opt,set,SET) $(call flag,prune,PRUNE) \
		$(call opt,write,WRITE)

plot: $(READY)  ## Draw the curves as PNG and PDF, and write the comparison [RESULTS=results/micro]
	@$(PY) -m ablations.report "$$RESULTS"

study: $(READY)  ## A page on which people compare designs blind: RESULTS=results/micro [DESIGN="clip_flow vae_flow"]
	@$(PY) -m ablations.report.human_study "$$RESULTS" $(call opt,design,DESIGN)

points: $(READY)  ## Measure points that runs with SET=evaluation.apart=true left open: [RESULTS=results] [LAUNCH=slurm]
	@$(PY) -m ablations.posthoc.measure_points "$$RESULTS" $(LAUNCHED)

weights: $(READY)  ## Train the paper's three designs as the reference did, for their weights -> results/weights [SEEDS=0]
	@$(PY) -m ablations.sweep weights $(call opt,seeds,SEEDS) $(LAUNCHED)

paint: $(READY)  ## What designs paint, from kept weights: RESULTS=results/micro PROMPT="a red circle above a blue star" [DESIGN=...] [TIMES=4]
	@$(PY) -m ablations.posthoc.paint "$$RESULTS" $(call opt,prompt,PROMPT) $(call opt,file,FILE) \
		$(call opt,design,DESIGN) $(call opt,times,TIMES) $(call opt,set,SET)

guidance: $(READY)  ## FID against GenEval over guidance scales, from kept weights: RESULTS=results/micro [SPLIT=dev]
	@$(PY) -m ablations.posthoc.guidance "$$RESULTS" $(call opt,split,SPLIT)

rescore: $(READY)  ## Score kept weights again: RESULTS=results/micro [SET="guidance=3 solver=heun"] [JUDGE=file]
	@$(PY) -m ablations.posthoc.rescore "$$RESULTS" $(call opt,set,SET) $(call opt,judge,JUDGE)

foundations: $(READY)  ## Train the pretrained models that are out of date, and measure their ceilings [ONLY="vae clip"]
	@$(PY) -m ablations.prepare.pretrained $(call opt,only,ONLY)

gallery: $(READY)  ## Draw the synthetic dataset: scenes, captions, the judge's detections, round trips -> results/gallery
	@$(PY) -m ablations.prepare.gallery

prompts: $(READY)  ## Write the dev and test prompts
	@$(PY) -m ablations.prepare.prompts

pack: $(READY)  ## Pack pictures and captions into shards: FOLDER=pictures OUT=shards [CAPTIONS=captions.csv] [PER_SHARD=1000] [SKIP=1]
	@$(PY) -m headtohead.data.pack "$$FOLDER" "$$OUT" $(call opt,captions,CAPTIONS) \
		$(call opt,per-shard,PER_SHARD) $(call opt,workers,WORKERS) $(call flag,skip,SKIP)

index: $(READY)  ## Index tar shards: DATA="shards/{00000..00099}.tar" [INDEX=folder] [WORKERS=8] [VERIFY=1] [MAX_DAMAGED=0.01]
	@set -f; $(PY) -m headtohead.data.shards $$DATA $(call opt,index,INDEX) \
		$(call opt,workers,WORKERS) $(call flag,verify,VERIFY) $(call opt,max-damaged,MAX_DAMAGED)

decoder: $(READY)  ## Train a scale's decoder from CLIP tokens to pictures: SCALE=paper SET="data.mix=mix.yaml" [LAUNCH=slurm]
	@$(PY) -m ablations.prepare.clip_decoder $(call opt,scale,SCALE) $(call opt,set,SET) $(call opt,folder,FOLDER) \
		$(LAUNCHED)

cache: $(READY)  ## Encode a design's corpora once: DESIGN=clip_flow SCALE=paper SET="data.mix=mix.yaml" [FOLDER=features]
	@$(PY) -m ablations.prepare.cache_features --design="$$DESIGN" $(call opt,scale,SCALE) $(call opt,set,SET) \
		$(call opt,folder,FOLDER)

bench: $(READY)  ## Measure speed: foundations, designs, metrics, commands -> results/bench; [ONLY=designs] [AGAINST=commit] [PEER=folder of BLIP3o]
	@$(PY) -m ablations.bench $(if $(value ONLY),$$ONLY) $(call opt,against,AGAINST) $(call opt,peer,PEER)

bench-gpu: $(READY)  ## Measure one GPU at the paper's sizes, offline: [BUDGET=540] [ONLY="training judges"] [TABLE=1] [OUT=folder] -> results/bench, README
	@$(PY) -m ablations.bench.gpu $(if $(value ONLY),$$ONLY) $(call opt,budget,BUDGET) $(call opt,out,OUT) \
		$(call flag,table,TABLE)

check: $(READY)  ## Lint, types and floors, in seconds
	@$(VENV)/bin/ruff check src ablations tests
	@$(VENV)/bin/ruff format --check src ablations tests
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo

test: check  ## All checks and the tests
	@$(PY) -m pytest -m "not slow" -n "$${JOBS:-auto}" --dist loadfile --no-loadscope-reorder

test-slow: $(READY)  ## The tests that need minutes or services
	-@$(PY) -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[wandb,postgres,dashboard]'
	@$(PY) -m pytest -m slow

format: $(READY)  ## Put the code in order
	@$(VENV)/bin/ruff check -q --fix src ablations tests
	@$(VENV)/bin/ruff format -q src ablations tests

clean:  ## Remove what was made here, .venv included
	rm -rf $(VENV) .foundations .pytest_cache .mypy_cache .ruff_cache build src/*.egg-info
