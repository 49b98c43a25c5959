#include "demo_shop.h"

const char demo_schema_sql[] =
    "CREATE SCHEMA shop;\n"
    "SET search_path = shop;\n"
    "CREATE TYPE status AS ENUM ('new', 'paid', 'shipped', 'returned');\n"
    "CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, city text, tags text[], joined "
    "timestamptz NOT NULL);\n"
    "CREATE TABLE products (id int PRIMARY KEY, title text NOT NULL, price numeric(12,2) NOT NULL, "
    "attributes jsonb);\n"
    "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id int NOT NULL "
    "REFERENCES customers,\n"
    "    status status NOT NULL DEFAULT 'new', total numeric(12,2) NOT NULL DEFAULT 0, placed timestamptz "
    "NOT NULL DEFAULT now());\n"
    "CREATE TABLE order_items (order_id bigint, line int, product_id int NOT NULL, quantity int NOT NULL,\n"
    "    price numeric(12,2) NOT NULL, PRIMARY KEY (order_id, line));\n"
    "CREATE TABLE payments (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id bigint NOT NULL,\n"
    "    amount numeric(12,2) NOT NULL, paid_at timestamptz NOT NULL DEFAULT now(), captured bool NOT NULL "
    "DEFAULT false);\n"
    "INSERT INTO customers SELECT i, 'Customer ' || i, (ARRAY['Oslo','Lisboa','Zürich','Wien','Kraków'])[1 + "
    "i % 5],\n"
    "    CASE WHEN i % 3 = 0 THEN ARRAY['regular','newsletter'] WHEN i % 3 = 1 THEN ARRAY['regular'] END,\n"
    "    now() - i * interval '1 hour' FROM generate_series(1, 2000) i;\n"
    "INSERT INTO products SELECT i, 'Product ' || i, (random() * 200)::numeric(12,2) + 1,\n"
    "    jsonb_build_object('weight', i % 50, 'colour', (ARRAY['red','green','blue'])[1 + i % 3]) FROM "
    "generate_series(1, 500) i;\n"
    "INSERT INTO orders (customer_id, status, placed) SELECT 1 + i % 2000, 'paid', now() - i * interval '1 "
    "minute'\n"
    "    FROM generate_series(1, 20000) i;\n"
    "INSERT INTO order_items SELECT o.id, l, p.id, 1 + l % 3, p.price\n"
    "    FROM orders o CROSS JOIN generate_series(1, 3) l JOIN products p ON p.id = 1 + (o.id * 7 + l * 31) "
    "% 500;\n"
    "UPDATE orders o SET total = (SELECT sum(quantity * price) FROM order_items i WHERE i.order_id = o.id);\n"
    "INSERT INTO payments (order_id, amount, captured) SELECT id, total, true FROM orders;\n"
    "ANALYZE;\n";

const char demo_work_sql[] =
    "CREATE PROCEDURE shop.work(seconds int) LANGUAGE plpgsql AS $$\n"
    "DECLARE\n"
    "    closing timestamptz := clock_timestamp() + seconds * interval '1 second';\n"
    "    it bigint;\n"
    "    someone int;\n"
    "    something int;\n"
    "BEGIN\n"
    "    WHILE clock_timestamp() < closing LOOP\n"
    "        someone := 1 + floor(random() * 2000);\n"
    "        something := 1 + floor(random() * 500);\n"
    "        INSERT INTO shop.orders (customer_id) VALUES (someone) RETURNING id INTO it;\n"
    "        INSERT INTO shop.order_items SELECT it, l, p.id, 1 + l % 3, p.price\n"
    "            FROM generate_series(1, 1 + floor(random() * 4)::int) l\n"
    "            JOIN shop.products p ON p.id = 1 + (l * 37 + something) % 500;\n"
    "        UPDATE shop.orders SET total = (SELECT sum(quantity * price) FROM shop.order_items WHERE "
    "order_id = it)\n"
    "            WHERE id = it;\n"
    "        COMMIT;\n"
    "        IF random() < 0.7 THEN\n"
    "            INSERT INTO shop.payments (order_id, amount) SELECT id, total FROM shop.orders WHERE id = "
    "it;\n"
    "            UPDATE shop.orders SET status = 'paid' WHERE id = it;\n"
    "        ELSIF random() < 0.3 THEN\n"
    "            DELETE FROM shop.order_items WHERE order_id = it;\n"
    "            DELETE FROM shop.orders WHERE id = it;\n"
    "        END IF;\n"
    "        COMMIT;\n"
    "        IF random() < 0.05 THEN\n"
    "            UPDATE shop.products SET price = (price * 1.01)::numeric(12,2) WHERE id = something;\n"
    "            UPDATE shop.customers SET tags = array_append(tags, 'loyal') WHERE id = someone;\n"
    "            COMMIT;\n"
    "        END IF;\n"
    "        PERFORM pg_sleep(0.001);\n"
    "    END LOOP;\n"
    "END $$;\n";

#define PG_TIME(column) "(extract(epoch FROM " column ") * 1000000)::bigint"

const demo_table demo_tables[] = {
    {"customers", "id",
     "concat_ws('|', id, name, coalesce(city, '-'), coalesce(array_to_string(tags, ','), '-'), " PG_TIME(
         "joined") ")",
     "concat_ws('|', id, name, coalesce(city, '-'), coalesce(array_to_string(tags, ','), '-'), "
     "epoch_us(joined))"},
    {"products", "id", "concat_ws('|', id, title, price, attributes)",
     "concat_ws('|', id, title, price, attributes)"},
    {"orders", "id", "concat_ws('|', id, customer_id, status, total, " PG_TIME("placed") ")",
     "concat_ws('|', id, customer_id, status, total, epoch_us(placed))"},
    {"order_items", "order_id, line", "concat_ws('|', order_id, line, product_id, quantity, price)",
     "concat_ws('|', order_id, line, product_id, quantity, price)"},
    {"payments", "id", "concat_ws('|', id, order_id, amount, " PG_TIME("paid_at") ", captured::int)",
     "concat_ws('|', id, order_id, amount, epoch_us(paid_at), captured::int)"},
};
const int demo_n_tables = sizeof demo_tables / sizeof *demo_tables;

const demo_question demo_questions[] = {
    {"What do orders come to, by status?",
     "SELECT status, count(*) AS orders, sum(total) AS revenue FROM orders GROUP BY status ORDER BY status"},
    {"Which cities buy most?", "SELECT city, count(*) AS orders, sum(total) AS revenue FROM orders JOIN "
                               "customers ON customers.id = customer_id "
                               "GROUP BY city ORDER BY revenue DESC LIMIT 3"},
    {"Which colours sell best?",
     "SELECT attributes->>'colour' AS colour, sum(quantity) AS pieces FROM order_items "
     "JOIN products ON products.id = product_id GROUP BY colour ORDER BY pieces DESC"},
};
const int demo_n_questions = sizeof demo_questions / sizeof *demo_questions;
