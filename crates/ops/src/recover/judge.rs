//! What has become of a migration: judged from the states that it goes through and the database as it is. Pure.
//!
//! A migration of n statements has n + 1 states: before the first statement, and behind each. What differs between any two of
//! them is what the migration touches, and only that is compared: the database may have other differences.

use sql::{Action, DetachMode, Kind, Object, ObjectKind, PartKind, Snapshot, Statement};
use std::collections::{BTreeMap, BTreeSet};

/// A database as what it says of each thing: `table public.a`, `table public.a, column id`.
type Said = BTreeMap<String, String>;

/// What is known of one statement, apart from its traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    /// It changes the catalogue.
    Seen,
    /// It changes nothing that outlives its session: it can be run again.
    Harmless,
    /// It may change rows, or anything else of which the catalogue shows nothing.
    Hidden,
}

impl Trace {
    /// Of a statement that changes nothing in the catalogue.
    pub(crate) fn unseen(statement: &Statement) -> Self {
        if is_harmless(statement) { Trace::Harmless } else { Trace::Hidden }
    }
}

/// What has become of the migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// So many statements are applied, from the first on: that is proven.
    Applied(usize),
    /// Each of these numbers of applied statements fits.
    Ambiguous(Vec<usize>),
    /// None fits. The nearest, and how the database differs from it.
    Elsewhere { nearest: usize, differences: Vec<String> },
}

/// What the catalogue and the row say.
pub(crate) struct Evidence {
    /// Which numbers of applied statements fit what the database shows.
    pub(crate) fitting: Vec<usize>,
    /// Of each statement, whether it leaves traces.
    pub(crate) traces: Vec<Trace>,
    /// Statements that may commit inside of themselves: what they were to show may be missing, and rows be changed all the same.
    pub(crate) loose: Vec<usize>,
    /// The nearest state and how the database differs from it.
    pub(crate) nearest: (usize, Vec<String>),
}

impl Evidence {
    /// From the states and the database. There may be fewer states than statements: those behind one that fails by itself.
    pub(crate) fn of(states: &[Snapshot], live: &Snapshot, statements: &[&Statement]) -> Self {
        let states: Vec<Said> = states.iter().map(said).collect();
        let now = said(live);
        let touched = touched(&states);
        let differs = |(at, state): (usize, &Said)| -> Vec<String> {
            let half = statements.get(at).and_then(|next| left_half_done(next, live));
            touched
                .iter()
                .filter(|thing| state.get(*thing) != now.get(*thing))
                .filter(|thing| {
                    // What a broken build or removal has left of an index is made or removed by the next statement.
                    let broken = now.get(*thing).is_some_and(|text| text.ends_with(" INVALID"));
                    let next = states.get(at + 1);
                    !(broken && next.is_some_and(|next| next.get(*thing) != state.get(*thing)))
                })
                .filter(|thing| !half.as_ref().is_some_and(|half| thing.starts_with(half)))
                .map(|thing| described(thing, state, &now))
                .collect()
        };
        let differences: Vec<Vec<String>> = states.iter().enumerate().map(differs).collect();
        let fitting =
            differences.iter().enumerate().filter(|(_, found)| found.is_empty()).map(|(at, _)| at).collect();
        let nearest = differences.iter().enumerate().min_by_key(|(_, found)| found.len());
        let nearest = nearest.map_or((0, Vec::new()), |(at, found)| (at, found.clone()));
        let traces = statements
            .iter()
            .enumerate()
            .map(|(at, statement)| match (states.get(at), states.get(at + 1)) {
                (Some(before), Some(after)) if before != after => Trace::Seen,
                _ => Trace::unseen(statement),
            })
            .collect();
        Self { fitting, traces, loose: Vec::new(), nearest }
    }
}

/// What the names of things begin with that a statement leaves half done, and that it takes away when it runs again.
fn left_half_done(statement: &Statement, live: &Snapshot) -> Option<String> {
    statement.actions.iter().find_map(|action| match action {
        // Its first transaction gives the partition a constraint that says what its bounds have said.
        Action::DetachPartition { partition, mode: DetachMode::Concurrently, .. } => {
            let (object, _) = live.find(ObjectKind::Table, partition)?;
            Some(format!("{object}, {} ", PartKind::Constraint.word()))
        }
        _ => None,
    })
}

