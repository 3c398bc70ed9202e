# syntax=docker/dockerfile:1
# Three images: `--target server` (the door and TorchServe; also runs the sidecar), `--target client` (the Streamlit page)
# and `--target bulk` (archives of photographs, on KubeRay).
#   make image         builds all with docker, podman or buildah
#   make image-test    builds all, starts the server from the image's own files and sends it a photo
#
# BASE           a slim Python 3.11; Debian-based, because the wheels need glibc
# TORCH_BACKEND  what `uv --torch-backend` takes; empty: the configured index's own build, by hash as all the rest;
#                `local`: a build that lies on this machine. One for GPUs would only be larger: TorchServe's worker
#                imports torch, but ONNX Runtime does the work, on the CPU.
ARG BASE=docker.io/library/python:3.11.14-slim-bookworm

# --- tools that only building needs: never in an image -----------------------------------------------------------------
FROM ${BASE} AS build
ENV PYTHONDONTWRITEBYTECODE=1 UV_NO_CACHE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /build
COPY requirements/ requirements/
RUN python3 -m venv --without-pip /opt/venv \
    && python3 -m venv /tools \
    && /tools/bin/python -m pip install --quiet --no-cache-dir --require-hashes -r requirements/bootstrap.txt

FROM build AS server-packages
ARG TORCH_BACKEND=cpu
# Hashes pin everything; torch only where its build comes from the same index as the rest. PyTorch's own index has other
# builds, which are pinned by version, and torch's own dependencies come at the locked versions.
RUN /tools/bin/uv pip install --python /opt/venv/bin/python --compile-bytecode --require-hashes \
        -r requirements/server.txt \
    && if [ -z "${TORCH_BACKEND}" ]; then torch="--require-hashes -r requirements/torch.txt"; \
        else torch="--no-verify-hashes --constraint requirements/all.txt torch"; fi \
    && case "${TORCH_BACKEND}" in ""|local) ;; *) torch="--torch-backend=${TORCH_BACKEND} ${torch}";; esac \
    && /tools/bin/uv pip install --python /opt/venv/bin/python --compile-bytecode ${torch} \
    # Headers and tests serve only those who compile against torch.
    && rm -rf /opt/venv/lib/python3.11/site-packages/torch/include /opt/venv/lib/python3.11/site-packages/torch/test

# --- the model archive -------------------------------------------------------------------------------------------------
FROM server-packages AS archive
RUN /tools/bin/uv pip install --python /opt/venv/bin/python --require-hashes -r requirements/archive.txt
COPY emotion/ emotion/
COPY handler/ handler/
COPY training/__init__.py training/package.py training/third_party.py training/
COPY model_store/emotion.onnx model_store/covering.onnx model_store/centerface-int8.onnx model_store/
RUN /opt/venv/bin/python -m training.package

FROM build AS client-packages
RUN /tools/bin/uv pip install --python /opt/venv/bin/python --compile-bytecode --require-hashes \
        -r requirements/client.txt

FROM build AS bulk-packages
RUN /tools/bin/uv pip install --python /opt/venv/bin/python --compile-bytecode --require-hashes \
        -r requirements/bulk.txt

# --- what all images share --------------------------------------------------------------------------------------------
FROM ${BASE} AS runtime
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOME=/tmp TMPDIR=/tmp
# Made by root here, or some engines give it to the user. A login shell, as KubeRay's operators before 1.4 start Ray in,
# forgets the PATH above.
RUN mkdir /app && echo 'PATH=/opt/venv/bin:$PATH' > /etc/profile.d/venv.sh
WORKDIR /app
# The only path that is written to: keep it in memory, photos that TorchServe sets aside while they arrive pass here.
VOLUME /tmp
USER 10001:10001

# --- client ------------------------------------------------------------------------------------------------------------
FROM runtime AS client
LABEL org.opencontainers.image.title="emotion-client" \
    org.opencontainers.image.description="A page that shows the emotion of each face in a photo"
COPY --from=client-packages /opt/venv /opt/venv
COPY .streamlit/ .streamlit/
COPY model_store/*.json model_store/MODEL_CARD.md model_store/
COPY client/ client/
# The contract, which needs none of the pipeline's libraries.
COPY emotion/__init__.py emotion/contract.py emotion/labels.py emotion/framing.py emotion/openapi.py \
    emotion/placement.py emotion/
# Without an address of its own Streamlit asks the internet for one when it starts.
ENV EMOTION_SERVER=http://emotion-server:8080 EMOTION_METRICS_PORT=8502 STREAMLIT_BROWSER_SERVER_ADDRESS=localhost
EXPOSE 8501 8502
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=2)"]
# Without `--server.address` it listens on all addresses of both families.
CMD ["python", "-m", "client", "--server.port", "8501", "--server.headless", "true"]

# --- bulk --------------------------------------------------------------------------------------------------------------
FROM runtime AS bulk
LABEL org.opencontainers.image.title="emotion-bulk" \
    org.opencontainers.image.description="Analyses archives of photographs, as a node of a Ray cluster"
COPY --from=bulk-packages /opt/venv /opt/venv
COPY emotion/ emotion/
COPY bulk/ bulk/
COPY --from=archive /build/model_store/emotion.onnx /build/model_store/covering.onnx \
    /build/model_store/centerface-int8.onnx \
    /build/model_store/third_party/shape_predictor_5_face_landmarks.dat emotion/models/
# A worker's libraries keep to one thread: there is a worker for each core.
ENV PYTHONPATH=/app OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 RAY_USAGE_STATS_ENABLED=0
ENTRYPOINT []
CMD ["python", "-m", "bulk", "--help"]

# --- server: the last target, so also what a plain `docker build .` gives -----------------------------------------------
FROM runtime AS server
LABEL org.opencontainers.image.title="emotion-server" \
    org.opencontainers.image.description="Finds faces in a photo and says which of seven emotions each shows"
COPY --from=server-packages /opt/venv /opt/venv
COPY config.properties ./
COPY serving/ serving/
COPY sidecar/ sidecar/
COPY docs/openapi.json docs/
# The policy is read before anything starts; the pipeline itself is in the archive.
COPY emotion/__init__.py emotion/contract.py emotion/labels.py emotion/policy.py emotion/
COPY --from=archive /build/model_store/emotion.mar model_store/
# The door, and metrics; TorchServe's inference and management stay on loopback.
EXPOSE 8080 8082 8083 8084
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s CMD ["python", "-m", "serving.healthcheck"]
# Process 1: it hears the engine's SIGTERM and stops the door, then Java.
CMD ["python", "-m", "serving.container"]
