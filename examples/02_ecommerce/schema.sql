CREATE TABLE products (
    id    int PRIMARY KEY,
    price numeric(8, 2) NOT NULL,
    stock int NOT NULL CHECK (stock >= 0)
);
CREATE TABLE orders (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product  int NOT NULL REFERENCES products,
    quantity int NOT NULL,
    total    numeric(10, 2) NOT NULL,
    status   text NOT NULL
);
CREATE TABLE payments (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES orders,
    amount   numeric(10, 2) NOT NULL -- what is paid back is negative
);
CREATE TABLE closings (
    day     date PRIMARY KEY,
    revenue numeric(12, 2) NOT NULL
);
INSERT INTO products SELECT id, id + 0.95, 20 FROM generate_series(1, 30) id;
