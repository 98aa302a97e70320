# make demo   environment, synthetic faces, shards, training under DST, report
# make test   environment, all tests
# make lint   environment, style, types, import contracts
# make fuzz   on Linux: the readers of outside input under a fuzzer, MINUTES=10 in all on two cores; TARGETS="images.zip tables.text" takes
#             some; runs/fuzz keeps the corpus, and the next run goes on from it; whatever is found is printed with the command to see it again
# make soak   random kills and signals over all commands, whose ends must be those of calm runs: ten minutes; SEED=n for the choices of one
# make gpu    on a machine with a GPU: the GPU's tests, then ten measurements (docs/gpu.md); DEVICE=cpu rehearses it anywhere

PYTHON ?= python3
VENV ?= .venv
# cuda12 installs DALI for CUDA 12 instead of 13.
EXTRAS ?=
DEMO ?= data/demo
# make gpu: cpu works at toy size; ONLY=3,4 runs some parts; OUT gets table.md, results.json and log.txt, DATA the faces.
DEVICE ?= cuda
ONLY ?=
OUT ?= runs/gpu
DATA ?= data/gpu
MINUTES ?= 10
TARGETS ?=
SEED ?=
comma := ,

export PATH := $(abspath $(VENV))/bin:$(PATH)
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint fuzz soak gpu format clean

demo: $(DEMO)/shards/manifest.json
	accelerate launch --quiet --num_processes 1 --num_machines 1 --mixed_precision no --dynamo_backend no \
	  engine/train.py --config configs/demo.yaml --data.shards $(DEMO)/shards --run.if_exists replace

$(DEMO)/shards/manifest.json: $(DEMO)/faces/list_attr_celeba.txt
	tools/make_shards --images $(DEMO)/faces/img_align_celeba --attributes $(DEMO)/faces/list_attr_celeba.txt \
	  --partition $(DEMO)/faces/list_eval_partition.txt --out $(DEMO)/shards

$(DEMO)/faces/list_attr_celeba.txt: | $(INSTALLED)
	tools/make_faces $(DEMO)/faces --num-images 4000 --seed 0

test: $(INSTALLED)
	# Two at a time: most tests wait for a process of their own. A file's tests stay together, for what they share. One thread each: torch's
	# threads wait for each other in a loop, which takes the other's core.
	OMP_NUM_THREADS=1 pytest -n 2 --dist loadfile

lint: $(INSTALLED)
	ruff check
	ruff format --check
	pyrefly check
	lint-imports

fuzz: $(INSTALLED)
	# Not among the tools that everybody needs: it has wheels for Linux alone, and not for every Python.
	pip install --quiet --group fuzz
	OMP_NUM_THREADS=1 PYTHONPATH="$(CURDIR):$$PYTHONPATH" python -m tests.fuzz --minutes $(MINUTES) $(TARGETS)

soak: $(INSTALLED)
	python -m tests.soak $(if $(SEED),--seed $(SEED))

gpu:
	# A rented machine has neither a network nor time for one: its own Python will do, if it has the libraries.
	$(PYTHON) -c "import accelerate, nvidia.dali, pytest, simplejpeg, torch, tyro, webdataset" || $(MAKE) $(INSTALLED)
	PYTHONPATH="$(CURDIR):$$PYTHONPATH" $(PYTHON) tools/benchmark gpu --device $(DEVICE) --out $(OUT) --folder $(DATA) \
	  $(if $(ONLY),--only $(subst $(comma), ,$(ONLY)))

format: $(INSTALLED)
	ruff check --fix
	ruff format

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	# 25.1 is the first pip that knows dependency groups.
	pip install --quiet --upgrade "pip>=25.1"
	pip install --quiet --editable "$(if $(EXTRAS),.[$(EXTRAS)],.)" --group dev
	touch $@

clean:
	rm -rf $(VENV) data/demo runs/demo
