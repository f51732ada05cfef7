-- DropIndex
DROP INDEX "Order_userId_idx";

-- AlterTable
ALTER TABLE "Order" ADD COLUMN "status" TEXT NOT NULL DEFAULT 'open';

UPDATE "Order" SET "status" = 'delivered' WHERE "createdAt" < '2025-05-01';

-- CreateIndex
CREATE INDEX "Order_userId_status_idx" ON "Order"("userId", "status");
