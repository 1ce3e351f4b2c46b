# One image for all: code server, webserver, daemon, workers, `influx-lake serve`. docs/deploy.md says how each is started.
#   docker build --tag influx-lake .

FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends binutils python3 python3-venv
WORKDIR /build
COPY requirements-build.lock ./
RUN python3 -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes --requirement requirements-build.lock
COPY requirements-image.lock ./
# DuckDB reads tables by these, for `influx-lake sql`; runs do without them, which is 80 MB less.
# With them: docker build --build-arg LEAVE_OUT= .
ARG LEAVE_OUT="duckdb-extension-avro duckdb-extension-httpfs duckdb-extension-iceberg"
RUN python3 -m venv --without-pip /opt/influx_lake && export VIRTUAL_ENV=/opt/influx_lake \
 && /opt/build/bin/uv pip sync --no-cache --require-hashes requirements-image.lock \
 && if [ -n "$LEAVE_OUT" ]; then /opt/build/bin/uv pip uninstall $LEAVE_OUT; fi
# What only debuggers, compilers and the packages' own tests need. OpenBLAS does not survive it.
RUN cd /opt/influx_lake/lib/python3.11/site-packages \
 && find . -type d -name tests -prune -exec rm -r {} + \
 && find . \( -name '*.so' -o -name '*.so.*' \) -type f ! -path './numpy.libs/*' -exec strip --strip-unneeded {} + \
 && find . -path '*/webapp/*' -name '*.map' -delete \
 && rm -r pyarrow/include
COPY pyproject.toml README.md LICENSE ./
COPY influx_lake ./influx_lake
RUN /opt/build/bin/python -m hatchling build --target wheel \
 && VIRTUAL_ENV=/opt/influx_lake /opt/build/bin/uv pip install --no-cache --no-deps dist/*.whl
# Compiles what is used, and nothing else: it makes half of the bytecode that all would.
RUN cd /tmp && export PATH=/opt/influx_lake/bin:$PATH DAGSTER_HOME=/tmp \
 && printf 'sources: {default: {host: "http://127.0.0.1:9", database: a}}\nmeasurements: {cpu: {}}\n' > lake.yaml \
 && dagster definitions validate --module-name influx_lake.definitions \
 && python3 -c 'import dagster_webserver.cli, dagster._daemon.cli, dagster_celery.app, influx_lake.serve.server'

FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates python3 \
 && rm -r /var/lib/apt/lists/* \
 && groupadd --gid 1000 lake && useradd --uid 1000 --gid lake --home-dir /lake --no-create-home lake \
 && install --directory --owner lake --group lake --mode 700 /lake /lake/.lake /dagster
COPY --from=build /opt/influx_lake /opt/influx_lake
ENV PATH=/opt/influx_lake/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DAGSTER_HOME=/dagster \
    INFLUX_LAKE_CONFIG=/lake/lake.yaml
USER lake
WORKDIR /lake
EXPOSE 4000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
  CMD ["dagster", "api", "grpc-health-check", "--port", "4000"]
CMD ["dagster", "api", "grpc", "--host", "0.0.0.0", "--port", "4000", "--module-name", "influx_lake.definitions"]
