"""A real Kafka broker for tests: private, in memory's smallest, and gone afterwards, whatever happens.

    with Kafka() as kafka:
        kafka.uri("shop")                          # kafka://127.0.0.1:40001/shop
        kafka.records("shop.public.t")             # what a consumer reads that sees committed records only
"""

import base64
import contextlib
import dataclasses
import glob
import json
import os
import signal
import subprocess
import uuid

import confluent_kafka
from confluent_kafka import admin

from daemon import Daemon
from postgres import clean_environment, free_port, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
JARS = os.path.realpath(os.path.join(ROOT, ".deps", "kafka"))
ARCHIVE = os.path.join(JARS, "classes.jsa")  # of loaded classes: a start takes half the time; main() makes it
JVM = (
    "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",  # which is a file in /tmp
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)  # fmt: skip
PASSWORD = "guess&me"
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,"
                                      "SSL:SSL,MUTUAL:SSL,SASL_SSL:SASL_SSL",
    "sasl.enabled.mechanisms": "PLAIN",
    "listener.name.sasl_plaintext.plain.sasl.jaas.config":
        f'org.apache.kafka.common.security.plain.PlainLoginModule required user_walrow="{PASSWORD}";',
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 1,
    "group.initial.rebalance.delay.ms": 0,
    "auto.create.topics.enable": "true",
    "log.cleaner.dedupe.buffer.size": 8388608,
    "log.message.timestamp.after.max.ms": 2**63 - 1,  # the campaign's clock jumps
    "broker.session.timeout.ms": 3000,  # after a kill -9 the controller waits as long for the one that was
    "broker.heartbeat.interval.ms": 500,
}


@dataclasses.dataclass
class Record:
    """One message; key and value as JSON where they are."""

    topic: str
    partition: int
    offset: int
    key_bytes: bytes
    bytes: bytes

    @property
    def key(self):
        return None if self.key_bytes is None else json.loads(self.key_bytes)

    @property
    def value(self):
        return None if self.bytes is None else json.loads(self.bytes)


