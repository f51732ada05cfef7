//! The values of a row, one after the other.

use crate::Row;
use std::str::FromStr;

/// A row's values in order; behind the last one all are NULL.
pub(crate) struct Values(std::vec::IntoIter<Option<String>>);

impl Values {
    pub(crate) fn of(row: Row) -> Self {
        Self(row.into_iter())
    }

    pub(crate) fn next(&mut self) -> Option<String> {
        self.0.next().flatten()
    }

    /// NULL is empty.
    pub(crate) fn text(&mut self) -> String {
        self.next().unwrap_or_default()
    }

    /// None for NULL, and for what is no number.
    pub(crate) fn number<T: FromStr>(&mut self) -> Option<T> {
        self.next().and_then(|text| text.parse().ok())
    }
}
