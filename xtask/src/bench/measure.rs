//! Timing whole processes.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Two things that were measured in turn.
pub(super) struct Pair {
    /// The median of ours.
    pub(super) ours: Duration,
    /// The median of what it is compared with.
    pub(super) theirs: Duration,
    /// The median of the rounds' ratios. Each round's two runs share whatever else the machine does at that moment, so
    /// this is steadier than the ratio of the medians.
    pub(super) ratio: f64,
    /// The lower and the upper quartile of the rounds' ratios.
    pub(super) quartiles: (f64, f64),
}

/// Measures two things in turn, as many rounds as asked for; which goes first alternates.
pub(super) fn pair(
    rounds: usize,
    mut ours: impl FnMut() -> Result<Duration, String>,
    mut theirs: impl FnMut() -> Result<Duration, String>,
) -> Result<Pair, String> {
    let mut samples = Vec::new();
    for round in 0..rounds.max(1) {
        samples.push(if round % 2 == 0 {
            let ours = ours()?;
            (ours, theirs()?)
        } else {
            let theirs = theirs()?;
            (ours()?, theirs)
        });
    }
    Ok(Pair::of(&samples))
}

impl Pair {
    /// Of one (ours, theirs) for each round, at least one.
    fn of(samples: &[(Duration, Duration)]) -> Self {
        let mut ours: Vec<_> = samples.iter().map(|(ours, _)| *ours).collect();
        let mut theirs: Vec<_> = samples.iter().map(|(_, theirs)| *theirs).collect();
        let mut ratios: Vec<_> =
            samples.iter().map(|(ours, theirs)| ours.as_secs_f64() / theirs.as_secs_f64()).collect();
        ours.sort();
        theirs.sort();
        ratios.sort_by(f64::total_cmp);
        let rank = |quarters: usize| (samples.len() - 1) * quarters / 4;
        Self {
            ours: ours[rank(2)],
            theirs: theirs[rank(2)],
            ratio: ratios[rank(2)],
            quartiles: (ratios[rank(1)], ratios[rank(3)]),
        }
    }
}

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

/// The most memory that a command held at a time, in bytes, by GNU time; `None` where that is not installed.
pub(super) fn peak_memory(command: &Command) -> Result<Option<u64>, String> {
    const PROGRAM: &str = "/usr/bin/time";
    if !std::path::Path::new(PROGRAM).exists() {
        return Ok(None);
    }
    let mut timed = Command::new(PROGRAM);
    timed.args(["-f", "%M"]).arg(command.get_program()).args(command.get_args()).env_clear();
    if let Some(directory) = command.get_current_dir() {
        timed.current_dir(directory);
    }
    let output = timed.output().map_err(|error| format!("cannot run {timed:?}: {error}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    // What it prints comes last on stderr, in kilobytes of 1024 bytes.
    let kilobytes = errors.lines().last().and_then(|line| line.trim().parse::<u64>().ok());
    match kilobytes {
        Some(kilobytes) if output.status.success() => Ok(Some(kilobytes * 1024)),
        _ => Err(format!("{timed:?} failed:\n{errors}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_the_medians_and_the_median_of_the_ratios() {
        // The machine is ten times slower in the last two rounds; the ratio of each round is what it is.
        let rounds = [(1, 2), (3, 4), (1, 1), (20, 10), (30, 40)];
        let pair = Pair::of(
            &rounds.map(|(ours, theirs)| (Duration::from_millis(ours), Duration::from_millis(theirs))),
        );
        assert_eq!((pair.ours.as_millis(), pair.theirs.as_millis()), (3, 4));
        assert!((pair.ratio - 0.75).abs() < 1e-9);
        assert!((pair.quartiles.0 - 0.75).abs() < 1e-9);
        assert!((pair.quartiles.1 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn which_goes_first_alternates() {
        let order = std::cell::RefCell::new(String::new());
        let run = |name| {
            order.borrow_mut().push(name);
            Ok(Duration::from_millis(1))
        };
        pair(3, || run('o'), || run('t')).unwrap();
        assert_eq!(*order.borrow(), "ottoot");
    }
}
