import io.debezium.embedded.Connect;
import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.DebeziumEngine.RecordCommitter;
import io.debezium.engine.format.ChangeEventFormat;
import io.debezium.engine.format.Json;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;

/**
 * Debezium's engine: Peer HOST PORT SLOT ROWS [FILE]. Reads so many rows, as Connect's records or (into FILE) as JSON
 * lines, and prints their number and the seconds from the first to the last.
 */
public class Peer {
    private final long wanted;
    private long rows;
    private long firstNanos;

    private Peer(long wanted) {
        this.wanted = wanted;
    }

    public static void main(String[] arguments) throws IOException {
        if (arguments.length < 4) {
            throw new IllegalArgumentException("usage: Peer HOST PORT SLOT ROWS [FILE]");
        }
        Properties settings = settings(arguments[0], arguments[1], arguments[2]);
        Peer peer = new Peer(Long.parseLong(arguments[3]));
        DebeziumEngine<?> engine = arguments.length > 4
                ? peer.lines(settings, Files.newBufferedWriter(Path.of(arguments[4])))
                : peer.records(settings);
        engine.run();
        System.exit(1); // it ended before all had come
    }

    private DebeziumEngine<?> records(Properties settings) {
        return DebeziumEngine.create(ChangeEventFormat.of(Connect.class)).using(settings).using(Peer::complain)
                .notifying((batch, committer) -> {
                    begin();
                    confirm(batch, committer);
                    rows += batch.size();
                    finishIfDone(null);
                }).build();
    }

    private DebeziumEngine<?> lines(Properties settings, BufferedWriter out) {
        return DebeziumEngine.create(Json.class).using(settings).using(Peer::complain)
                .notifying((batch, committer) -> {
                    begin();
                    write(batch, out);
                    confirm(batch, committer);
                    rows += batch.size();
                    finishIfDone(out);
                }).build();
    }

    private static void write(List<ChangeEvent<String, String>> batch, BufferedWriter out) {
        try {
            for (ChangeEvent<String, String> event : batch) {
                out.write(event.value());
                out.write('\n');
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static <R> void confirm(List<R> batch, RecordCommitter<R> committer) throws InterruptedException {
        for (R event : batch) {
            committer.markProcessed(event);
        }
        committer.markBatchFinished();
    }

    private void begin() {
        if (firstNanos == 0) {
            firstNanos = System.nanoTime();
        }
    }

    /** Without the engine's orderly end, which would count against it. */
    private void finishIfDone(BufferedWriter out) {
        if (rows < wanted) {
            return;
        }
        try {
            if (out != null) {
                out.close();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        System.out.printf("%d %.6f%n", rows, (System.nanoTime() - firstNanos) / 1e9);
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    private static void complain(boolean success, String message, Throwable error) {
        if (!success) {
            System.err.println(message);
            if (error != null) {
                error.printStackTrace();
            }
        }
    }

    private static Properties settings(String host, String port, String slot) {
        Properties settings = new Properties();
        settings.setProperty("name", "peer");
        settings.setProperty("connector.class", "io.debezium.connector.postgresql.PostgresConnector");
        settings.setProperty("offset.storage", "org.apache.kafka.connect.storage.MemoryOffsetBackingStore");
        settings.setProperty("topic.prefix", "bench");
        settings.setProperty("database.hostname", host);
        settings.setProperty("database.port", port);
        settings.setProperty("database.user", "postgres");
        settings.setProperty("database.password", "unused");
        settings.setProperty("database.dbname", "postgres");
        settings.setProperty("plugin.name", "pgoutput");
        settings.setProperty("slot.name", slot);
        settings.setProperty("publication.name", "bench");
        settings.setProperty("publication.autocreate.mode", "disabled");
        settings.setProperty("snapshot.mode", "no_data");
        settings.setProperty("converter.schemas.enable", "false");
        // for throughput, as its documentation has it: larger queue and batches, and no wait for them
        settings.setProperty("max.queue.size", "32768");
        settings.setProperty("max.batch.size", "8192");
        settings.setProperty("poll.interval.ms", "10");
        return settings;
    }
}
