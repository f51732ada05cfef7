use crate::args::ProjectArguments;
use crate::terminal::Terminal;
use diagnostics::{Failure, Result, Secret};
use std::path::{Path, PathBuf};
pub(crate) struct Surroundings;
pub(crate) struct Target { pub(crate) target: db::target::Target, pub(crate) migrations: PathBuf, pub(crate) schemas: Vec<String>, pub(crate) notices: Vec<String>, pub(crate) lines: Vec<String> }
impl Surroundings {
    pub(crate) fn capture() -> Self { Self }
    pub(crate) fn no_colour(&self) -> bool { true }
    pub(crate) fn locking(&self) -> bool { true }
    pub(crate) fn project(&self, a: &ProjectArguments, t: &Terminal) -> Result<Target> {
        let url = a.url.clone().or_else(|| std::env::var("DATABASE_URL").ok()).ok_or_else(|| Failure::plain("no url"))?;
        let (target, _w) = db::target::Target::parse(&Secret::new(url), Path::new("prisma"))?;
        t.hide(target.secrets());
        let lines = vec!["Prisma schema loaded from prisma/schema.prisma".to_owned(), target.datasource_line("db", None)];
        Ok(Target { target, migrations: a.migrations.clone().unwrap_or_else(|| "prisma/migrations".into()), schemas: vec![], notices: vec![], lines })
    }
}
