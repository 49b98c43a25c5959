"""Reading the server's WAL files: where a record starts whose end is known.

Every record says where the one before it starts (xl_prev, 8 bytes into its header: access/xlogrecord.h), and the one
before a commit's end is the commit. pg_walinspect would tell as well, but only from 15 on, and otherwise in each version.
"""

PAGE = 8192
PAGE_HEADER = 24  # SizeOfXLogShortPHD of access/xlog_internal.h
SEGMENT_HEADER = 40  # SizeOfXLogLongPHD, of a segment's first page
XL_PREV = 8


def starts_of_records(connection, ends):
    """{end LSN: start LSN}. Writes to the WAL, so that each of them has one that follows."""
    connection.execute("SELECT pg_create_restore_point('a record'), pg_current_xact_id()")
    segment = connection.execute("SELECT setting::int FROM pg_settings WHERE name = 'wal_segment_size'").fetchone()[0]
    timeline = connection.execute("SELECT timeline_id FROM pg_control_checkpoint()").fetchone()[0]

    def skip_header(position):
        if position % segment == 0:
            return position + SEGMENT_HEADER
        return position + PAGE_HEADER if position % PAGE == 0 else position

    def file_name(position):
        number, segments = position // segment, 0x100000000 // segment
        return f"pg_wal/{timeline:08X}{number // segments:08X}{number % segments:08X}"

    # all is aligned to 8 bytes: a header may go on in the next page, a field of it does not
    ends = list(ends)
    places = [skip_header(skip_header(end) + XL_PREV) for end in ends]
    rows = connection.execute(
        "SELECT pg_read_binary_file(file, place, 8) FROM unnest(%s::text[], %s::bigint[]) AS place(file, place)",
        ([file_name(place) for place in places], [place % segment for place in places]),
    )
    return {end: int.from_bytes(previous, "little") for end, (previous,) in zip(ends, rows)}
