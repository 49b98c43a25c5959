// pglogrepl, as its own example uses it: text values, decoded by pgx's types.
//
//	peer URL SLOT ROWS [FILE]    read so many rows (into FILE as JSON lines), print their number and the seconds
//	                             from the first to the last
//	peer -latency URL SLOT ROWS  print for each commit the microseconds since its time stamp
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pglogrepl"
)

// An event as a consumer would write it.
type event struct {
	Kind   string         `json:"kind"`
	Schema string         `json:"schema"`
	Table  string         `json:"table"`
	Values map[string]any `json:"values"`
}

func main() {
	log.SetFlags(0)
	arguments := os.Args[1:]
	latency := len(arguments) > 0 && arguments[0] == "-latency"
	if latency {
		arguments = arguments[1:]
	}
	if len(arguments) < 3 {
		log.Fatal("usage: peer [-latency] URL SLOT ROWS [FILE]")
	}
	wanted, err := strconv.Atoi(arguments[2])
	check(err)
	stream := open(arguments[0], arguments[1])
	if latency {
		printLatencies(stream, wanted)
	} else {
		readRows(stream, wanted, arguments[3:])
	}
}

func readRows(stream *stream, wanted int, file []string) {
	var encoder *json.Encoder
	if len(file) > 0 {
		f, err := os.Create(file[0])
		check(err)
		out := bufio.NewWriterSize(f, 1<<16)
		defer out.Flush()
		encoder = json.NewEncoder(out)
	}
	var first time.Time
	rows := 0
	for rows < wanted {
		row := stream.row(stream.next())
		if row == nil {
			continue
		}
		if rows == 0 {
			first = time.Now()
		}
		rows++
		if encoder != nil {
			check(encoder.Encode(row))
		}
	}
	fmt.Printf("%d %.6f\n", rows, time.Since(first).Seconds())
}

func printLatencies(stream *stream, wanted int) {
	latencies := make([]int64, 0, wanted)
	for len(latencies) < wanted {
		message := stream.next()
		stream.row(message)
		if commit, ok := message.(*pglogrepl.CommitMessage); ok {
			latencies = append(latencies, time.Since(commit.CommitTime).Microseconds())
		}
	}
	for _, latency := range latencies {
		fmt.Println(latency)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
