"""kafka://… through TLS, with certificates and passwords: whom a real broker lets in, and what is said where it does not."""

import ctypes
import itertools
import os
import re
import shutil
import urllib.parse

import pytest

from broker import PASSWORD
from broker_tls import Authority, TlsKafka
from conftest import ROOT

TABLE = "CREATE TABLE t (id int PRIMARY KEY)"
ROWS = "INSERT INTO t SELECT generate_series({}, {})"
QUICK, FOREVER = "timeout_s=2", "timeout_s=600"
OTHER_PROTOCOL = "does security.protocol= say what that port speaks"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def kafka():
    with TlsKafka() as kafka:
        yield kafka


@pytest.fixture
def tls(kafka):
    return {"security.protocol": "SSL", "ssl.ca.location": kafka.authority.certificate}


@pytest.fixture
def login(tls):
    return tls | {
        "security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "walrow", "sasl.password": PASSWORD,
    }  # fmt: skip


class Caller:
    """A job with topics of its own, which reaches the broker by one of its addresses."""

    def __init__(self, job, kafka):
        self.job, self.kafka, self.prefix = job, kafka, f"p{next(_numbers)}"
        job.db.sql(TABLE)
        job.db.sql(ROWS.format(1, 10))

    def uri(self, address, settings, *more):
        """address: a listener's name, or host:port"""
        address = address if ":" in address else self.kafka.address_of(address)
        words = [f"{name}={urllib.parse.quote(value, safe='/')}" for name, value in settings.items()]
        return f"kafka://{address}/{self.prefix}?" + "&".join([*words, *more])

    def run(self, address, settings):
        self.job.snapshot(to=[self.uri(address, settings)])

    def fails(self, address, settings, patience=QUICK):
        """What is said of it, to whom wants to know everything: once, for it is not tried again."""
        failed = self.job.snapshot("--log-level", "debug", to=[self.uri(address, settings, patience)], code=9)
        assert "trying again" not in failed.err
        return failed.out + failed.err

    def ids(self):
        self.kafka.settle(self.prefix)
        return [record.value["data"]["id"] for record in self.kafka.records(f"{self.prefix}.public.t")]

    def arrives_exactly_once(self, address, settings):
        self.run(address, settings)
        self.job.db.sql(ROWS.format(11, 20))
        self.run(address, settings)
        return self.ids() == list(range(1, 21))


@pytest.fixture
def caller(job, kafka):
    return Caller(job, kafka)


# ---- let in ---------------------------------------------------------------------------------------------------


def test_rows_arrive_through_tls(caller, tls):
    assert caller.arrives_exactly_once("SSL", tls)


def test_rows_arrive_where_a_certificate_is_asked_for(caller, tls, kafka):
    assert caller.arrives_exactly_once(
        "MUTUAL", tls | {"ssl.certificate.location": kafka.client, "ssl.key.location": kafka.client}
    )


def test_rows_arrive_with_a_password_through_tls(caller, login):
    assert caller.arrives_exactly_once("SASL_SSL", login)


def test_scram_takes_a_newer_librdkafka_than_debians(caller, login):
    login["sasl.mechanism"] = "SCRAM-SHA-256"
    if ctypes.CDLL("librdkafka.so.1").rd_kafka_version() >= 0x020601FF:
        assert caller.arrives_exactly_once("SASL_SSL", login)
    else:
        assert "Kafka 4 takes SCRAM from librdkafka 2.6.1 on" in caller.fails("SASL_SSL", login)


def test_the_lines_of_the_manual(caller, kafka):
    with open(os.path.join(ROOT, "docs", "sinks.md"), encoding="utf-8") as manual:
        lines = manual.read().partition("**TLS and passwords.**")[2]
    settings, to = re.search(r"```ini\n(.*?)```.*?--to '(.*?)'", lines, re.DOTALL).groups()
    folder = caller.job.walrow.folder  # where it runs
    shutil.copy(kafka.authority.certificate, os.path.join(folder, "ca.pem"))
    with open(os.path.join(folder, "kafka.conf"), "w", encoding="utf-8") as file:
        file.write(settings)
    assert "kafka://broker1:9093/shop" in to
    to = to.replace("broker1:9093", kafka.address_of("SASL_SSL")).replace("/shop", f"/{caller.prefix}")
    caller.job.snapshot(to=[to])
    assert caller.ids() == list(range(1, 11))


