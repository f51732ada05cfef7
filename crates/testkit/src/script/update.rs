//! Writing expectations back into a scenario's file.

use super::parse::{Kind, On, Scenario, escape};
use super::run::Seen;
use std::collections::BTreeMap;

/// The file's text with all expectations as they were seen. A section without `@` stays one when all
/// databases agree and becomes one section per database when they do not.
pub(super) fn rewrite(text: &str, scenario: &Scenario, seen: &[Seen]) -> String {
    let mut replaced: BTreeMap<usize, Vec<&Seen>> = BTreeMap::new();
    let mut inserted: BTreeMap<(usize, Kind), Vec<&Seen>> = BTreeMap::new();
    for one in seen {
        if one.inserted {
            inserted.entry((one.step, one.kind)).or_default().push(one);
        } else {
            replaced.entry(one.step).or_default().push(one);
        }
    }
    let lines: Vec<&str> = text.lines().collect();
    let first = scenario.steps.first().map_or(lines.len(), |step| step.line - 1);
    let mut out: Vec<String> = lines[..first].iter().map(|line| (*line).to_owned()).collect();
    for (index, step) in scenario.steps.iter().enumerate() {
        let own = &lines[step.line - 1..step.line - 1 + step.height];
        // Blank lines after a body separate; they stay.
        let blank = own.iter().skip(1).rev().take_while(|line| line.trim().is_empty()).count();
        let (content, separators) = own.split_at(own.len() - blank);
        match replaced.get(&index) {
            Some(group) => out.extend(sections(group, step.only, scenario)),
            None => out.extend(content.iter().map(|line| (*line).to_owned())),
        }
        for (_, group) in inserted.range((index, Kind::Project)..=(index, Kind::Stderr)) {
            out.extend(sections(group, None, scenario));
        }
        out.extend(separators.iter().map(|line| (*line).to_owned()));
    }
    out.join("\n") + "\n"
}

/// One section when all databases that it is about saw the same, else one each.
fn sections(group: &[&Seen], only: Option<On>, scenario: &Scenario) -> Vec<String> {
    let all = only.is_some() || group.len() == scenario.on.len();
    let same =
        group.windows(2).all(|pair| pair[0].lines == pair[1].lines && pair[0].argument == pair[1].argument);
    if all && same {
        return group.first().map_or_else(Vec::new, |seen| section(seen, only));
    }
    group.iter().flat_map(|seen| section(seen, Some(seen.on))).collect()
}

fn section(seen: &Seen, only: Option<On>) -> Vec<String> {
    let suffix = only.map(|on| format!("@{on}")).unwrap_or_default();
    let header = format!("-- {}{suffix} {}", seen.kind.name(), seen.argument);
    let mut lines = vec![header.trim_end().to_owned()];
    lines.extend(seen.lines.iter().map(|line| escape(line)));
    lines
}
