/*
 * cli/demo_shop.h
 *	  The shop that `walrow demo` streams: its tables, a day's work on them, and the questions asked
 *	  afterwards.
 */
#ifndef WALROW_CLI_DEMO_SHOP_H
#define WALROW_CLI_DEMO_SHOP_H

/* Tables and the rows that are there before the stream. */
extern const char demo_schema_sql[];
/* CALL shop.work(seconds): small transactions of inserts, updates and deletes. */
extern const char demo_work_sql[];

typedef struct demo_table {
    const char *name;
    const char *key;
    const char *in_postgres; /* a row as text, in PostgreSQL's SQL */
    const char *in_duckdb;   /* the same in DuckDB's */
} demo_table;

typedef struct demo_question {
    const char *title;
    const char *sql; /* over views named as the tables */
} demo_question;

extern const demo_table demo_tables[];
extern const int demo_n_tables;
extern const demo_question demo_questions[];
extern const int demo_n_questions;

#endif
