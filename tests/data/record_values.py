"""Record values as a PostgreSQL server prints and sends them, for tests/unit/test_values.c.

    record_values.py CONNECTION_STRING FOLDER [RANDOM_ROWS]

writes FOLDER/values.tsv (type oid, typmod, the binary form in hexadecimal, the text, backslash-escaped) and
FOLDER/types.json (what pg/catalog_json.c reads). With RANDOM_ROWS it adds that many random values of the types
that have a generator. Everything it creates goes into a transaction that is rolled back.
"""

import json
import os
import sys

import psycopg

SETTINGS = """
SET client_encoding = 'UTF8'; SET search_path = ''; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres';
SET TimeZone = 'UTC'; SET extra_float_digits = 3; SET bytea_output = 'hex'; SET lc_monetary = 'C';
"""

SETUP = r"""
CREATE SCHEMA zoo;
CREATE TYPE zoo.mood AS ENUM ('sad', 'ok', 'very "happy", {yes}', '');
CREATE DOMAIN zoo.price AS numeric(10, 3);
CREATE DOMAIN zoo.high_price AS zoo.price CHECK (VALUE > -1000000);
CREATE DOMAIN zoo.label AS text;
CREATE DOMAIN zoo.numbers AS int4[];
CREATE TYPE zoo.pair AS (a int4, b text);
CREATE TYPE zoo.single AS (it text);
CREATE TYPE zoo.nothing AS ();
CREATE TYPE zoo.changed AS (gone int4, a int8, b bool);
ALTER TYPE zoo.changed DROP ATTRIBUTE gone;
CREATE TYPE zoo.nested AS (p zoo.pair, words text[], n numeric(8, 2), at timestamptz, pairs zoo.pair[], f zoo.mood);
CREATE TYPE zoo.opaque AS (a int4, place point);
CREATE DOMAIN zoo.pair_domain AS zoo.pair;
CREATE DOMAIN zoo.address AS inet;
CREATE TYPE zoo.odd AS (n inet, r tsrange, c "char", m money, p point, v tsvector);
"""

# what may be missing on a server, each with what it is for
OPTIONAL = [f"CREATE EXTENSION {name} SCHEMA zoo" for name in ("hstore", "citext", "ltree")]

ODD_TEXTS = [
    "''", "'a'", "' '", "'NULL'", "'null'", "'{}'", "'{a,b}'", "'(1,2)'", "'\"'", r"'\'", "','", "';'", r"E'a\nb\tc\rd\x0b\x0c'",
    "'Grüße, 世界 🐘'", "repeat('x', 300)", r"repeat('\"', 300)", "'a b'", "' a'", "'it''s'", r"E'\x01\x7f'", "'=>'", "'é'",
]  # fmt: skip

FLOATS = [
    "'0'", "'-0'", "1", "-1", "0.1", "-0.1", "1e-4", "1e-5", "123456", "1234567", "100000", "1000000", "1e6", "1e7", "1e14", "1e15",
    "1e16", "123456789012345", "1234567890123456", "'NaN'", "'Infinity'", "'-Infinity'", "1.5", "0.3", "2.5e-3", "3.4028235e38",
    "1.1754944e-38", "1e-45", "1.17549421e-38", "16777216", "16777217", "33554432", "8388608", "5.5e-5", "9.5367431640625e-7", "1e20",
    "1e-20", "1.0000001", "0.99999994",
]  # fmt: skip

DOUBLES = [
    "1e22", "1e23", "9007199254740991", "9007199254740992", "9007199254740993", "1.7976931348623157e308", "2.2250738585072014e-308",
    "2.2250738585072011e-308", "5e-324", "1e-323", "4.35", "0.1::float8+0.2::float8", "5.684341886080802e-14", "2::float8 ^ -44",
    "2::float8 ^ -1022", "2::float8 ^ 1023", "9.5e-5", "8.41e21", "2.0085536923187668e+55", "4.4501477170144023e-308", "123456.789e3",
    "1e308", "1e-307", "299792458", "6.02214076e23", "1.2345678901234567",
]  # fmt: skip

