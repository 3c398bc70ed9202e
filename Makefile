# Thin targets: each is a command or two that also works by hand.
#   make run | test | serve | mar | train DATA=… | compress DATA=… | evaluate DATA=… | bench | lint
# TORCH_BACKEND=cpu|cu130|auto installs another build of torch (smaller, or for a GPU).

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
RECIPE ?= vgg-funnel-blend
NETWORK ?= vgg-funnel-blend
TEACHERS ?= vgg-small vgg-funnel vgg-funnel-again vgg-funnel-whole
VERSION ?= 2.1.0
SPLIT ?= test
MODEL ?= model_store/emotion.onnx
OUT ?= report.json

need-data = @test -n "$(DATA)" || { echo "error: pass DATA=…/fer2013.csv.gz, the file from Kaggle"; exit 2; }

.PHONY: run test serve mar train compress release reports evaluate pipeline framing bench bench-client bench-capacity \
	bench-autoscaling image image-test lint policy lock clean
.DELETE_ON_ERROR:

run: $(BIN)/.installed model_store/emotion.mar
	@exec $(BIN)/python -m serving.run

serve: $(BIN)/.installed model_store/emotion.mar
	@exec $(BIN)/python -m serving.server

mar: model_store/emotion.mar

model_store/emotion.mar: $(BIN)/.installed model_store/emotion.onnx training/package.py training/third_party.py \
		$(shell find emotion handler -name '*.py' -o -name '*.yaml')
	$(BIN)/python -m training.package

test: $(BIN)/.installed model_store/emotion.mar
	$(BIN)/python -m pytest

lint: $(BIN)/.installed policy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/yamllint --strict .

# Everything the manifests can become, and the Dockerfile, against checkov's policies; exceptions in k8s/checkov.yaml.
policy: $(BIN)/.installed .venv-policy/.installed
	rm -rf runs/manifests
	$(BIN)/python -m tests.k8s.manifests runs/manifests
	LOG_LEVEL=CRITICAL .venv-policy/bin/checkov --config-file k8s/checkov.yaml --directory runs/manifests
	LOG_LEVEL=CRITICAL .venv-policy/bin/checkov --config-file k8s/checkov.yaml --file Dockerfile

# IMAGE_ARGS: --build-arg BASE=… builds on another Python 3.11.
image: $(BIN)/.installed
	$(BIN)/python -m images.engine --tag $(VERSION) $(IMAGE_ARGS)

# Builds both images and runs them from their own files; needs root, and buildah (apt-get install buildah debootstrap).
image-test: $(BIN)/.installed
	$(BIN)/python -m pytest -rA tests/image

train: $(BIN)/.installed
	$(need-data)
	$(BIN)/python -m training.train --data $(DATA) --recipe $(RECIPE) $(OPTIONS)

# Pruning and int8, measured against each other; the best combination goes into model_store/.
compress: $(BIN)/.installed
	$(need-data)
	$(BIN)/python -m training.compress --data $(DATA) --network $(NETWORK) --version $(VERSION)

# From the data file to everything in model_store/: each step is skipped or resumed where it was done before.
release: $(BIN)/.installed
	$(need-data)
	for recipe in $(TEACHERS) $(NETWORK) $(NETWORK)-pruned; do \
		$(BIN)/python -m training.train --data $(DATA) --recipe $$recipe $(OPTIONS) || exit; done
	$(BIN)/python -m training.compress --data $(DATA) --network $(NETWORK) --version $(VERSION)
	$(MAKE) reports

# Everything that depends on the served network: its report and card, the golden results, drift reference and rules.
reports: $(BIN)/.installed model_store/emotion.mar
	$(need-data)
	$(BIN)/python -m training.evaluate --data $(DATA) --split validation --out model_store/report.json
	$(BIN)/python -m training.model_card
	$(BIN)/python -m tests.golden
	$(BIN)/python -m monitoring.build

evaluate: $(BIN)/.installed
	$(need-data)
	$(BIN)/python -m training.evaluate --data $(DATA) --split $(SPLIT) --model $(MODEL) --out $(OUT)

# Accuracy through detection, alignment and cropping, next to the bare crops.
pipeline: $(BIN)/.installed model_store/emotion.mar
	$(need-data)
	$(BIN)/python -m training.evaluate_pipeline --data $(DATA) --model $(MODEL)

# The constants of emotion.alignment.FRAMING.
framing: $(BIN)/.installed
	$(need-data)
	$(BIN)/python -m training.framing --data $(DATA)

bench: $(BIN)/.installed model_store/emotion.mar
	$(BIN)/python -m bench.service

# What one pod can do: bench/autoscaling/measured.json.
bench-capacity: $(BIN)/.installed model_store/emotion.mar
	$(BIN)/python -m bench.autoscaling.measure

# A cluster of such pods under several policies: bench/autoscaling/RESULTS.md and its plot.
bench-autoscaling: $(BIN)/.installed
	$(BIN)/python -m bench.autoscaling.simulate

# The page in Chromium, and the batch command.
bench-client: $(BIN)/.installed model_store/emotion.mar
	$(BIN)/python -m bench.client

# Everything is pinned by version and hash. The hashes are those of the builds on PyPI; another TORCH_BACKEND brings
# builds from elsewhere, so there the versions alone are pinned.
$(BIN)/.installed: requirements/all.txt requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "error: Python 3.11 is needed, $(PYTHON) is another; pass PYTHON=…/python3.11"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/bootstrap.txt
ifdef TORCH_BACKEND
	$(BIN)/uv pip install --python $(BIN)/python --torch-backend=$(TORCH_BACKEND) --no-verify-hashes \
		--constraint requirements/all.txt -r pyproject.toml --all-extras
else
	$(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements/all.txt
endif
	@touch $@

# One lock for the machine of a developer; from it one for each image.
COMPILE = $(BIN)/uv pip compile --universal --generate-hashes --no-header --quiet
# checkov's own dependencies would fight with ours: an environment of its own.
.venv-policy/.installed: requirements/policy.txt $(BIN)/.installed
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-policy
	$(BIN)/uv pip install --quiet --python .venv-policy/bin/python --require-hashes -r requirements/policy.txt
	@touch $@

lock: $(BIN)/.installed
	$(COMPILE) pyproject.toml --all-extras -o requirements/all.txt
	for extra in server archive client; do $(COMPILE) pyproject.toml --extra $$extra --no-annotate \
		--constraint requirements/all.txt -o requirements/$$extra.txt || exit; done
	echo checkov | $(COMPILE) - --no-annotate --python-version 3.11 -o requirements/policy.txt

clean:
	rm -rf .venv .venv-policy model_store/emotion.mar model_store/third_party
