"""Prometheus metrics, served at `/metrics` when the setting is on. See docs/metrics.md."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

WRITER_BATCH = Histogram(
    "threadline_writer_batch_functions", "Functions committed together", buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500)
)
WRITER_SECONDS = Histogram(
    "threadline_writer_batch_seconds",
    "Time from BEGIN to COMMIT of one batch",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5),
)
SOCKETS = Gauge("threadline_sockets", "Open sockets and long-polls", ["who"])
ACK_SECONDS = Histogram(
    "threadline_ack_seconds",
    "Time from a visitor's message to its acknowledgement",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
REFUSALS = Counter("threadline_refusals_total", "Requests and frames refused", ["code"])
EVICTIONS = Counter("threadline_evictions_total", "Sockets closed by the server", ["code"])
HTTP = Histogram(
    "threadline_http_seconds",
    "Time of one request by route",
    ["route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
BUS_PUBLISH_FAILED = Counter("threadline_bus_publish_failed_total", "Bus messages that Redis did not accept")
BUS_GAPS = Counter(
    "threadline_bus_gaps_total", "Times the bus connection was lost and all watched topics were published again"
)
SMS_SENT = Counter("threadline_sms_total", "Outgoing texts by final state", ["state"])
OUTBOUND = Counter("threadline_outbound_total", "Outgoing messages by final state", ["channel", "lane", "state"])
SMS_REPORTS = Counter("threadline_sms_reports_total", "Status reports of the carrier", ["match"])
SMS_TWICE = Counter("threadline_sms_twice_total", "Texts for which the carrier named two messages; must stay 0")
SMS_SECONDS = Histogram(
    "threadline_sms_request_seconds",
    "Time of one request to the carrier",
    ["outcome"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
)
MAIL_SECONDS = Histogram(
    "threadline_mail_seconds",
    "Time to hand one mail to the mail server",
    ["outcome"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60),
)
LOG_DROPPED = Counter("threadline_log_dropped_total", "Log lines that could not be written")
JOBS_RUN = Counter("threadline_jobs_total", "Jobs run", ["kind", "outcome"])
LINK_CLICKS = Counter("threadline_link_clicks_total", "Short links followed", ["who"])
LINK_CLICKS_LOST = Counter("threadline_link_clicks_lost_total", "Clicks that were given up uncounted")
LINK_CLICKS_WAITING = Gauge("threadline_link_clicks_waiting", "Clicks that are not written yet")

# Set at each request of /metrics (operations/metrics_http.py).
JOBS_DEAD = Gauge("threadline_jobs_dead", "Jobs that gave up and wait for a person")
SMS_WAITING = Gauge(
    "threadline_sms_waiting", "Texts that wait to be sent, are being sent, or whose outcome is unknown", ["state"]
)
OUTBOUND_WAITING = Gauge("threadline_outbound_waiting", "Messages that wait to be sent", ["channel", "lane"])
OUTBOUND_LATE_SECONDS = Gauge(
    "threadline_outbound_late_seconds", "How long the oldest due message has been waiting", ["channel", "lane"]
)
JOBS_LATE_SECONDS = Gauge("threadline_jobs_late_seconds", "How long the oldest due job has been waiting")
WRITER_WAITING = Gauge("threadline_writer_waiting", "Writes that wait for the database")
BUS_CONNECTED = Gauge("threadline_bus_connected", "1 while the other processes are reached (always 1 without Redis)")
DATABASE_BYTES = Gauge("threadline_database_bytes", "Size of the SQLite file and of the log beside it", ["file"])
DISK_FREE_BYTES = Gauge("threadline_disk_free_bytes", "Space left where the data folder is")
RESERVE_SPENT = Gauge("threadline_reserve_spent", "1 while the disk is full and the emergency reserve is given up")