NUMERICS = [
    "0", "1", "-1", "'NaN'", "1.5", "-1.5", "0.01", "-0.01", "99.99", "9999", "10000", "-10000", "100000000", "1234567.89", "0.00001",
    "9999.9999", "1e20", "1e-20", "12345678901234567890.12345", "1e37", "99999999999999999999999999999999999999", "1e38", "1e75",
    "-1e75", "0.5", "1.10", "1.0000", "10e6", "1e100", "123400", "12300", "-12300", "1200", "0.00999", "0.00012", "'Infinity'",
    "'-Infinity'", "1e-100", "repeat('9', 76)", "'-' || repeat('9', 66) || '.' || repeat('8', 10)", "repeat('123', 200)",
    "'0.' || repeat('0', 150) || '12345'", "repeat('9', 28) || '.' || repeat('9', 10)",
    "18446744073709551615", "18446744073709551616", "-9223372036854775808", "170141183460469231731687303715884105727",
]  # fmt: skip

TIMESTAMPS = [
    "'2000-01-01'", "'1970-01-01'", "'1969-12-31 23:59:59.999999'", "'2026-11-21 12:34:56.789'", "'infinity'", "'-infinity'",
    "'4713-01-01 00:00:00 BC'", "'0001-01-01'", "'0001-12-31 23:59:59 BC'", "'9999-12-31 23:59:59.999999'", "'10000-01-01'",
    "'99999-02-28'", "'294246-12-31 23:59:59.999999'", "'294276-12-31 23:59:59.999999'", "'294247-01-10 04:00:54.775807'",
    "'294247-01-10 04:00:54.775806'", "'294247-01-10 04:00:54.775808'", "'2024-02-29'", "'1900-02-28'", "'2000-02-29 00:00:00.1'",
    "'1582-10-15'", "'0100-01-01 01:02:03.000001'", "'1999-12-31 24:00:00'",
]  # fmt: skip

INTERVALS = [
    "'0'", "'1 year'", "'-1 year'", "'1 mon'", "'-13 mons'", "'14 months'", "'1 day'", "'-3 days'", "'1 year 2 mons -3 days'",
    "'1 year 2 mons -3 days +04:05:06.789'", "'-1 year -2 mons +3 days -04:05:06'", "'1 day -00:00:01'", "'-00:00:01'",
    "'-00:00:00.000001'", "'2562047:47:16.854775'", "'2562047:47:16.854776'", "'-2562047:47:16.854775'", "'-2562047:47:16.854776'",
    "'2562047788:00:54.775807'", "'-2562047788:00:54.775807'", "'178000000 years'", "'-178956970 years -8 mons'",
    "'178956970 years 7 mons'", "'2147483647 days'", "'-2147483648 days'", "'100:00:00'", "'1 mon -1 day'", "'-1 mon +1 day'",
    "'-1 day +00:00:00.5'", "'23:59:59.999999'", "'1 year -1 mon'", "'-1 days'", "'1 days 02:03:04'",
]  # fmt: skip

OPTIONAL_VALUES = {"interval": ["'infinity'", "'-infinity'"]}

INT_ARRAYS = [
    "'{}'", "'{1,2,3}'", "'{NULL}'", "'{1,NULL,-3}'", "'{{1,2},{3,4}}'", "'[0:2]={1,2,3}'", "'[2:2]={7}'", "'[1:2][1:1]={{1},{2}}'",
    "'[-1:0][2:3]={{1,2},{NULL,4}}'", "'{{{1}}}'", "array_fill(7, ARRAY[1000])",
]  # fmt: skip

