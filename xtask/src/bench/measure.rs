//! Timing whole processes.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs a command that must succeed; how long it took.
pub(super) fn time(command: &mut Command) -> Result<Duration, String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let began = Instant::now();
    let output = command.output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    let elapsed = began.elapsed();
    if output.status.success() {
        Ok(elapsed)
    } else {
        Err(format!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// Measures several things in turn, so that whatever else the machine does hits all of them; the medians.
pub(super) fn in_turn<const N: usize>(
    rounds: usize,
    mut once: impl FnMut(usize) -> Result<Duration, String>,
) -> Result<[Duration; N], String> {
    let mut samples: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::new());
    for _ in 0..rounds {
        for (which, samples) in samples.iter_mut().enumerate() {
            samples.push(once(which)?);
        }
    }
    Ok(samples.map(|mut samples| {
        samples.sort();
        samples[samples.len() / 2]
    }))
}

/// The most memory that a command held, in kilobytes, by GNU time; `None` where that is not installed.
pub(super) fn peak_memory(command: &Command) -> Option<u64> {
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "%M"]).arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        timed.current_dir(directory);
    }
    let output = timed.output().ok()?;
    // What it prints comes last on stderr.
    String::from_utf8_lossy(&output.stderr).lines().last()?.trim().parse().ok()
}
