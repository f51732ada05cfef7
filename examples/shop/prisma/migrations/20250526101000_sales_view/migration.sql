-- What each product has brought in, in cents, discounts taken off.
CREATE VIEW "Sales" AS
SELECT p."id" AS "productId",
       p."name" AS "name",
       sum(i."quantity") AS "sold",
       sum(i."quantity" * i."price" * (100 - coalesce(c."discount", 0)) / 100) AS "revenue"
FROM "OrderItem" i
JOIN "Product" p ON p."id" = i."productId"
JOIN "Order" o ON o."id" = i."orderId"
LEFT JOIN "Coupon" c ON c."id" = o."couponId"
GROUP BY p."id", p."name";
