//! URLs that are asked for again for every connection: a token in them may have expired.

use super::{Kind, Target};
use crate::{DbError, ErrorKind};
use diagnostics::{Result, Secret};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

type Ask = dyn Fn() -> Result<Secret> + Send + Sync;

/// Gives the URL as it is now.
#[derive(Clone)]
pub struct Renewal {
    ask: Arc<Ask>,
    base_dir: PathBuf,
    /// The first one, until it was used.
    first: Arc<Mutex<Option<Secret>>>,
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renewal")
    }
}

impl Renewal {
    /// `ask` is called for every connection but the first one, which takes `first`. Paths in the URL are relative to
    /// `base_dir`.
    pub fn new(
        ask: impl Fn() -> Result<Secret> + Send + Sync + 'static,
        base_dir: &Path,
        first: &Secret,
    ) -> Self {
        let first = Arc::new(Mutex::new(Some(first.clone())));
        Self { ask: Arc::new(ask), base_dir: base_dir.to_owned(), first }
    }

    /// What the URL says now.
    pub(super) fn kind(&self) -> std::result::Result<Kind, DbError> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let url = first.map_or_else(|| (self.ask)(), Ok);
        url.and_then(|url| Target::parse(&url, &self.base_dir))
            .map(|(target, _)| target.kind)
            .map_err(|failure| DbError::new(ErrorKind::Other, failure.diagnostic().title.clone()))
    }
}
