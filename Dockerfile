# The image of all processes; docker-compose.yml has their commands.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/venv/bin:$PATH RUN_DIRECTORY=/run/exchange

# An account without rights, and the folders for keys, sockets and liveness files, which new volumes copy.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin exchange \
    && install --directory --owner exchange --mode 0700 /run/exchange /run/exchange/alive /run/exchange/keys /run/key \
    && for process in RANDOM_WALK GAUSS UNIFORM FLOOD RETAIL MARKET_MAKER \
        AVELLANEDA_STOIKOV INFORMED ZERO_INTELLIGENCE MOMENTUM RETAIL-2 NEWSROOM; do \
        install --directory --owner exchange --mode 0700 /run/exchange/keys/$process; done

WORKDIR /exchange
COPY requirements.txt ./
RUN python -m venv /opt/venv && pip install --no-cache-dir --require-hashes -r requirements.txt
COPY . ./
# Compiled now, because at run time the account may not write here.
RUN python -m compileall -q -j 0 .

USER exchange
