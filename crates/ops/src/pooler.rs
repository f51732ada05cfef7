//! What a pooler in between takes away from a connection: a session of its own, start-up options.
//!
//! What does not live here: what stands for the deploy lock then (`lease`).

use crate::run::{Options, Run, advised};
use db::platform::{self, Moment};
use db::sharing;
use db::target::{Kind, Target};
use diagnostics::{Diagnostic, Failure, Result, codes};

impl Run<'_> {
    /// What the URL says as start-up options, where a pooler takes none.
    pub(crate) fn refused_options(&self) -> Result<Vec<(String, String)>> {
        let Kind::Postgres(target) = &self.target.kind else { return Ok(Vec::new()) };
        let Some(options) = target.options.as_deref().filter(|_| self.conn.info().options_refused) else {
            return Ok(Vec::new());
        };
        db::options::settings(options).map_err(|word| {
            Failure::new(
                pooled(
                    self.target,
                    self.options,
                    "the pooler takes no start-up options, and those of the URL cannot be said in another way",
                )
                .note(format!("`{word}` in `options` of the URL is no setting (`-c NAME=VALUE`)")),
            )
        })
    }

    /// The same as statements, each behind a semicolon.
    pub(crate) fn own_settings(&self, local: bool) -> String {
        self.own_settings.iter().fold(String::new(), |sql, (name, value)| {
            sql + "; " + &db::options::statement(local, name, value)
        })
    }

    /// Whether a pooler gives one server session to several connections in turn. No lock of a session excludes anybody
    /// there, and it would stay behind after we have gone.
    pub(crate) fn finds_sessions_shared(&mut self) -> Result<bool> {
        if !sharing::is_proxied(self.conn.as_ref(), self.defaults.process) {
            return Ok(false);
        }
        match db::connect(self.target) {
            Ok(mut side) => sharing::shares_sessions(self.conn.as_mut(), side.as_mut())
                .map_err(|error| self.failed(error)),
            // Nothing is known then.
            Err(_) => Ok(true),
        }
    }
}

/// C1003, with the platform's own way out where the URL shows the platform, and what the environment has to offer.
pub(crate) fn pooled(target: &Target, options: &Options, title: &str) -> Diagnostic {
    let diagnostic = Diagnostic::error(title).code(&codes::C1003).help(codes::C1003.way_out);
    let advised = advised(diagnostic, &platform::of_url(Moment::Shared, target));
    options.ways_around.iter().fold(advised, Diagnostic::note)
}

#[cfg(test)]
mod tests {
    use super::*;
    use diagnostics::Secret;

    #[test]
    fn a_pooler_of_a_platform_gets_the_platforms_own_direct_address() {
        let help = |url: &str| {
            let (target, _) = Target::parse(&Secret::new(url), std::path::Path::new("/")).unwrap();
            pooled(&target, &Options::default(), "pooled").help.unwrap()
        };
        assert!(
            help("postgresql://u@ep-cool-1-pooler.eu-central-1.aws.neon.tech/d")
                .contains("without `-pooler`")
        );
        assert!(help("postgresql://u@aws-0.pooler.supabase.com:6543/d").contains("`5432`"));
        assert_eq!(help("postgresql://u@pooler.internal:6432/d"), codes::C1003.way_out);
    }
}
