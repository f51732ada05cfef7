//! What queries and writes use: relations and functions.

use super::command::{Data, How, Target, Use};
use super::tree::{all, child, fold, has, has_word, identifier, name, name_in, parts, text};
use crate::action::Name;
use crate::words::unquote_string;
use squawk_syntax::{SyntaxKind, SyntaxNode};

/// Everything that a node uses, at any depth.
pub(super) fn data(node: &SyntaxNode) -> Data {
    let mut data = Data::default();
    let queries = with_queries(node);
    for inner in node.descendants() {
        match inner.kind() {
            SyntaxKind::RELATION_FROM_ITEM => {
                let Some(name) = name_in(&inner, SyntaxKind::RELATION_NAME_REF) else { continue };
                if name.schema.is_none() && queries.contains(&name.name) {
                    continue;
                }
                data.uses.push(Use { target: Target { name, only: is_only(&inner) }, how: How::Read });
            }
            SyntaxKind::TABLE => data.uses.extend(relation(&inner, How::Read)),
            SyntaxKind::INSERT => data.uses.extend(insert(&inner)),
            SyntaxKind::UPDATE => data.uses.extend(relation(&inner, update(&inner))),
            SyntaxKind::DELETE => {
                let all_rows = reads_all(&inner);
                data.uses.extend(relation(&inner, How::Delete { all_rows }));
            }
            SyntaxKind::MERGE => data.uses.extend(relation(&inner, How::Merge)),
            SyntaxKind::COPY => data.uses.extend(copy(&inner)),
            SyntaxKind::CALL_EXPR => {
                data.uses.extend(sequence(&inner));
                data.calls.extend(called(&inner));
            }
            SyntaxKind::LOCKING_CLAUSE => lock_rows(&inner, &mut data),
            _ => {}
        }
    }
    data
}

/// The functions that an expression calls.
pub(super) fn calls(node: &SyntaxNode) -> Vec<Name> {
    node.descendants()
        .filter(|inner| inner.kind() == SyntaxKind::CALL_EXPR)
        .filter_map(|call| called(&call))
        .collect()
}

/// The sequences that an expression counts with.
pub(super) fn sequences(node: &SyntaxNode) -> Vec<Name> {
    let calls = node.descendants().filter(|inner| inner.kind() == SyntaxKind::CALL_EXPR);
    calls.filter_map(|call| sequence(&call)).map(|used| used.target.name).collect()
}

/// The function of a call; the special forms (EXTRACT, TRIM) are none, they are built in.
fn called(call: &SyntaxNode) -> Option<Name> {
    let function = call.children().next()?;
    match function.kind() {
        SyntaxKind::NAME_REF | SyntaxKind::FIELD_EXPR => name(&function),
        _ => None,
    }
}

/// The sequence of nextval and setval, where it is written as a string.
fn sequence(call: &SyntaxNode) -> Option<Use> {
    let function = called(call)?;
    matches!(function.name.as_str(), "nextval" | "setval").then_some(())?;
    let argument = child(&child(call, SyntaxKind::ARG_LIST)?, SyntaxKind::ARG)?;
    let literal = argument.descendants().find(|inner| inner.kind() == SyntaxKind::LITERAL)?;
    let written = unquote_string(&text(&literal))?;
    let (schema, name) = match written.split_once('.') {
        Some((schema, name)) => (Some(fold(schema)), fold(name)),
        None => (None, fold(&written)),
    };
    Some(Use { target: Target { name: Name { schema, name }, only: true }, how: How::Count })
}

fn with_queries(node: &SyntaxNode) -> Vec<String> {
    node.descendants()
        .filter(|inner| inner.kind() == SyntaxKind::CTE_NAME)
        .map(|inner| identifier(&inner))
        .collect()
}

pub(super) fn is_only(node: &SyntaxNode) -> bool {
    has_word(node, SyntaxKind::ONLY_KW)
        || node.children().any(|child| {
            matches!(child.kind(), SyntaxKind::RELATION_NAME | SyntaxKind::TABLE_RELATION_NAME)
                && is_only(&child)
        })
}

