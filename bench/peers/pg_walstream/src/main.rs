//! pg_walstream: peer URL SLOT ROWS [FILE]. Reads so many rows (into FILE as JSON lines), prints their number and the
//! seconds from the first to the last.
use pg_walstream::{CancellationToken, EventType, LogicalReplicationStream, ReplicationStreamConfig};
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Instant;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, url, slot, wanted, file @ ..] = arguments.as_slice() else {
        return Err("usage: peer URL SLOT ROWS [FILE]".into());
    };
    let wanted: u64 = wanted.parse()?;
    let mut out = file.first().map(File::create).transpose()?.map(BufWriter::new);

    let config = ReplicationStreamConfig::builder(slot, "bench").with_existing_slot_required(true);
    let url = format!("{url}{}replication=database", if url.contains('?') { '&' } else { '?' });
    let mut stream = LogicalReplicationStream::new(&url, config).await?;
    stream.start(None).await?;

    let never = CancellationToken::new();
    let mut first = None;
    let mut rows = 0;
    while rows < wanted {
        let event = stream.next_event_with_retry(&never).await?;
        if matches!(event.event_type, EventType::Insert { .. } | EventType::Update { .. } | EventType::Delete { .. }) {
            first.get_or_insert_with(Instant::now);
            rows += 1;
            if let Some(out) = &mut out {
                serde_json::to_writer(&mut *out, &event)?;
                out.write_all(b"\n")?;
            }
        }
        stream.shared_lsn_feedback.update_applied_lsn(event.lsn.value());
    }
    if let Some(out) = &mut out {
        out.flush()?;
    }
    println!("{rows} {:.6}", first.map_or(0.0, |first| first.elapsed().as_secs_f64()));
    Ok(())
}
