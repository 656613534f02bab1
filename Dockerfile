# The gateway in front of any model: docker build -t adhere-gateway . && docker run -p 8100:8100 adhere-gateway
# Mount a policy and a charter: -v "$PWD/policy:/policy:ro" ... --policy /policy/policy.yaml
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE requirements-gateway.txt ./
COPY src ./src
RUN python -m venv /opt/adhere \
 && /opt/adhere/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-gateway.txt \
 && /opt/adhere/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps .

FROM python:3.13-slim
COPY --from=build /opt/adhere /opt/adhere
RUN useradd --system --create-home --home-dir /var/lib/adhere adhere
USER adhere
WORKDIR /var/lib/adhere
ENV PATH=/opt/adhere/bin:$PATH PYTHONUNBUFFERED=1
EXPOSE 8100
HEALTHCHECK --interval=30s --timeout=3s CMD \
  ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8100/healthz', timeout=2)"]
ENTRYPOINT ["adhere", "serve", "--host", "0.0.0.0"]
CMD ["--upstream", "http://host.docker.internal:8000/v1"]
