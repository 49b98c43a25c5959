\echo Use "CREATE EXTENSION wal2arrow" to load this file. \quit

-- An error if it is there already: what is somebody else's is not trusted.
CREATE SCHEMA wal2arrow;
GRANT USAGE ON SCHEMA wal2arrow TO PUBLIC;

CREATE PROCEDURE wal2arrow.stream(slot name, upto_lsn pg_lsn DEFAULT NULL, VARIADIC options text[] DEFAULT '{}')
    LANGUAGE C AS 'wal2arrow', 'wal2arrow_stream';
COMMENT ON PROCEDURE wal2arrow.stream IS 'send what a replication slot decodes, as COPY sends rows; needs REPLICATION';

CREATE FUNCTION wal2arrow.advance(slot name, upto_lsn pg_lsn, restart_lsn pg_lsn DEFAULT NULL, catalog_xmin xid DEFAULT NULL)
    RETURNS void LANGUAGE C CALLED ON NULL INPUT AS 'wal2arrow', 'wal2arrow_advance';
COMMENT ON FUNCTION wal2arrow.advance IS 'move a replication slot without reading WAL; needs REPLICATION';
