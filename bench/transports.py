"""The same changes pushed, pulled by SQL's function, and pulled by wal2arrow's procedure; raw pgoutput beside them."""

from clients import Raw, Walrow
from plugin import create_extension


class Pulled(Walrow):
    """walrow stream --transport pull. by: "function" or "procedure", which it takes where the extension is there."""

    def __init__(self, server, plugin, folder, by):
        super().__init__(server, plugin, folder, "null", name=f"walrow, {plugin}, pulled by {by}", transport="pull")
        self.by = by

    def prepare(self):
        super().prepare()
        self.server.sql("DROP SCHEMA IF EXISTS wal2arrow CASCADE")
        if self.by == "procedure":
            create_extension(self.server)


def transport_readers(server, folder):
    readers = [Raw(server, "pgoutput")]
    for plugin in ("pgoutput", "wal2arrow"):
        readers.append(Walrow(server, plugin, folder, "null", name=f"walrow, {plugin}, pushed"))
        readers += [Pulled(server, plugin, folder, by) for by in ("function", "procedure")]
    return readers
