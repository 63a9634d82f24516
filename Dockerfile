# Penumbra with the Scenes demo: `docker compose up`, or
#   docker build -t penumbra . && docker run -p 127.0.0.1:8000:8000 -e PENUMBRA_INSECURE=true penumbra
# In a container the server listens to all that reach it; without PENUMBRA_INSECURE it wants keys (PENUMBRA_KEYS).

# The dependencies alone: they change seldom, and are the large layer.
FROM python:3.11-slim AS dependencies
# Where torch and torchvision come from, always both: PyTorch's builds for the CPU. With an empty value they are those
# of the package index, which bring CUDA: --build-arg TORCH_INDEX=
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.lock /
RUN grep -E '^(torch|torchvision)==' /requirements.lock > /torch.lock \
    && pip install --no-deps ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} --requirement /torch.lock \
    && pip install --requirement /requirements.lock
# What galleries in Milvus need (docs/distributed-store.md), where it is wanted: --build-arg MILVUS=1
ARG MILVUS=
COPY requirements-dev.lock /
RUN if [ -n "$MILVUS" ]; then \
        grep -E '^(pymilvus|grpcio|protobuf|pandas|orjson|cachetools|requests|certifi|charset-normalizer|urllib3)==' \
            /requirements-dev.lock > /milvus.lock \
        && pip install --no-deps --requirement /milvus.lock; \
    fi

# The package, and the demo gallery that its model makes.
FROM dependencies AS package
COPY . /source
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels /source \
    && pip install --no-deps /wheels/*.whl \
    && penumbra demo --out /opt/penumbra/demo

FROM python:3.11-slim
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PENUMBRA_HOST=0.0.0.0 PENUMBRA_PORT=8000
RUN useradd --uid 10001 --no-create-home --home-dir /artifacts --shell /usr/sbin/nologin penumbra \
    && install --directory --owner=penumbra --group=penumbra /artifacts
COPY --from=dependencies /opt/venv /opt/venv
RUN --mount=from=package,source=/wheels,target=/wheels pip install --no-cache-dir --no-deps /wheels/*.whl
COPY --from=package /opt/penumbra/demo/gallery /opt/penumbra/demo/gallery
USER 10001:10001
WORKDIR /artifacts
VOLUME /artifacts
EXPOSE 8000
# Without a proxy, whatever the environment names: it asks the server in this container.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", "\
import os; from urllib.request import ProxyHandler, build_opener; \
build_opener(ProxyHandler({})).open('http://127.0.0.1:' + os.environ['PENUMBRA_PORT'] + '/readyz', timeout=4)"]
ENTRYPOINT ["penumbra"]
CMD ["serve", "/opt/penumbra/demo/gallery"]
