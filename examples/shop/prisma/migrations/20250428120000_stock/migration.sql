-- AlterTable
ALTER TABLE "Product" ADD COLUMN "stock" INTEGER NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "StockMovement" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "productId" INTEGER NOT NULL,
    "quantity" INTEGER NOT NULL,
    "reason" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "StockMovement_productId_fkey" FOREIGN KEY ("productId") REFERENCES "Product" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateIndex
CREATE INDEX "StockMovement_productId_createdAt_idx" ON "StockMovement"("productId", "createdAt");

-- The stock of a product is the sum of its movements.
CREATE TRIGGER "StockMovement_updates_stock" AFTER INSERT ON "StockMovement"
BEGIN
    UPDATE "Product" SET "stock" = "stock" + NEW."quantity" WHERE "id" = NEW."productId";
    SELECT CASE
        WHEN (SELECT "stock" FROM "Product" WHERE "id" = NEW."productId") < 0
        THEN RAISE(ABORT, 'not in stock; order it first')
    END;
END;

-- One delivery, then what has been sold so far.
INSERT INTO "StockMovement" ("productId", "quantity", "reason")
SELECT "id", 100, 'first delivery' FROM "Product" ORDER BY "id";

INSERT INTO "StockMovement" ("productId", "quantity", "reason")
SELECT "productId", -sum("quantity"), 'sold' FROM "OrderItem" GROUP BY "productId" ORDER BY "productId";