VALUES = {
    "bool": ["true", "false"],
    "int2": ["0", "1", "-1", "32767", "-32768"],
    "int4": ["0", "1", "-1", "2147483647", "-2147483648", "42"],
    "int8": ["0", "1", "-1", "9223372036854775807", "-9223372036854775808", "10000000000"],
    "oid": ["0", "1", "4294967295", "16384"],
    "float4": [f"{v}" for v in FLOATS],
    "float8": FLOATS + DOUBLES,
    "numeric": NUMERICS + ["1e-1000", "1e1000", "0.0000", "'-0.00'", "1.50", "repeat('9', 1000) || '.' || repeat('1', 500)"],
    "numeric(12,2)": ["0", "1", "-1", "9999999999.99", "-9999999999.99", "0.01", "'NaN'", "1234.5", "100", "10000", "0.10", "99.99"],
    "numeric(38,10)": NUMERICS,
    "numeric(38,0)": NUMERICS,
    "numeric(39,5)": NUMERICS,
    "numeric(76,20)": NUMERICS,
    "numeric(76,0)": NUMERICS,
    "numeric(76,76)": ["0", "0.1", "'0.' || repeat('9', 76)", "'-0.' || repeat('123', 25)", "'0.' || repeat('0', 75) || '1'"],
    "numeric(77,3)": NUMERICS,
    "numeric(1000,500)": NUMERICS,
    "numeric(10,10)": ["0", "0.1", "-0.9999999999", "0.0000000001"],
    "numeric(19,0)": NUMERICS,
    "numeric(18,4)": NUMERICS,
    "numeric(20,1)": NUMERICS,
    "numeric(3,5)": ["0", "0.00999", "-0.00001", "0.001"],
    "numeric(5,-2)": ["0", "1200", "-9999900", "149", "150", "50", "'NaN'"],
    "numeric(38,-30)": ["0", "1e30", "1e60", "-5e67"],
    "numeric(2,1000)": ["0", "'0.' || repeat('0', 998) || '12'"],
    "text": ODD_TEXTS,
    "varchar": ODD_TEXTS,
    "varchar(20)": ["''", "'abc'", "'世界'"],
    "char(10)": ["''", "'abc'", "'  x'", "'0123456789'", "'世界'"],
    "name": ["''", "'abc'", "repeat('n', 63)"],
    '"char"': ["''", "'a'", "'\"'", "'\\'"],
    "bytea": ["''", r"'\x00'", r"'\xdeadbeef'", r"'\x5c5c'", "decode(repeat('00ff', 500), 'hex')"],
    "json": ["'{}'", "'null'", "' {\"a\" : [1, 2.50,\"x\"]} '", "'\"世界\"'", "'[]'"],
    "jsonb": ["'{}'", "'null'", "'{\"b\": 1, \"a\": [1, 2.50, \"x\\\"\"]}'", "'\"世界\"'", "'[1e400]'"],
    "date": [v for v in TIMESTAMPS if " BC" not in v] + ["'4713-01-01 BC'", "'0044-03-15 BC'", "'5874897-12-31'", "'10000-01-01'"],
    "time": ["'00:00'", "'23:59:59.999999'", "'24:00:00'", "'12:34:56'", "'12:34:56.7'", "'00:00:00.000001'"],
    "time(3)": ["'00:00'", "'23:59:59.999'", "'12:34:56.789'"],
    "timetz": [
        "'00:00+00'", "'23:59:59.999999-15:59'", "'24:00:00+15:59:59'", "'12:34:56+05:30'", "'12:34:56.7-08'", "'01:02:03+00:00:01'",
    ],
    "timestamp": TIMESTAMPS,
    "timestamp(0)": ["'2000-01-01 12:34:56.6'", "'infinity'"],
    "timestamptz": TIMESTAMPS + ["'2026-01-01 00:00:00+14'", "'2026-01-01 00:00:00.25-12:30'"],
    "interval": INTERVALS,
    "interval year to month": ["'14 mons'", "'-5 years -3 mons'"],
    "interval second(3)": ["'1 day 02:03:04.5678'"],
    "uuid": ["'00112233-4455-6677-8899-aabbccddeeff'", "'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF'", "'00000000000000000000000000000000'"],
    "xml": ["'<a>1</a>'", "'<?xml version=\"1.0\"?><b/>'"],
    "money": ["0", "1.5", "-1234567.89", "'92233720368547758.07'", "'-92233720368547758.08'", "0.05", "-0.05", "999.99", "1000"],
    "inet": [
        "'10.1.2.3'", "'10.1.2.3/24'", "'0.0.0.0/0'", "'255.255.255.255/32'", "'::'", "'::1'", "'::/0'", "'2001:db8::1/64'", "'fe80::1:0:0:2'",
        "'::ffff:1.2.3.4'", "'::1.2.3.4'", "'1:2:3:4:5:6:7:8'", "'1:0:0:4:5:0:0:8/128'", "'::ffff:0:0/96'", "'64:ff9b::1.2.3.4'", "'0:0:1::'",
    ],
    "cidr": ["'10.0.0.0/8'", "'10.1.2.3'", "'0.0.0.0/0'", "'::/0'", "'2001:db8::/32'", "'::ffff:1.2.3.0/120'", "'192.168.0/24'"],
    "macaddr": ["'08:00:2b:01:02:03'", "'ff:ff:ff:ff:ff:ff'"],
    "macaddr8": ["'08:00:2b:01:02:03:04:05'", "'ff:ff:ff:ff:ff:ff:ff:ff'"],
    "bit(7)": ["B'1010101'", "B'0000000'"],
    "varbit": ["B''", "B'1'", "B'101010101'", "B'11111111'"],
    "int4range": ["'[1,5)'", "'empty'", "'(,)'", "'[,3]'", "'[7,]'"],
    "int8range": ["'[1,5)'", "'(,9223372036854775807)'"],
    "numrange": ["'[1.50,2)'", "'(NaN,)'", "'(-1.5,1e20]'", "'[1,1]'"],
    "tsrange": ["'[2020-01-01 12:00,2021-01-01)'", "'(,infinity]'", "'[-infinity,)'"],
    "tstzrange": ["'[2020-01-01 12:00+00,2021-01-01 00:00+00)'", "'[\"0044-03-15 BC\",)'"],
    "daterange": ["'[2020-01-01,2021-01-01]'", "'[\"0044-03-15 BC\",)'", "'[,infinity)'"],
    "int4multirange": ["'{}'", "'{[1,5),[7,9)}'", "'{(,)}'"],
    "int8multirange": ["'{[1,5),[7,9)}'"],
    "nummultirange": ["'{[1.5,2],(3,)}'"],
    "tsmultirange": ["'{[2020-01-01,2020-01-02),[2021-01-01,2021-01-02]}'"],
    "tstzmultirange": ["'{[2020-01-01,2020-01-02)}'"],
    "datemultirange": ["'{[2020-01-01,2020-01-02),[2021-01-01,)}'"],
    "tsvector": [
        "''", "'a:1A b:2,3C ''it''''s'''", r"E'a\\\\b'", "setweight(to_tsvector('simple', 'a b c'), 'B')",
        "to_tsvector('english', repeat('the quick brown fox it''s jumps ', 50))",
        r"array_to_tsvector(ARRAY['a b', 'x" '"' r"y', E'back\\slash', 'it''s', 'Grüße'])",
    ],
    "jsonpath": ["'$.a[*] ? (@ > 3)'", "'$.\"x y\"'"],
    "zoo.ltree": ["'a.b.c'", "''"],
    "tsquery": ["'a & !b | (c <-> d:*A)'"],
    "point": ["'(1,2.5)'", "'(-0,1e300)'", "'(NaN,Infinity)'"],
    "box": ["'((1,2),(3,4.5))'"],
    "lseg": ["'[(1,2),(3,4)]'"],
    "line": ["'{1,-1,0}'"],
    "path": ["'((0,0),(1,1e-7),(2,-0))'", "'[(0,0),(1,1)]'", "'[(1,2)]'"],
    "polygon": ["'((0,0),(1,1),(2,0))'"],
    "circle": ["'<(1,2),3>'"],
    "pg_lsn": ["'0/0'", "'16/B374D848'", "'FFFFFFFF/FFFFFFFF'"],
    "xid": ["'0'", "'4294967295'"],
    "xid8": ["'0'", "'18446744073709551615'"],
    "cid": ["'7'"],
    "tid": ["'(0,1)'", "'(4294967295,65535)'"],
    "regclass": ["'pg_catalog.pg_class'", "'0'"],
    "int2vector": ["'1 2 3'", "''"],
    "oidvector": ["'1 2 3'"],
    "zoo.citext": ODD_TEXTS,
    "zoo.hstore": [
        "''", "'a=>1'", "'a=>1, b=>NULL'", "'\"\"=>\"\"'", r"""'"a\"b\\c"=>"x=>y, z"'""", "'ключ=>значение'", "'a=>\"NULL\"'",
        "zoo.hstore(array_agg(i::text), array_agg(repeat('v', i))) FROM generate_series(1, 50) i",
    ],
    "zoo.mood": ["'sad'", "'very \"happy\", {yes}'", "''"],
    "zoo.price": ["0", "1.5", "-1234567.891", "'NaN'"],
    "zoo.high_price": ["0", "1.5", "1234567.891", "'NaN'"],
    "zoo.label": ODD_TEXTS,
    "zoo.numbers": INT_ARRAYS,
    "bool[]": ["'{t,f,NULL}'"],
    "int2[]": ["'{1,-2}'"],
    "int4[]": INT_ARRAYS,
    "int8[]": INT_ARRAYS,
    "float4[]": ["'{1.5,NaN,Infinity,-0,1e20}'"],
    "float8[]": ["'{1.5,NaN,Infinity,-0,1e20}'"],
    "numeric[]": ["'{1.50,NaN,1e20}'"],
    "numeric(12,2)[]": ["'{1.50,NULL,-3}'", "'{1.50,NaN}'"],
    "text[]": [
        "'{}'", "ARRAY[" + ",".join(ODD_TEXTS) + ", NULL]::text[]", "'{{a,b},{NULL,\"NULL\"}}'", "'{a}'", "'[0:1]={a,\"b c\"}'",
        "'[1:2][0:0]={{\"\"},{\"x\\\"y\"}}'", "ARRAY[NULL]::text[]",
    ],
    "varchar(5)[]": ["'{ab,\"c d\"}'"],
    "char(3)[]": ["'{a,bcd}'"],
    "bytea[]": [r"ARRAY['\x00', '\xff5c', '', NULL]::bytea[]"],
    "date[]": ["'{2026-01-01,infinity,\"0044-03-15 BC\"}'"],
    "time[]": ["'{00:00,23:59:59.5}'", "'{24:00}'"],
    "timestamp[]": ["'{\"2026-01-01 00:00:00.5\",infinity,NULL}'"],
    "timestamptz[]": ["'{\"2026-01-01 00:00:00.5+00\",-infinity}'"],
    "interval[]": ["'{\"1 day\",\"-1 year -00:00:01\"}'", "'{\"2562047788:00:54.775807\"}'"],
    "uuid[]": ["'{00112233-4455-6677-8899-aabbccddeeff}'"],
    "json[]": ["ARRAY['{\"a\": \"b\\\"c\"}', '[]']::json[]"],
    "jsonb[]": ["ARRAY['{\"a\": \"b\\\"c\"}', '[1,2]', NULL]::jsonb[]"],
    "oid[]": ["'{0,4294967295}'"],
    "box[]": ["'{((1,2),(3,4));((5,6),(7,8))}'"],
    "inet[]": ["'{10.0.0.0/8,::1}'"],
    "timetz[]": ["'{12:00+00,13:00:00.5-08}'"],
    "zoo.mood[]": ["ARRAY['sad', 'very \"happy\", {yes}', '', NULL]::zoo.mood[]"],
    "zoo.price[]": ["'{1.5,NULL,2.125}'", "'{NaN}'"],
    "zoo.numbers[]": ["ARRAY['{1,2}', '{}', NULL, '{NULL,3}']::zoo.numbers[]", "ARRAY['{{1},{2}}']::zoo.numbers[]"],
    "zoo.pair": [
        "ROW(1, 'a')", "ROW(NULL, NULL)", "ROW(1, '')", "ROW(-1, NULL)", "ROW(NULL, ' ')", *(f"ROW(7, {text})" for text in ODD_TEXTS),
    ],
    "zoo.pair_domain": ["ROW(1, 'a')::zoo.pair", "ROW(NULL, 'x,y')::zoo.pair"],
    "zoo.single": ["ROW(NULL)", "ROW('')", "ROW('x')", "ROW('(\"\")')"],
    "zoo.nothing": ["ROW()"],
    "zoo.changed": ["ROW(9, true)", "ROW(NULL, NULL)"],
    "zoo.nested": [
        "ROW(ROW(1, 'a \"b\" \\c'), ARRAY['x y', NULL, '\"'], 1.25, '2026-01-01 00:00:00+00',"
        " ARRAY[ROW(2, 'q,\"{}\"'), ROW(NULL, NULL), NULL]::zoo.pair[], 'very \"happy\", {yes}')",
        "ROW(NULL, NULL, NULL, NULL, NULL, NULL)",
        "ROW(ROW(NULL, NULL), '{}', 'NaN', 'infinity', '{}', 'ok')",
        "ROW(ROW(1, 'x'), '{{a}}', 1, 'infinity', '{}', 'ok')",
        "ROW(ROW(1, 'x'), '{a}', -0.01, 'infinity', ARRAY[ROW(1, repeat('\"\\', 200))]::zoo.pair[], 'sad')",
    ],
    "zoo.nested[]": [
        "ARRAY[ROW(ROW(1, 'a \"b\" \\c'), ARRAY['x y', NULL, '\"'], 1.25, '2026-01-01 00:00:00+00',"
        " ARRAY[ROW(2, 'q,\"{}\"'), NULL]::zoo.pair[], 'sad'), NULL]::zoo.nested[]",
    ],
    "zoo.pair[]": ["ARRAY[ROW(1, 'a'), ROW(NULL, '\"x\\'), NULL]::zoo.pair[]", "'{}'", "ARRAY[ROW(1, ''), ROW(2, NULL)]::zoo.pair[]"],
    "zoo.opaque": ["ROW(1, '(1,2)')", "ROW(NULL, NULL)"],
    '"char"[]': ["ARRAY['a', '', ' ', '\"', '\\', ',', NULL]::\"char\"[]"],
    "money[]": ["'{1.5,-1234567.89}'"],
    "bit(3)[]": ["'{101,000}'"],
    "point[]": ["'{\"(1,2)\",\"(3,4)\"}'"],
    "tsrange[]": ["ARRAY['[2020-01-01,2021-01-01)', 'empty', NULL]::tsrange[]"],
    "int4multirange[]": ["ARRAY['{[1,2),[4,5)}', '{}']::int4multirange[]"],
    "tsvector[]": ["ARRAY['a b:1'::tsvector]"],
    "zoo.ltree[]": ["'{a.b,c}'"],
    "zoo.address": ["'1.2.3.4'"],
    "zoo.odd": ["ROW('::1', '[2020-01-01,)', 'x', 1.5, '(1,2)', 'a:1 b')", "ROW(NULL, NULL, '', NULL, NULL, '')"],
    "zoo.hstore[]": ["ARRAY['a=>1', 'b=>NULL, \"c d\"=>\"\\\"\"', NULL, '']::zoo.hstore[]"],
}  # fmt: skip

