# One image for every role: `docker build -t flexmeter .`; the arguments are those of `flexmeter`.

FROM python:3.11-slim AS build
# DTLSSocket, for CoAP within DTLS, is compiled. Versions are those of the base image's Debian.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends autoconf automake gcc libc6-dev libtool m4 make pkg-config \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/flexmeter
ENV PATH=/opt/flexmeter/bin:$PATH
WORKDIR /src
COPY requirements.lock requirements-dev.lock ./
RUN pip install --no-cache-dir -r requirements.lock "$(grep '^DTLSSocket==' requirements-dev.lock)"
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation .
# The inner loops are compiled now, not for 15 s in each new pod. For any CPU of the architecture, since numba discards
# what was compiled for another one, and the loops are no slower for it. Not in /src: numba keeps them by the path of
# their source, which is that of the installed package.
ENV NUMBA_CPU_NAME=generic NUMBA_CACHE_DIR=/var/cache/flexmeter
WORKDIR /
RUN python -m streams.warm_up

FROM python:3.11-slim
COPY --from=build /opt/flexmeter /opt/flexmeter
# numba takes what it compiled earlier only from a folder that it may write to. Under a read-only root file system that
# is a volume, into which the pod copies this folder first (k8s/components/pod/pod.yaml).
COPY --from=build --chown=10001:10001 /var/cache/flexmeter /var/cache/flexmeter
ENV PATH=/opt/flexmeter/bin:$PATH \
    NUMBA_CPU_NAME=generic \
    NUMBA_CACHE_DIR=/var/cache/flexmeter \
    PYTHONUNBUFFERED=1
# A number, by which Kubernetes can tell that it is not root.
USER 10001:10001
ENTRYPOINT ["flexmeter"]
