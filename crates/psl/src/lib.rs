//! The Prisma schema language as a language (pure).