RANDOM_INT8 = "(('x' || substr(md5(random()::text), 1, 16))::bit(64)::int8 >> (random() * 63)::int)"
RANDOM_NUMERIC = (
    "((CASE WHEN random() < 0.5 THEN '-' ELSE '' END || substr(translate(md5(random()::text) || md5(random()::text) ||"
    " md5(random()::text), 'abcdef', ''), 1, (random() * 30 + 1)::int)) ||"
    " (CASE WHEN random() < 0.6 THEN '.' || translate(substr(md5(random()::text), 1, (random() * 12 + 1)::int), 'abcdef', '') ELSE '' END))"
)
RANDOM_TEXT = (
    "(SELECT string_agg(substr(E'\"\\\\{}(),;=> \\tnNuUlLaé世🐘''', (random() * 26 + 1)::int, 1), '')"
    " FROM generate_series(1, (random() * 12 + g * 0)::int))"
)
RANDOM_IPV4 = "host(('x' || substr(md5(random()::text), 1, 8))::bit(32)::int8 + '0.0.0.0'::inet)"
RANDOM_IPV6 = (
    "(SELECT string_agg(CASE WHEN random() < 0.6 THEN '0' WHEN random() < 0.2 THEN 'ffff' ELSE to_hex((random() * 65535)::int) END, ':')"
    " FROM generate_series(1, 8 + g * 0))"
)
RANDOM = {
    "int8": RANDOM_INT8,
    "float8": "CASE WHEN random() < 0.3 THEN 2::float8 ^ (random() * 2045 - 1022)::int ELSE "
    f"(({RANDOM_INT8}) * (2::float8 ^ (random() * 1800 - 960)::int)) END",
    "float4": "CASE WHEN random() < 0.3 THEN (2::float8 ^ (random() * 253 - 126)::int)::float4 ELSE "
    f"(({RANDOM_INT8}) * (2::float8 ^ (random() * 110 - 100)::int))::float4 END",
    "numeric": RANDOM_NUMERIC + "::numeric",
    "numeric(76,20)": RANDOM_NUMERIC + "::numeric",
    "numeric(38,10)": f"mod({RANDOM_NUMERIC}::numeric, 1e28)",
    "numeric(12,2)": f"mod({RANDOM_NUMERIC}::numeric, 1e9)",
    "numeric(18,4)": f"mod({RANDOM_NUMERIC}::numeric, 1e14)",
    "date": "('4713-01-01 BC'::date + (random() * random() * random() * 2147483492)::int)",
    "timestamp": "('epoch'::timestamp + mod(%s, 9e15::int8) * '1 us'::interval)" % RANDOM_INT8,
    "timestamptz": "('epoch'::timestamptz + mod(%s, 6e16::int8) * '1 us'::interval)" % RANDOM_INT8,
    "time": "('00:00'::time + (random() * 86399999999)::int8 * '1 us'::interval)",
    "interval": f"make_interval(months => mod({RANDOM_INT8}, 2147483647)::int, days => mod({RANDOM_INT8}, 2147483647)::int)"
    f" + mod({RANDOM_INT8}, 9200000000000000) * '1 us'::interval",
    "uuid": "md5(random()::text)::uuid",
    "text": RANDOM_TEXT,
    "bytea": "decode(md5(random()::text), 'hex')",
    "text[]": f"ARRAY[{RANDOM_TEXT}, {RANDOM_TEXT}, NULL, {RANDOM_TEXT}]",
    "int4[]": "ARRAY[(random() * 1e9)::int, NULL, -(random() * 1e9)::int]",
    "float8[]": f"ARRAY[random(), random() * 1e20, ({RANDOM_INT8})::float8]",
    "zoo.pair": f"ROW((random() * 1e9)::int, {RANDOM_TEXT})::zoo.pair",
    "zoo.pair[]": f"ARRAY[ROW((random() * 1e9)::int, {RANDOM_TEXT})::zoo.pair, NULL, ROW(NULL, {RANDOM_TEXT})::zoo.pair]",
    "zoo.nested": f"ROW(ROW(1, {RANDOM_TEXT})::zoo.pair, ARRAY[{RANDOM_TEXT}, {RANDOM_TEXT}], 1.5, now(),"
    f" ARRAY[ROW(2, {RANDOM_TEXT})::zoo.pair], 'ok'::zoo.mood)::zoo.nested",
    "zoo.hstore": f"zoo.hstore(ARRAY[coalesce({RANDOM_TEXT}, ''), 'k'], ARRAY[{RANDOM_TEXT}, {RANDOM_TEXT}])",
    "inet": f"(CASE WHEN random() < 0.3 THEN {RANDOM_IPV4} || '/' || (random() * 32)::int"
    f" ELSE {RANDOM_IPV6} || '/' || (random() * 128)::int END)::inet",
    "cidr": f"set_masklen({RANDOM_IPV6}::cidr, (random() * 128)::int)",
    "money": f"(mod({RANDOM_INT8}, 90000000000000000)::numeric / 100)::money",
    "varbit": f"substring(({RANDOM_INT8})::bit(64)::varbit, 1, (random() * 64)::int)",
    "macaddr": "substr(md5(random()::text), 1, 12)::macaddr",
    "macaddr8": "substr(md5(random()::text), 1, 16)::macaddr8",
    "numrange": "numrange(-random()::numeric, random()::numeric, (ARRAY['[]', '()', '[)', '(]'])[1 + (random() * 3)::int])",
}

