//! What one change of a table costs, and what several together do.

use crate::effect::{Algorithm, Fact, Lock};

/// The cost of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) algorithm: Option<Algorithm>,
    /// For as long as the work lasts.
    pub(super) work: Lock,
    pub(super) rewrite: Fact,
    pub(super) scan: Fact,
}

impl Cost {
    const fn new(algorithm: Algorithm, work: Lock, rewrite: Fact, scan: Fact) -> Self {
        Self { algorithm: Some(algorithm), work, rewrite, scan }
    }

    /// A note in the definition.
    pub(super) const INSTANT: Self =
        Self::new(Algorithm::Instant, Lock::ShareUpdateExclusive, Fact::No, Fact::No);
    /// A note that is made while nobody else uses the table.
    pub(super) const EXCLUSIVE: Self =
        Self::new(Algorithm::Instant, Lock::AccessExclusive, Fact::No, Fact::No);
    /// Less than a new table, without reading rows.
    pub(super) const NOCOPY: Self =
        Self::new(Algorithm::NoCopy, Lock::ShareUpdateExclusive, Fact::No, Fact::No);
    /// An index is built beside the rows.
    pub(super) const INDEX: Self =
        Self::new(Algorithm::NoCopy, Lock::ShareUpdateExclusive, Fact::No, Fact::Yes);
    /// An index is built beside the rows, and nobody writes meanwhile.
    pub(super) const INDEX_SHARED: Self = Self::new(Algorithm::NoCopy, Lock::Share, Fact::No, Fact::Yes);
    /// The engine builds the table anew, and others go on.
    pub(super) const REBUILD: Self =
        Self::new(Algorithm::Inplace, Lock::ShareUpdateExclusive, Fact::Yes, Fact::Yes);
    /// The engine builds the table anew, and nobody writes meanwhile.
    pub(super) const REBUILD_SHARED: Self = Self::new(Algorithm::Inplace, Lock::Share, Fact::Yes, Fact::Yes);
    /// The server copies row after row; nobody writes meanwhile.
    pub(super) const COPY: Self = Self::new(Algorithm::Copy, Lock::Share, Fact::Yes, Fact::Yes);
    /// Any of them.
    pub(super) const UNKNOWN: Self =
        Self { algorithm: None, work: Lock::Share, rewrite: Fact::Unknown, scan: Fact::Unknown };

    /// MySQL has no NOCOPY: what needs no new table is in place there.
    pub(super) const fn as_inplace(self) -> Self {
        Self { algorithm: Some(Algorithm::Inplace), ..self }
    }

    /// The same, and nobody writes meanwhile.
    pub(super) fn shared(self) -> Self {
        Self { work: self.work.max(Lock::Share), ..self }
    }

    /// Both in one statement.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            algorithm: self.algorithm.zip(other.algorithm).map(|(one, two)| one.max(two)),
            work: self.work.max(other.work),
            rewrite: both(self.rewrite, other.rewrite),
            scan: both(self.scan, other.scan),
        }
    }

    /// One or the other, and it is not known which.
    pub(super) fn or(self, other: Self) -> Self {
        let either = |one: Fact, two: Fact| if one == two { one } else { Fact::Unknown };
        Self {
            algorithm: self.algorithm.filter(|_| self.algorithm == other.algorithm),
            work: self.work.max(other.work),
            rewrite: either(self.rewrite, other.rewrite),
            scan: either(self.scan, other.scan),
        }
    }

    /// Whether the table is, or may be, built anew.
    pub(super) fn rebuilds(self) -> bool {
        self.rewrite.may_be()
    }
}

fn both(one: Fact, two: Fact) -> Fact {
    match (one, two) {
        (Fact::Yes, _) | (_, Fact::Yes) => Fact::Yes,
        (Fact::Unknown, _) | (_, Fact::Unknown) => Fact::Unknown,
        (Fact::No, Fact::No) => Fact::No,
    }
}
