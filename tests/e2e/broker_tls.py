"""A real Kafka broker that is spoken to through TLS, with certificates of the tests' own.

    with TlsKafka() as kafka:
        kafka.address_of("SSL")                    # TLS; whoever believes kafka.authority may come
        kafka.address_of("MUTUAL")                 # who comes has a certificate of that authority, too: kafka.client
        kafka.address_of("SASL_SSL")               # who comes says a password: PASSWORD of walrow's
"""

import os
import subprocess

from broker import PASSWORD, Kafka
from proxy import Proxy

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
NAMES = "subjectAltName=IP:127.0.0.1"  # and not localhost


class Authority:
    """Makes certificates, in files of a folder."""

    def __init__(self, folder, name="authority"):
        self.folder, self.certificate, self._key = folder, os.path.join(folder, f"{name}.pem"), os.path.join(folder, f"{name}.key")
        self._request("-keyout", self._key, "-out", self.certificate, "-subj", f"/CN={name}")

    @staticmethod
    def _request(*words):
        subprocess.run(["openssl", "req", "-x509", *KEY, *words], check=True, capture_output=True)

    def certify(self, name):
        """A file with a key and its certificate."""
        path = os.path.join(self.folder, f"{name}.pem")
        self._request("-keyout", path, "-out", f"{path}.crt", "-subj", f"/CN={name}", "-CA", self.certificate,
                      "-CAkey", self._key, "-addext", NAMES, "-addext", "basicConstraints=critical,CA:false")  # fmt: skip
        with open(path, "a", encoding="ascii") as file, open(f"{path}.crt", encoding="ascii") as certificate:
            file.write(certificate.read())
        return path


class TlsKafka(Kafka):
    listeners = (*Kafka.listeners, "SSL", "MUTUAL", "SASL_SSL")
    formatting = ("--add-scram", f"SCRAM-SHA-256=[name=walrow,password={PASSWORD}]")

    @property
    def proxied_address(self):
        """SASL_SSL's as it is advertised: on the way there is a proxy."""
        return f"127.0.0.1:{self.proxy.port}"

    def settings(self):
        settings, guarded = super().settings(), self.address_of("SASL_SSL")
        self.proxy = Proxy(self.ports["SASL_SSL"])
        self.authority = Authority(self.folder)
        self.client = self.authority.certify("client")
        jaas = "listener.name.sasl_ssl.{}.sasl.jaas.config"
        module = "org.apache.kafka.common.security.{} required"
        return settings | {
            "advertised.listeners": settings["advertised.listeners"].replace(guarded, self.proxied_address),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.authority.certify("broker"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.authority.certificate,
            "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.sasl_ssl.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
            jaas.format("plain"): f'{module.format("plain.PlainLoginModule")} user_walrow="{PASSWORD}";',
            jaas.format("scram-sha-256"): f'{module.format("scram.ScramLoginModule")};',
        }
