-- CreateTable
CREATE TABLE "Order" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "userId" INTEGER NOT NULL,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "Order_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "OrderItem" (
    "orderId" INTEGER NOT NULL,
    "productId" INTEGER NOT NULL,
    "quantity" INTEGER NOT NULL,
    "price" INTEGER NOT NULL,

    PRIMARY KEY ("orderId", "productId"),
    CONSTRAINT "OrderItem_orderId_fkey" FOREIGN KEY ("orderId") REFERENCES "Order" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "OrderItem_productId_fkey" FOREIGN KEY ("productId") REFERENCES "Product" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateIndex
CREATE INDEX "Order_userId_idx" ON "Order"("userId");

-- CreateIndex
CREATE INDEX "OrderItem_productId_idx" ON "OrderItem"("productId");

-- Orders that came by mail before the shop had a database.
INSERT INTO "Order" ("id", "userId", "createdAt")
SELECT 1, "id", '2025-01-27T10:00:00.000Z' FROM "User" WHERE "email" = 'ada@example.com'
UNION ALL
SELECT 2, "id", '2025-01-29T16:30:00.000Z' FROM "User" WHERE "email" = 'grace@example.com';

INSERT INTO "OrderItem" ("orderId", "productId", "quantity", "price")
SELECT 1, "id", 2, "price" FROM "Product" WHERE "name" IN ('Espresso cup', 'Milk jug')
UNION ALL
SELECT 2, "id", 1, "price" FROM "Product" WHERE "name" = 'Filter papers';
