# semid with what its workflow needs, in the versions that are tested together. From a checkout:
#   docker build --tag semid .
# In the folder that has your files; what is made belongs to you:
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" semid run catalogue.yaml
# As the image of `--sdm apptainer`: docs/reference/workflow.md
FROM python:3.11-slim-bookworm AS wheel
WORKDIR /source
COPY requirements.txt ./
RUN python -m pip install --no-cache-dir --constraint requirements.txt hatchling
COPY . ./
RUN python -m hatchling build -t wheel -d /dist

FROM python:3.11-slim-bookworm
# an index with the wheels of torch that you want, such as the ones without GPU libraries, a tenth of the size
ARG PIP_EXTRA_INDEX_URL=""
COPY --from=wheel /source/requirements.txt /dist/ /dist/
RUN python -m pip install --no-cache-dir --constraint /dist/requirements.txt \
        "semid[workflow,text,bundled,faiss,fast,hub,report,remote] @ file://$(echo /dist/semid-*.whl)" \
    && semid --version
# any user may use this home, so that `docker run --user` finds a place for caches
RUN useradd --create-home --uid 1000 semid && mkdir /work && chown semid /work && chmod 1777 /home/semid
ENV HOME=/home/semid USER=semid
USER 1000
WORKDIR /work
ENTRYPOINT ["semid"]
CMD ["--help"]