/// Judges. `told` are the numbers of statements that the migration's own row allows, where it has one of ours; `borders` where
/// whoever ran it can have stopped.
pub(crate) fn judge(evidence: &Evidence, told: Option<&[usize]>, borders: &[usize]) -> Verdict {
    if evidence.fitting.is_empty() {
        let (nearest, differences) = evidence.nearest.clone();
        return Verdict::Elsewhere { nearest, differences };
    }
    // What is written with each step comes first, then where a transaction can have ended, then the catalogue alone.
    for allowed in [told, Some(borders)].into_iter().flatten() {
        let kept: Vec<usize> =
            evidence.fitting.iter().copied().filter(|number| allowed.contains(number)).collect();
        if !kept.is_empty() {
            return doubted(one_of(&kept, &evidence.traces), evidence, told);
        }
    }
    doubted(one_of(&evidence.fitting, &evidence.traces), evidence, told)
}

/// Statements among the first `number`, from 0, that leave no trace and that nothing proves: what stands behind them is there, but a
/// person may have run that by hand. The first `proven` are by the migration's own row, or by what Prisma Migrate has stored.
///
/// `computes` says of a statement that it makes rows or values beside what the catalogue shows of it.
pub(crate) fn unproven(
    traces: &[Trace],
    computes: &dyn Fn(usize) -> bool,
    number: usize,
    proven: usize,
) -> Vec<usize> {
    let hides = |at: &usize| traces.get(*at) == Some(&Trace::Hidden) || computes(*at);
    (proven..number).filter(hides).collect()
}

/// A statement that may have done a part of its work is neither applied nor absent.
fn doubted(verdict: Verdict, evidence: &Evidence, told: Option<&[usize]>) -> Verdict {
    match verdict {
        Verdict::Applied(number)
            if evidence.loose.contains(&number) && told.is_none_or(|told| told.contains(&(number + 1))) =>
        {
            Verdict::Ambiguous(vec![number, number + 1])
        }
        other => other,
    }
}

/// Numbers between which nothing but harmless statements lie are one: the smallest, since those can run again; all of them
/// where nothing is left to run.
fn one_of(numbers: &[usize], traces: &[Trace]) -> Verdict {
    let mut groups: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match groups.last_mut() {
            Some((_, last))
                if traces
                    .get(*last..number)
                    .is_some_and(|between| between.iter().all(|trace| *trace == Trace::Harmless)) =>
            {
                *last = number;
            }
            _ => groups.push((number, number)),
        }
    }
    let chosen = |(first, last): &(usize, usize)| if *last == traces.len() { *last } else { *first };
    match &groups[..] {
        [one] => Verdict::Applied(chosen(one)),
        several => Verdict::Ambiguous(several.iter().map(chosen).collect()),
    }
}

/// What a snapshot says of each thing.
fn said(snapshot: &Snapshot) -> Said {
    let database = Object::database();
    let settings = snapshot.settings.iter();
    let mut all: Said =
        settings.map(|(name, value)| (format!("{database}, {name}"), value.clone())).collect();
    for (object, definition) in &snapshot.objects {
        all.insert(object.to_string(), definition.text.clone());
        for column in &definition.columns {
            all.insert(format!("{object}, column {}", column.name), column.text.clone());
        }
        for (part, text) in &definition.parts {
            all.insert(format!("{object}, {part}"), text.clone());
        }
    }
    all
}

/// What is not the same in all states.
fn touched(states: &[Said]) -> BTreeSet<String> {
    let names: BTreeSet<&String> = states.iter().flat_map(BTreeMap::keys).collect();
    names
        .into_iter()
        .filter(|name| states.windows(2).any(|pair| pair[0].get(*name) != pair[1].get(*name)))
        .cloned()
        .collect()
}

fn described(thing: &str, expected: &Said, live: &Said) -> String {
    match (expected.get(thing), live.get(thing)) {
        (Some(_), None) => format!("{thing} is missing"),
        (None, Some(_)) => format!("{thing} is there"),
        (expected, live) => {
            let text = |text: Option<&String>| text.cloned().unwrap_or_default();
            format!("{thing} is `{}` and not `{}`", text(live), text(expected))
        }
    }
}

