package main

import (
	"context"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

const statusInterval = 10 * time.Second

type stream struct {
	conn      *pgconn.PgConn
	relations map[uint32]*pglogrepl.RelationMessage
	types     *pgtype.Map
	received  pglogrepl.LSN
	status    time.Time // when the server is told next
	ctx       context.Context
	cancel    context.CancelFunc
}

func open(url, slot string) *stream {
	config, err := pgconn.ParseConfig(url)
	check(err)
	config.RuntimeParams["replication"] = "database"
	conn, err := pgconn.ConnectConfig(context.Background(), config)
	check(err)
	check(pglogrepl.StartReplication(context.Background(), conn, slot, 0, pglogrepl.StartReplicationOptions{
		PluginArgs: []string{"proto_version '1'", "publication_names 'bench'"},
	}))
	s := &stream{conn: conn, relations: map[uint32]*pglogrepl.RelationMessage{}, types: pgtype.NewMap()}
	s.tell()
	return s
}

// tell the server what was received; until the next time messages are waited for.
func (s *stream) tell() {
	if s.cancel != nil {
		s.cancel()
	}
	check(pglogrepl.SendStandbyStatusUpdate(context.Background(), s.conn,
		pglogrepl.StandbyStatusUpdate{WALWritePosition: s.received}))
	s.ctx, s.cancel = context.WithTimeout(context.Background(), statusInterval)
}

// next is the next message of pgoutput.
func (s *stream) next() pglogrepl.Message {
	for {
		raw, err := s.conn.ReceiveMessage(s.ctx)
		if pgconn.Timeout(err) {
			s.tell()
			continue
		}
		check(err)
		data, ok := raw.(*pgproto3.CopyData)
		if !ok {
			continue
		}
		switch data.Data[0] {
		case pglogrepl.PrimaryKeepaliveMessageByteID:
			keepalive, err := pglogrepl.ParsePrimaryKeepaliveMessage(data.Data[1:])
			check(err)
			s.received = max(s.received, keepalive.ServerWALEnd)
			if keepalive.ReplyRequested {
				s.tell()
			}
		case pglogrepl.XLogDataByteID:
			xlog, err := pglogrepl.ParseXLogData(data.Data[1:])
			check(err)
			s.received = max(s.received, xlog.WALStart)
			message, err := pglogrepl.Parse(xlog.WALData)
			check(err)
			return message
		}
	}
}

// row is the change that a message is; nil if it is none.
func (s *stream) row(message pglogrepl.Message) *event {
	switch m := message.(type) {
	case *pglogrepl.RelationMessage:
		s.relations[m.RelationID] = m
	case *pglogrepl.InsertMessage:
		return s.event("insert", m.RelationID, m.Tuple)
	case *pglogrepl.UpdateMessage:
		return s.event("update", m.RelationID, m.NewTuple)
	case *pglogrepl.DeleteMessage:
		return s.event("delete", m.RelationID, m.OldTuple)
	}
	return nil
}

func (s *stream) event(kind string, id uint32, tuple *pglogrepl.TupleData) *event {
	relation := s.relations[id]
	values := make(map[string]any, len(tuple.Columns))
	for i, column := range tuple.Columns {
		switch column.DataType {
		case pglogrepl.TupleDataTypeNull:
			values[relation.Columns[i].Name] = nil
		case pglogrepl.TupleDataTypeText:
			values[relation.Columns[i].Name] = s.value(column.Data, relation.Columns[i].DataType)
		}
	}
	return &event{kind, relation.Namespace, relation.RelationName, values}
}

func (s *stream) value(text []byte, oid uint32) any {
	known, ok := s.types.TypeForOID(oid)
	if !ok {
		return string(text)
	}
	value, err := known.Codec.DecodeValue(s.types, oid, pgtype.TextFormatCode, text)
	check(err)
	return value
}
