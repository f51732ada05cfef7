//! SQL text (pure): split into statements, each classified once.
