"""Figures for Prometheus. Names are stable; no label has a value per call."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from attrs import fields
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    UntypedMetricFamily,
)
from prometheus_client.registry import Collector

from api.counters import BUCKETS_S, HttpCounters
from orchestrator.app import Exchange
from orchestrator.model.identifiers import CompanyId
from orchestrator.model.registrations import Answering, Standing

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def render(exchange: Exchange, http: HttpCounters, company: CompanyId | None) -> bytes:
    """The page that Prometheus reads. With `company` only its own figures, none of the whole exchange."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(exchange, http, company))
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, exchange: Exchange, http: HttpCounters, company: CompanyId | None) -> None:
        self._exchange = exchange
        self._http = http
        self._company = company

    def collect(self) -> Iterator[Metric]:
        yield from _calls(self._exchange, self._company)
        if self._company is None:
            yield from _engine(self._exchange)
            yield from _health(self._exchange)
            yield from _http(self._http)


def _engine(exchange: Exchange) -> Iterator[Metric]:
    listeners = GaugeMetricFamily("tandem_sip_listeners", "Where SIP is taken", labels=["transport"])
    for transport, count in sorted(Counter(at.split(":")[0] for at in exchange.listening()).items()):
        listeners.add_metric([transport], count)
    yield listeners
    for name, value in sorted(exchange.engine_counters().items()):
        metric = UntypedMetricFamily(f"tandem_{name}", "Of the native engine")
        metric.add_metric([], value)
        yield metric


def _calls(exchange: Exchange, only: CompanyId | None) -> Iterator[Metric]:
    now = GaugeMetricFamily("tandem_calls", "Calls that go on", labels=["company"])
    seq = CounterMetricFamily("tandem_journal_entries", "Entries of the journal", labels=["company"])
    today = GaugeMetricFamily("tandem_calls_today", "Calls of the local day", labels=["company", "outcome"])
    online = GaugeMetricFamily(
        "tandem_registrations", "Places where devices are registered", labels=["company"]
    )
    trunks = GaugeMetricFamily(
        "tandem_trunk_registered", "1 if we are registered there", labels=["company", "trunk"]
    )
    servers = GaugeMetricFamily(
        "tandem_trunk_servers_down", "Servers of the trunk that give no answer", labels=["company", "trunk"]
    )
    for company in exchange.companies():
        if only not in (None, company.id):
            continue
        counters = exchange.counters(company.id)
        now.add_metric([company.id], counters.calls_now)
        seq.add_metric([company.id], exchange.last_seq(company.id))
        online.add_metric([company.id], len(exchange.registrations(company.id)))
        for outcome in ("offered", "answered", "missed", "refused", "announced"):
            today.add_metric([company.id, outcome], getattr(counters.total, outcome))
        for state in exchange.trunk_states(company.id):
            if state.state in (Standing.REGISTERING, Standing.REGISTERED, Standing.REFUSED):
                trunks.add_metric([company.id, state.trunk], int(state.state is Standing.REGISTERED))
            down = sum(one.state is Answering.DOWN for one in state.servers)
            servers.add_metric([company.id, state.trunk], down)
    yield from (now, seq, today, online, trunks, servers)


def _health(exchange: Exchange) -> Iterator[Metric]:
    health = exchange.health()
    ok = GaugeMetricFamily("tandem_healthy", "1 if the part works", labels=["part"])
    for part in ("engine", "journal", "store", "certificate", "folds"):
        ok.add_metric([part], int(getattr(health, part).ok))
    yield ok
    if certificate := exchange.certificate():
        yield GaugeMetricFamily(
            "tandem_tls_certificate_end_seconds",
            "When the certificate of SIP over TLS ends, since 1970",
            certificate.ends_at.timestamp(),
        )
    yield GaugeMetricFamily(
        "tandem_loop_lag_seconds", "How late the event loop woke last", exchange.loop_lag_s
    )


def _http(http: HttpCounters) -> Iterator[Metric]:
    levels = {"connections_open", "streams_open"}
    for attribute in fields(HttpCounters):
        value = getattr(http, attribute.name)
        if isinstance(value, int):
            kind = GaugeMetricFamily if attribute.name in levels else CounterMetricFamily
            yield kind(f"tandem_http_{attribute.name}", "Of the web server", value)
    requests = CounterMetricFamily("tandem_http_requests", "Answered", labels=["method", "route", "status"])
    for (method, route, status), count in http.requests.items():
        requests.add_metric([method, route, str(status)], count)
    yield requests
    total, buckets = 0, []
    for limit, count in zip((*BUCKETS_S, "+Inf"), http.buckets, strict=True):
        total += count
        buckets.append((str(limit), total))
    seconds = HistogramMetricFamily("tandem_http_request_seconds", "Time to answer, streams included")
    seconds.add_metric([], buckets, http.seconds_sum)
    yield seconds
