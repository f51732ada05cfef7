//! Variables that by custom hold the address that goes around a pooler. None of them counts by itself: they are proposed
//! where a pooler is in the way.

use super::offers::Origin;
use super::{Context, Given};

/// By Prisma's documentation, Vercel with Neon, Vercel Postgres, and others.
const NAMES: [&str; 4] =
    ["DIRECT_URL", "DATABASE_URL_UNPOOLED", "POSTGRES_URL_NON_POOLING", "MIGRATION_DATABASE_URL"];

/// What to do with each that is set and holds another URL than the one that counts.
pub(super) fn ways_around(context: &Context<'_>, given: &Given) -> Vec<String> {
    let used = given.url.chosen().map(|url| url.value.url.expose());
    let named = NAMES.iter().filter_map(|name| Some((*name, context.environment.get(name)?)));
    named
        .filter(|(_, (value, _))| !value.trim().is_empty() && Some(value.as_str()) != used)
        .map(|(name, (_, origin))| match origin {
            Origin::EnvFile { file, .. } => format!(
                "`{name}` in {file} holds another URL: if it is the direct address, give it as `directUrl = env(\"{name}\")` in the \
                 datasource, or with `--url`"
            ),
            _ => format!(
                "`{name}` is set: if it is the direct address, `cutover migrate deploy --url \"${name}\"`"
            ),
        })
        .collect()
}