TYPE_QUERY = """
SELECT t.oid::int8, t.typtype::text, n.nspname::text, t.typname::text,
       (SELECT proname::text FROM pg_catalog.pg_proc WHERE oid = t.typoutput),
       t.typelem::int8, t.typdelim::text, t.typbasetype::int8, t.typtypmod,
       coalesce((SELECT json_agg(json_build_object('name', attname, 'oid', atttypid::int8, 'typmod', atttypmod) ORDER BY attnum)
                 FROM pg_catalog.pg_attribute WHERE attrelid = t.typrelid AND attrelid <> 0 AND attnum > 0 AND NOT attisdropped), '[]')
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = %s
"""
TYPE_KEYS = "oid kind schema name output element delimiter base base_typmod fields".split()


class Recorder:
    def __init__(self, connection):
        self.connection = connection
        self.types = {}
        self.formats = {}
        self.rows = []

    def attempt(self, query):
        """Run it if the server can."""
        try:
            with self.connection.transaction():
                self.connection.execute(query)
                return True
        except psycopg.errors.NumericValueOutOfRange:
            return False  # the lists of numbers are shared by types of any width
        except psycopg.Error as error:
            print(f"not here: {str(error).splitlines()[0]}: {query[:100]}", file=sys.stderr)
            return False

    def learn(self, oid, typmod):
        """What the catalogue must know to map the type."""
        if (oid, typmod) not in self.formats:
            self.formats[oid, typmod] = self.connection.execute("SELECT pg_catalog.format_type(%s, %s)", (oid, typmod)).fetchone()[0]
        if oid in self.types:
            found = self.types[oid]
        else:
            row = self.connection.execute(TYPE_QUERY, (oid,)).fetchone()
            found = self.types[oid] = dict(zip(TYPE_KEYS, row))
        if found["kind"] == "d":
            self.learn(found["base"], found["base_typmod"])
        elif found["output"] == "array_out":
            self.learn(found["element"], typmod)
        for field in found["fields"]:
            self.learn(field["oid"], field["typmod"])

    def record(self, name, expressions, random_rows):
        if not self.attempt(f"CREATE TEMP TABLE zoo (v {name})"):
            return
        for value in expressions:
            self.attempt(f"INSERT INTO pg_temp.zoo SELECT CAST(({value}) AS {name})" if " FROM " not in value
                         else f"INSERT INTO pg_temp.zoo SELECT {value}")  # fmt: skip
        for value in OPTIONAL_VALUES.get(name, []):
            self.attempt(f"INSERT INTO pg_temp.zoo SELECT CAST({value} AS {name})")
        if random_rows and name in RANDOM:
            self.attempt(f"INSERT INTO pg_temp.zoo SELECT {RANDOM[name]} FROM generate_series(1, {random_rows}) g")
        oid, typmod = self.connection.execute(
            "SELECT atttypid::int8, atttypmod FROM pg_catalog.pg_attribute WHERE attrelid = 'pg_temp.zoo'::regclass AND attnum = 1"
        ).fetchone()
        self.learn(oid, typmod)
        text, binary = (self.values(result_format) for result_format in (0, 1))
        self.rows += [(oid, typmod, b.hex(), t) for b, t in zip(binary, text) if t is not None]
        self.connection.execute("DROP TABLE pg_temp.zoo")

    def values(self, result_format):
        """As the output function prints them (0), as the send function writes them (1)."""
        result = self.connection.pgconn.exec_params(b"SELECT v FROM pg_temp.zoo", [], result_format=result_format)
        if result.status != psycopg.pq.ExecStatus.TUPLES_OK:
            raise RuntimeError(result.error_message.decode())
        return [result.get_value(row, 0) for row in range(result.ntuples)]


def escaped(text):
    for char, name in ((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n"), (b"\r", b"\\r")):
        text = text.replace(char, name)
    return text


def main(conninfo, folder, random_rows="0"):
    with psycopg.connect(conninfo, autocommit=False) as connection:
        connection.execute(SETTINGS)
        connection.execute(SETUP)
        recorder = Recorder(connection)
        for statement in OPTIONAL:
            recorder.attempt(statement)
        for name, expressions in VALUES.items():
            recorder.record(name, expressions, int(random_rows))
        connection.rollback()
    with open(os.path.join(folder, "values.tsv"), "wb") as file:
        for oid, typmod, binary, text in recorder.rows:
            file.write(b"%d\t%d\t%s\t%s\n" % (oid, typmod, binary.encode(), escaped(text)))
    formats = [{"oid": oid, "typmod": typmod, "text": text} for (oid, typmod), text in recorder.formats.items()]
    with open(os.path.join(folder, "types.json"), "w", encoding="utf-8") as file:
        json.dump({"types": [recorder.types[oid] for oid in sorted(recorder.types)], "formats": formats}, file, indent=0, ensure_ascii=False)
        file.write("\n")
    print(f"{len(recorder.rows)} values of {len(recorder.formats)} types", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