def test_brokers_behind_a_proxy_that_hangs_up_are_waited_for(db, caller, login, kafka):
    """It sounds like a port that speaks something else; but once a broker has answered, it is not that."""
    run = caller.job.start("--ack-interval", "100", to=[caller.uri(kafka.proxied_address, login, QUICK)], snapshot="initial")
    run.wait_for(lambda: caller.ids() == list(range(1, 11)), what="the first rows")
    kafka.proxy.refuse()
    try:
        db.sql(ROWS.format(11, 20))
        run.wait_for(lambda: run.err.count("trying again") >= 2, timeout=120, what="a new start, and its end")
    finally:
        kafka.proxy.heal()
    run.wait_for(lambda: len(caller.ids()) >= 20, timeout=120, what="the rest of the rows")
    assert run.stop().code == 0
    assert caller.ids() == list(range(1, 21))


# ---- not let in -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["uri", "file"])
def test_a_wrong_password_is_said_and_not_shown(caller, login, tmp_path, where):
    login["sasl.password"] = "Tr0ub4dor&3"
    settings = login
    if where == "file":
        secret = tmp_path / "kafka.conf"
        secret.write_text("".join(f"{name}={value}\n" for name, value in login.items()))
        settings = {"config": str(secret)}
    said = caller.fails("SASL_SSL", settings, FOREVER)
    assert "Authentication failed" in said and "sasl.username= and sasl.password=" in said
    job, sink = caller.job, caller.uri("SASL_SSL", settings)
    job.setup()
    job.walrow("sinks", "add", sink, "-S", job.slot, code=0)
    known = job.walrow("sinks", "list", "-S", job.slot, code=0).out
    status = job.walrow(*job.arguments("status"), "--to", sink, code=0).out
    assert caller.prefix in known and caller.prefix in status
    assert not any("Tr0ub4dor" in text for text in (said, known, status))


def test_a_setting_that_is_misspelt_is_not_shown_either(caller, login):
    login["sasl.pasword"] = login.pop("sasl.password")
    failed = caller.job.snapshot(to=[caller.uri("SASL_SSL", login)], code=2)
    assert 'No such configuration property: "sasl.pasword"' in failed.err and "guess" not in failed.err


def test_a_certificate_of_nobody_known(caller, tls, tmp_path):
    tls["ssl.ca.location"] = Authority(str(tmp_path), "another").certificate
    said = caller.fails("SSL", tls, FOREVER)
    assert "certificate verify failed" in said and "hint: ssl.ca.location= names the certificate" in said


def test_a_certificate_of_another_host(caller, tls, kafka):
    said = caller.fails(f"localhost:{kafka.ports['SSL']}", tls, FOREVER)
    assert "certificate verify failed" in said and "for the host that the URI names" in said


def test_a_certificate_that_is_missing(caller, tls):
    said = caller.fails("MUTUAL", tls)
    assert "alert" in said and "ssl.certificate.location= and ssl.key.location=" in said


def test_a_file_that_is_missing(caller, tls):
    tls["ssl.ca.location"] = "/no/such/file"
    said = caller.fails("SSL", tls)
    assert "ssl.ca.location failed" in said and "the files they name" in said


@pytest.mark.parametrize(
    "listener, protocol",
    [("SSL", "PLAINTEXT"), ("SASL_SSL", "PLAINTEXT"), ("PLAINTEXT", "SSL"), ("SASL_SSL", "SSL"), ("SASL_PLAINTEXT", "PLAINTEXT")],
)
def test_a_port_that_speaks_something_else(caller, tls, listener, protocol):
    assert OTHER_PROTOCOL in caller.fails(listener, tls | {"security.protocol": protocol})
