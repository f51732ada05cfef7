//! `new`.

use super::{Context, ExitCode};
use crate::args::NewArguments;
use crate::settings::Arguments;
use diagnostics::Result;
use ops::new::New;

pub(super) fn run(arguments: &NewArguments, context: &Context<'_>) -> ExitCode {
    match write(arguments, context) {
        Ok(()) => 0,
        Err(failure) => {
            context.terminal.fail(&failure);
            failure.get_class().detailed_exit_code()
        }
    }
}

fn write(arguments: &NewArguments, context: &Context<'_>) -> Result<()> {
    let place = context.surroundings.place(&Arguments::of_project(&arguments.project), context.terminal)?;
    let written = ops::new::new(&New {
        migrations: place.migrations,
        provider: place.provider,
        name: arguments.name.clone(),
        down: arguments.down,
    })?;
    for path in written {
        context.terminal.out(&path.display().to_string());
    }
    if place.provider.is_none() {
        context
            .terminal
            .talk("no lock file was written: neither a schema nor a URL says which database it is for");
    }
    Ok(())
}
