-- A view that names a table is in the way of its rebuild.
DROP VIEW "Sales";

-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_Order" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "number" TEXT NOT NULL,
    "userId" INTEGER NOT NULL,
    "couponId" INTEGER,
    "status" TEXT NOT NULL DEFAULT 'open',
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "Order_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "Order_couponId_fkey" FOREIGN KEY ("couponId") REFERENCES "Coupon" ("id") ON DELETE SET NULL ON UPDATE CASCADE
);
INSERT INTO "new_Order" ("couponId", "createdAt", "id", "number", "status", "userId")
SELECT "couponId", "createdAt", "id", printf('%s-%05d', substr("createdAt", 1, 4), "id"), "status", "userId" FROM "Order";
DROP TABLE "Order";
ALTER TABLE "new_Order" RENAME TO "Order";
CREATE UNIQUE INDEX "Order_number_key" ON "Order"("number");
CREATE INDEX "Order_userId_status_idx" ON "Order"("userId", "status");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;

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
