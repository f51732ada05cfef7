//! `generate`: what is made from code, for the documentation.

use super::{Context, ExitCode};
use crate::args::Generated;
use crate::settings::cutover_toml;

pub(super) fn run(what: Generated, context: &Context<'_>) -> ExitCode {
    let text = match what {
        Generated::ConfigSchema => cutover_toml::json_schema(),
        Generated::ConfigPage => cutover_toml::page(),
    };
    context.terminal.out(text.trim_end());
    0
}