/// Whether a statement can run again without any effect that would be another.
fn is_harmless(statement: &Statement) -> bool {
    let calls = statement.session.calls_functions;
    match &statement.kind {
        Kind::Set { .. }
        | Kind::SetConfig { .. }
        | Kind::Reset { .. }
        | Kind::SetRole
        | Kind::ResetRole
        | Kind::SetConstraints
        | Kind::Begin { .. }
        | Kind::Commit { .. }
        | Kind::Savepoint
        | Kind::ReleaseSavepoint
        | Kind::Pragma { .. }
        | Kind::LockTable
        | Kind::LockTables
        | Kind::SetTransaction { .. }
        | Kind::Query
        | Kind::Vacuum => !calls,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(fitting: &[usize], traces: &[Trace]) -> Evidence {
        Evidence {
            fitting: fitting.to_vec(),
            traces: traces.to_vec(),
            loose: Vec::new(),
            nearest: (0, Vec::new()),
        }
    }

    use Trace::{Harmless, Hidden, Seen};

    #[test]
    fn one_number_that_fits_is_proven() {
        let found = evidence(&[1], &[Seen, Seen]);
        assert_eq!(judge(&found, None, &[0, 1, 2]), Verdict::Applied(1));
    }

    #[test]
    fn harmless_statements_between_make_no_question() {
        assert_eq!(judge(&evidence(&[0, 1], &[Harmless, Seen]), None, &[0, 1, 2]), Verdict::Applied(0));
        assert_eq!(judge(&evidence(&[1, 2], &[Seen, Harmless]), None, &[0, 1, 2]), Verdict::Applied(2));
    }

    #[test]
    fn rows_between_are_a_question_unless_the_row_or_a_transaction_answers_it() {
        let found = evidence(&[1, 2], &[Seen, Hidden, Seen]);
        assert_eq!(judge(&found, None, &[0, 1, 2, 3]), Verdict::Ambiguous(vec![1, 2]));
        assert_eq!(judge(&found, Some(&[2]), &[0, 1, 2, 3]), Verdict::Applied(2));
        let rows = evidence(&[0, 1], &[Hidden, Seen]);
        assert_eq!(judge(&rows, None, &[0, 2]), Verdict::Applied(0));
    }

    #[test]
    fn what_was_done_by_hand_counts_where_nothing_else_fits() {
        // One transaction can have ended before the first statement or behind the last; a person stopped between.
        assert_eq!(judge(&evidence(&[1], &[Seen, Seen]), None, &[0, 2]), Verdict::Applied(1));
        // The row says two, the catalogue shows three.
        assert_eq!(judge(&evidence(&[3], &[Seen, Seen, Seen]), Some(&[2]), &[]), Verdict::Applied(3));
    }

    #[test]
    fn a_block_that_commits_inside_of_itself_may_have_done_a_part() {
        let found = Evidence { loose: vec![1], ..evidence(&[1], &[Seen, Seen]) };
        assert_eq!(judge(&found, None, &[0, 1, 2]), Verdict::Ambiguous(vec![1, 2]));
        assert_eq!(judge(&found, Some(&[1, 2]), &[]), Verdict::Ambiguous(vec![1, 2]), "it was begun");
        assert_eq!(judge(&found, Some(&[1]), &[]), Verdict::Applied(1), "it was not begun");
    }

    #[test]
    fn what_leaves_no_trace_before_what_is_there_is_proven_by_a_row_alone() {
        let traces = [Seen, Hidden, Harmless, Seen];
        assert_eq!(unproven(&traces, &|_| false, 4, 0), [1]);
        assert_eq!(unproven(&traces, &|_| false, 4, 2), [0; 0]);
        assert_eq!(unproven(&traces, &|_| false, 1, 0), [0; 0]);
    }

    #[test]
    fn a_file_that_takes_back_what_it_does_fits_twice() {
        let found = evidence(&[0, 2], &[Seen, Seen]);
        assert_eq!(judge(&found, None, &[0, 1, 2]), Verdict::Ambiguous(vec![0, 2]));
    }
}
