//! What two databases do not have in common.

use super::{Definition, Object, ObjectKind, Snapshot};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One object in which two databases differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The object.
    pub object: Object,
    /// The parts that differ; none if the object is in one of the two alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartDifference>,
    /// It is in the first.
    pub in_first: bool,
    /// It is in the second.
    pub in_second: bool,
}

/// A part, a column or the text of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartDifference {
    /// `column note`, `index orders_idx`; empty for the text of the object itself.
    pub part: String,
    /// What the first says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// What the second says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
}

impl Snapshot {
    /// What differs, object by object, in the order of the objects.
    pub fn differences(&self, second: &Self) -> Vec<Difference> {
        let mut parts = Vec::new();
        differing(&by_name(&self.settings), &by_name(&second.settings), &mut parts);
        let database = (!parts.is_empty()).then(|| Difference {
            object: Object::database(),
            parts,
            in_first: true,
            in_second: true,
        });
        database.into_iter().chain(self.differing_objects(second)).collect()
    }

    /// The tables of both whose columns are the same ones and stand in another order, with their names in the second. That is no
    /// difference; an INSERT without a list of columns does another thing, though.
    pub fn reordered<'s>(&'s self, second: &'s Self) -> Vec<(&'s Object, Vec<&'s str>)> {
        let tables = self.objects.iter().filter(|(object, _)| object.kind == ObjectKind::Table);
        tables
            .filter_map(|(object, first)| {
                let now = second.objects.get(object)?;
                let (before, order) = (names(first), names(now));
                let all = |names: &[&'s str]| -> BTreeSet<&'s str> { names.iter().copied().collect() };
                (before != order && all(&before) == all(&order)).then_some((object, order))
            })
            .collect()
    }

    fn differing_objects(&self, second: &Self) -> Vec<Difference> {
        let objects: BTreeSet<&Object> = self.objects.keys().chain(second.objects.keys()).collect();
        objects
            .into_iter()
            .filter_map(|object| {
                let pair = (self.objects.get(object), second.objects.get(object));
                let parts = match pair {
                    (Some(first), Some(second)) => parts(first, second),
                    _ => Vec::new(),
                };
                let differs = pair.0.is_none() || pair.1.is_none() || !parts.is_empty();
                differs.then(|| Difference {
                    object: object.clone(),
                    parts,
                    in_first: pair.0.is_some(),
                    in_second: pair.1.is_some(),
                })
            })
            .collect()
    }
}

fn names(definition: &Definition) -> Vec<&str> {
    definition.columns.iter().map(|column| column.name.as_str()).collect()
}

fn parts(first: &Definition, second: &Definition) -> Vec<PartDifference> {
    let mut found = Vec::new();
    if first.text != second.text {
        let (first, second) = (Some(first.text.clone()), Some(second.text.clone()));
        found.push(PartDifference { part: String::new(), first, second });
    }
    differing(&first.compared(), &second.compared(), &mut found);
    found
}

fn by_name(settings: &BTreeMap<String, String>) -> BTreeMap<String, &str> {
    settings.iter().map(|(name, value)| (name.clone(), value.as_str())).collect()
}

/// Adds each name of which the two do not say the same.
fn differing(
    first: &BTreeMap<String, &str>,
    second: &BTreeMap<String, &str>,
    found: &mut Vec<PartDifference>,
) {
    let names: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    for name in names {
        let (first, second) = (first.get(name), second.get(name));
        if first != second {
            let owned = |text: Option<&&str>| text.map(|text| (*text).to_owned());
            found.push(PartDifference { part: name.clone(), first: owned(first), second: owned(second) });
        }
    }
}

impl Difference {
    /// One line for each thing that differs, with these words for the first and the second database.
    pub fn lines(&self, first: &str, second: &str) -> Vec<String> {
        let object = &self.object;
        match (self.in_first, self.in_second) {
            (true, false) => vec![format!("{object}: only in {first}")],
            (false, _) => vec![format!("{object}: only in {second}")],
            (true, true) => self
                .parts
                .iter()
                .map(|part| {
                    let what = match part.part.as_str() {
                        "" => object.to_string(),
                        part => format!("{object}, {part}"),
                    };
                    match (&part.first, &part.second) {
                        (Some(first_text), Some(second_text)) => {
                            format!("{what}: `{first_text}` in {first}, `{second_text}` in {second}")
                        }
                        (Some(text), None) => format!("{what}: only in {first} (`{text}`)"),
                        (None, text) => {
                            format!("{what}: only in {second} (`{}`)", text.as_deref().unwrap_or_default())
                        }
                    }
                })
                .collect(),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines("the first", "the second").join("\n"))
    }
}
