"""Messages of the streaming protocol, one by one as libpq hands them out: pushed by a walsender or sent by the procedure.

    with Client(db.dsn()) as client:
        client.start(call("slot", proto_version="1"))
        client.read()      # a message, None at the end
        client.end()       # the SQLSTATE that ended it; None: it is complete
"""

import struct

from psycopg import OperationalError, pq, sql

HEADER = 25  # of XLogData


class Client:
    def __init__(self, dsn):
        self.pgconn = pq.PGconn.connect(dsn.encode())
        self.copying = False
        assert self.pgconn.status == pq.ConnStatus.OK, self.pgconn.error_message

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pgconn.finish()

    @property
    def pid(self):
        return self.pgconn.backend_pid

    def execute(self, command):
        """One that sends no rows: its SQLSTATE, None for success."""
        return self._sqlstate(self.pgconn.exec_(command.encode()))

    def start(self, command, *parameters):
        if parameters:
            result = self.pgconn.exec_params(command.encode(), [parameter.encode() for parameter in parameters])
        else:
            result = self.pgconn.exec_(command.encode())
        assert result.status in (pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH), result.error_message
        self.copying = True

    def read(self):
        size, message = self.pgconn.get_copy_data(0) if self.copying else (-1, None)
        self.copying = size > 0
        return bytes(message) if self.copying else None

    def end(self):
        """Read what there still is; the SQLSTATE that ended it, "lost" for the connection, None for success."""
        try:
            while self.read() is not None:
                pass
        except OperationalError:
            return "lost"
        states = []
        while self.pgconn.status == pq.ConnStatus.OK and (result := self.pgconn.get_result()) is not None:
            states.append(self._sqlstate(result))
        return next(filter(None, states), None)

    @staticmethod
    def _sqlstate(result):
        if result.status != pq.ExecStatus.FATAL_ERROR:
            return None
        state = result.error_field(pq.DiagnosticField.SQLSTATE)
        return state.decode() if state else "lost"


def call(slot, upto_lsn=None, **options):
    """The statement. A named option may be given as confirm="on", publication_names="p"."""
    words = [word for option in options.items() for word in option]
    statement = sql.SQL("CALL wal2arrow.stream({}, {}, VARIADIC {}::text[])")
    return statement.format(slot, upto_lsn, sql.Literal(words)).as_string()


def is_data(message):
    return message[:1] == b"w"


def position(message):
    """Of a keepalive."""
    kind, lsn, _, reply = struct.unpack(">cQQB", message)
    assert (kind, reply) == (b"k", 0)
    return lsn


def without_time(message):
    return message[:17] + message[HEADER:]


def pulled(database, slot, upto_lsn=None, **options):
    """(messages, position) of a CALL that succeeds."""
    with Client(database.dsn()) as client:
        return pulled_by(client, slot, upto_lsn, **options)


def pulled_by(client, slot, upto_lsn=None, **options):
    client.start(call(slot, upto_lsn, **options))
    messages = list(iter(client.read, None))
    assert client.end() is None
    *rest, last = messages
    return [message for message in rest if is_data(message)], position(last)


def pushed(database, slot, upto_lsn, **options):
    """What a walsender sends of the same slot, until it says that it is there."""
    words = ", ".join(f"\"{name}\" '{value}'" for name, value in options.items())
    messages = []
    with Client(database.dsn(replication="database")) as client:
        client.start(f'START_REPLICATION SLOT "{slot}" LOGICAL 0/0 ({words})')
        while True:
            message = client.read()
            if is_data(message):
                messages.append(message)
            elif struct.unpack_from(">Q", message, 1)[0] >= upto_lsn:
                return messages