fn relation(node: &SyntaxNode, how: How) -> Option<Use> {
    let relation = node.children().find(|child| {
        matches!(
            child.kind(),
            SyntaxKind::RELATION_NAME | SyntaxKind::RELATION_NAME_REF | SyntaxKind::TABLE_RELATION_NAME
        )
    })?;
    Some(Use { target: Target { name: name(&relation)?, only: is_only(node) }, how })
}

fn insert(node: &SyntaxNode) -> Option<Use> {
    let columns = child(node, SyntaxKind::COLUMN_TARGET_LIST).map_or_else(Vec::new, |list| targets(&list));
    let or_sets = child(node, SyntaxKind::ON_CONFLICT_CLAUSE)
        .and_then(|clause| child(&clause, SyntaxKind::CONFLICT_DO_UPDATE_SET))
        .map_or_else(Vec::new, |sets| targets(&sets));
    relation(node, How::Insert { columns, or_sets })
}

fn update(node: &SyntaxNode) -> How {
    let columns = child(node, SyntaxKind::SET_CLAUSE).map_or_else(Vec::new, |clause| targets(&clause));
    How::Update { columns, all_rows: reads_all(node) }
}

/// No condition, no join: every row is looked at.
fn reads_all(node: &SyntaxNode) -> bool {
    ![
        SyntaxKind::WHERE_CLAUSE,
        SyntaxKind::WHERE_CURRENT_OF,
        SyntaxKind::FROM_CLAUSE,
        SyntaxKind::USING_CLAUSE,
    ]
    .iter()
    .any(|&kind| has(node, kind))
}

/// The columns that are set.
fn targets(node: &SyntaxNode) -> Vec<String> {
    node.descendants()
        .filter(|inner| inner.kind() == SyntaxKind::COLUMN_TARGET)
        .flat_map(|target| parts(&target, SyntaxKind::COLUMN_NAME_REF))
        .collect()
}

fn copy(node: &SyntaxNode) -> Option<Use> {
    let table = child(node, SyntaxKind::COPY_TABLE)?;
    let name = name_in(&table, SyntaxKind::TABLE_NAME_REF)?;
    let columns = child(&table, SyntaxKind::COLUMN_REF_LIST)
        .map_or_else(Vec::new, |list| parts(&list, SyntaxKind::COLUMN_NAME_REF));
    // COPY TO takes the rows of the table alone.
    let (how, only) = if has(node, SyntaxKind::COPY_FROM) {
        (How::Insert { columns, or_sets: Vec::new() }, false)
    } else {
        (How::Read, true)
    };
    Some(Use { target: Target { name, only }, how })
}

/// FOR UPDATE and the like: the tables of the SELECT that it stands in, or those that it names.
fn lock_rows(clause: &SyntaxNode, data: &mut Data) {
    let Some(select) = clause.parent() else { return };
    if select.kind() == SyntaxKind::TABLE {
        data.uses.extend(relation(&select, How::RowLock));
        return;
    }
    let named: Vec<String> = child(clause, SyntaxKind::LOCKING_OF)
        .map_or_else(Vec::new, |of| of.children().map(|name| identifier(&name)).collect());
    let Some(from) = child(&select, SyntaxKind::FROM_CLAUSE) else { return };
    for item in from.descendants().filter(|inner| inner.kind() == SyntaxKind::RELATION_FROM_ITEM) {
        let Some(name) = name_in(&item, SyntaxKind::RELATION_NAME_REF) else { continue };
        let alias = child(&item, SyntaxKind::FROM_ALIAS)
            .and_then(|alias| all(&alias, SyntaxKind::TABLE_ALIAS).next())
            .map(|alias| fold(&text(&alias)));
        let known_as = alias.as_ref().unwrap_or(&name.name);
        if named.is_empty() || named.contains(known_as) {
            let target = Target { only: is_only(&item), name };
            data.uses.push(Use { target, how: How::RowLock });
        }
    }
}
