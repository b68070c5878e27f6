# One image for all services of Headcount; docker-compose.yml says which one a container runs.
#   docker build .                        CPU
#   docker build --build-arg GPU=1 .      with CUDA, for the profile `gpu`
FROM python:3.11-slim-bookworm

ARG GPU=""
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
# PyTorch first and alone: it is by far the largest layer and changes the least
RUN torch="$(sed -n 's/.*"\(torch==[0-9.]*\)".*/\1/p' pyproject.toml)" \
 && if [ -n "$GPU" ]; then pip install "$torch"; \
    else pip install --index-url https://download.pytorch.org/whl/cpu "$torch"; fi
# Then what else is needed, so that a change of the code installs nothing again
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\\n')" > /tmp/requirements.txt \
 && pip install -r /tmp/requirements.txt

COPY . .
RUN pip install --no-deps -e . \
 && useradd --system --uid 10001 --home-dir /data headcount \
 && mkdir /data /site && chown headcount /data

USER headcount
ENV HOME=/data \
    HEADCOUNT_HISTORY_URL=sqlite:////data/history.db \
    HEADCOUNT_EVIDENCE_DIR=/data/evidence
VOLUME /data
ENTRYPOINT ["headcount"]
CMD ["--help"]
