-- The shop opens with these.
INSERT INTO "Product" ("name", "price") VALUES
    ('Espresso cup', 1250),
    ('Tea; loose leaf, 250 g', 890),
    ('Milk jug', 1990),
    ('Filter papers', 450);

INSERT INTO "User" ("email", "name") VALUES
    ('ada@example.com', 'Ada Lovelace'),
    ('grace@example.com', 'Grace Hopper'),
    ('alan@example.com', 'Alan Turing');