class Kafka(Daemon):
    """One broker, in a folder of its own; at guarded_address it wants to know who asks: walrow, with PASSWORD."""

    what = "kafka"
    listeners = ("PLAINTEXT", "SASL_PLAINTEXT")
    formatting = ()  # more words for the tool that makes the data's folder

    def __init__(self):
        super().__init__()
        self.ports = {name: free_port() for name in (*self.listeners, "CONTROLLER")}
        self.admin = admin.AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        try:
            with open(self._file, "w", encoding="ascii") as file:
                file.writelines(f"{name}={value}\n" for name, value in self.settings().items())
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
            # an id may begin with "-"
            words = ["format", f"--cluster-id={cluster}", "-c", self._file, *self.formatting]
            subprocess.run(self._java("kafka.tools.StorageTool", *words), env=clean_environment(), check=True,
                           capture_output=True)  # fmt: skip
            self.start()
        except BaseException:
            self.close()
            raise

    def settings(self):
        open_to_all = ",".join(f"{name}://{self.address_of(name)}" for name in self.listeners)
        return SETTINGS | {
            "log.dirs": os.path.join(self.folder, "data"),
            "listeners": f"{open_to_all},CONTROLLER://{self.address_of('CONTROLLER')}",
            "advertised.listeners": open_to_all,
            "controller.quorum.voters": f"1@{self.address_of('CONTROLLER')}",
        }

    # -- life and death --

    @property
    def _file(self):
        return os.path.join(self.folder, "server.properties")

    @staticmethod
    def _java(*words):
        jars = sorted(glob.glob(os.path.join(JARS, "*.jar")))
        assert jars, "no Kafka in .deps: scripts/bootstrap e2e"
        archive = [f"-XX:SharedArchiveFile={ARCHIVE}"] if os.path.exists(ARCHIVE) else []
        return ["java", *JVM, *archive, "-cp", ":".join(jars), *words]

    def start(self, *options):
        self.run(*self._java(*options, "kafka.Kafka", self._file))
        wait_until(self._answers, timeout_s=120, what="the broker to answer")

    def _answers(self):
        self.check_alive()
        with contextlib.suppress(confluent_kafka.KafkaException):
            return len(self.admin.list_topics(timeout=1).brokers) == 1

    def stop(self):
        """In order; a broker that is down already is fine."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    # -- talking to it --

    def address_of(self, listener):
        return f"127.0.0.1:{self.ports[listener]}"

    @property
    def address(self):
        return self.address_of("PLAINTEXT")

    @property
    def guarded_address(self):
        return self.address_of("SASL_PLAINTEXT")

    def uri(self, prefix, params=""):
        return f"kafka://{self.address}/{prefix}{params}"

    def topics(self, prefix=""):
        return sorted(name for name in self.admin.list_topics(timeout=30).topics if name.startswith(prefix))

    def create_topic(self, name, partitions=1, **config):
        config = {key.replace("_", "."): str(value) for key, value in config.items()}
        new = admin.NewTopic(name, num_partitions=partitions, replication_factor=1, config=config)
        self.admin.create_topics([new])[name].result(30)
        wait_until(lambda: name in self.topics(), what=f"topic {name}")

    def configure_topic(self, name, **config):
        entries = [
            admin.ConfigEntry(key.replace("_", "."), str(value),
                              incremental_operation=admin.AlterConfigOpType.SET) for key, value in config.items()
        ]  # fmt: skip
        resource = admin.ConfigResource("topic", name, incremental_configs=entries)
        self.admin.incremental_alter_configs([resource])[resource].result(30)

    def topic_config(self, name, key):
        resource = admin.ConfigResource("topic", name)
        return self.admin.describe_configs([resource])[resource].result(30)[key].value

    def settle(self, prefix):
        """Wait until what was committed or aborted is so in every partition: that takes a moment after the commit."""

        def ends(isolation):
            topics = self.admin.list_topics(timeout=30).topics.values()
            latest = {
                confluent_kafka.TopicPartition(topic.topic, number): admin.OffsetSpec.latest()
                for topic in topics if topic.topic.startswith(f"{prefix}.") for number in topic.partitions
            }  # fmt: skip
            found = self.admin.list_offsets(latest, isolation_level=isolation) if latest else {}
            return {(part.topic, part.partition): future.result(30).offset for part, future in found.items()}

        levels = (confluent_kafka.IsolationLevel.READ_COMMITTED, confluent_kafka.IsolationLevel.READ_UNCOMMITTED)
        wait_until(lambda: len({frozenset(ends(level).items()) for level in levels}) == 1, what="settled transactions")

    def records(self, topic, isolation="read_committed"):
        """All of a topic, up to its end now: by partition, then offset. Missing topics are empty."""
        if topic not in self.topics():
            return []
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": self.address, "group.id": "test", "isolation.level": isolation,
             "enable.auto.commit": False, "enable.partition.eof": True, "fetch.wait.max.ms": 10, "log_level": 0}
        )  # fmt: skip
        try:
            partitions = consumer.list_topics(topic, 30).topics[topic].partitions
            consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in partitions])
            return sorted(self._read(consumer, set(partitions)), key=lambda r: (r.partition, r.offset))
        finally:
            consumer.close()

    @staticmethod
    def _read(consumer, open_partitions):
        while open_partitions:
            message = consumer.poll(30)
            assert message is not None, "the broker sends nothing"
            if message.error() is None:
                yield Record(message.topic(), message.partition(), message.offset(), message.key(), message.value())
            elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                open_partitions.discard(message.partition())
            else:
                raise confluent_kafka.KafkaException(message.error())


def main():
    """Make the archive of classes, in scripts/bootstrap."""
    with Kafka() as kafka:
        kafka.stop()
        kafka.start(f"-XX:ArchiveClassesAtExit={ARCHIVE}.new")
        kafka.stop()
    os.rename(f"{ARCHIVE}.new", ARCHIVE)


if __name__ == "__main__":
    main()
