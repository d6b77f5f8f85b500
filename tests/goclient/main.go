// Asks ClickHouse over HTTP as Grafana's data source does (pkg/plugin/driver.go): clickhouse-go, gzip, a setting.
// goclient HOST:PORT DATABASE SQL... prints the types of each answer's columns, then its rows; or what went wrong.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

func main() {
	db := clickhouse.OpenDB(&clickhouse.Options{
		Addr:        []string{os.Args[1]},
		Auth:        clickhouse.Auth{Database: os.Args[2], Username: "default"},
		Compression: &clickhouse.Compression{Method: clickhouse.CompressionGZIP},
		DialTimeout: 10 * time.Second,
		Protocol:    clickhouse.HTTP,
		Settings:    clickhouse.Settings{"max_execution_time": 60},
	})
	if err := db.PingContext(context.Background()); err != nil {
		fmt.Println("ping:", err)
		os.Exit(1)
	}
	for _, sql := range os.Args[3:] {
		rows, err := db.QueryContext(context.Background(), sql)
		if err != nil {
			fmt.Println("refused:", err)
			continue
		}
		columns, _ := rows.ColumnTypes()
		kinds, values, places := make([]any, len(columns)), make([]any, len(columns)), make([]any, len(columns))
		for i, column := range columns {
			kinds[i], places[i] = column.DatabaseTypeName(), &values[i]
		}
		fmt.Println(kinds...)
		for rows.Next() {
			if err := rows.Scan(places...); err != nil {
				fmt.Println("scan:", err)
				os.Exit(1)
			}
			fmt.Println(values...)
		}
		if err := rows.Err(); err != nil {
			fmt.Println("rows:", err)
			os.Exit(1)
		}
	}
}
