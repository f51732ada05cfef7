//! Columns and constraints, as CREATE TABLE and ALTER TABLE define them.

use super::command::{ColumnDefinition, ConstraintDefinition, CreateTable, Form, Like, Value};
use super::data::{calls, sequences};
use super::tree::{all, child, has, identifier, name_in, names, part, parts, text};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

/// CREATE TABLE and CREATE FOREIGN TABLE.
pub(super) fn create(node: &SyntaxNode) -> CreateTable {
    let mut table = CreateTable {
        name: name_in(node, SyntaxKind::TABLE_NAME),
        temporary: has(node, SyntaxKind::TEMP),
        unlogged: has(node, SyntaxKind::UNLOGGED),
        foreign: node.kind() == SyntaxKind::CREATE_FOREIGN_TABLE,
        if_not_exists: has(node, SyntaxKind::IF_NOT_EXISTS),
        partitioned: has(node, SyntaxKind::PARTITION_BY),
        inherits: child(node, SyntaxKind::INHERITS)
            .map_or_else(Vec::new, |clause| names(&clause, SyntaxKind::TABLE_NAME_REF)),
        partition_of: child(node, SyntaxKind::PARTITION_OF)
            .and_then(|clause| name_in(&clause, SyntaxKind::TABLE_NAME_REF)),
        bound: bound(node),
        ..CreateTable::default()
    };
    let Some(list) = child(node, SyntaxKind::TABLE_ARG_LIST) else { return table };
    for argument in list.children() {
        match argument.kind() {
            SyntaxKind::COLUMN => table.columns.push(column(&argument)),
            SyntaxKind::LIKE_CLAUSE => table.like.extend(like(&argument)),
            _ => table.constraints.extend(constraint(&argument, "")),
        }
    }
    table
}

/// LIKE: the last word about a property counts.
fn like(node: &SyntaxNode) -> Option<Like> {
    let (mut indexes, mut constraints) = (false, false);
    for option in node.children() {
        let included = match option.kind() {
            SyntaxKind::INCLUDING_PROPERTY => true,
            SyntaxKind::EXCLUDING_PROPERTY => false,
            _ => continue,
        };
        let all = has(&option, SyntaxKind::PROPERTY_ALL);
        if all || has(&option, SyntaxKind::PROPERTY_INDEXES) {
            indexes = included;
        }
        if all || has(&option, SyntaxKind::PROPERTY_CONSTRAINTS) {
            constraints = included;
        }
    }
    Some(Like { table: name_in(node, SyntaxKind::RELATION_NAME_REF)?, indexes, constraints })
}

/// The bound of a partition, as written.
pub(super) fn bound(node: &SyntaxNode) -> Option<String> {
    node.children().find_map(|child| match child.kind() {
        SyntaxKind::PARTITION_DEFAULT => Some("DEFAULT".to_owned()),
        SyntaxKind::PARTITION_FOR_VALUES_FROM
        | SyntaxKind::PARTITION_FOR_VALUES_IN
        | SyntaxKind::PARTITION_FOR_VALUES_WITH => Some(text(&child)),
        _ => None,
    })
}

/// A column: the node of CREATE TABLE or ADD COLUMN.
pub(super) fn column(node: &SyntaxNode) -> ColumnDefinition {
    let mut column = ColumnDefinition {
        name: part(node, SyntaxKind::COLUMN_NAME).unwrap_or_default(),
        data_type: data_type(node).unwrap_or_default(),
        collation: part(node, SyntaxKind::COLLATE),
        ..ColumnDefinition::default()
    };
    for child in node.children() {
        match child.kind() {
            SyntaxKind::NOT_NULL_CONSTRAINT => column.not_null = true,
            SyntaxKind::DEFAULT_CONSTRAINT => column.default = value(&child),
            SyntaxKind::GENERATED_CONSTRAINT => generated(&child, &mut column),
            _ => column.constraints.extend(constraint(&child, &column.name)),
        }
    }
    column
}

/// The type of a column, as written.
pub(super) fn data_type(node: &SyntaxNode) -> Option<String> {
    node.children().find_map(ast::Type::cast).map(|found| text(found.syntax()))
}

fn generated(node: &SyntaxNode, column: &mut ColumnDefinition) {
    if has(node, SyntaxKind::GENERATED_IDENTITY) {
        column.identity = true;
    } else {
        // Without a word it is VIRTUAL, from 18 on; before, STORED has to stand there.
        column.generated = Some(node.descendants().any(|inner| inner.kind() == SyntaxKind::STORED));
    }
}

/// The expression of DEFAULT.
pub(super) fn value(node: &SyntaxNode) -> Option<Value> {
    let expression = node.children().find_map(ast::Expr::cast)?;
    let written = text(expression.syntax());
    let bare = written.split("::").next().unwrap_or(&written).trim();
    Some(Value {
        calls: calls(node),
        sequences: sequences(node),
        null: bare.eq_ignore_ascii_case("null"),
        text: written,
    })
}

/// A constraint, of this column where it stands at one.
pub(super) fn constraint(node: &SyntaxNode, column: &str) -> Option<ConstraintDefinition> {
    let own = |columns: Vec<String>| {
        if columns.is_empty() && !column.is_empty() { vec![column.to_owned()] } else { columns }
    };
    let form = match node.kind() {
        SyntaxKind::CHECK_CONSTRAINT => {
            let expression = node.children().find_map(ast::Expr::cast)?;
            Form::Check { columns: columns_of(expression.syntax()), expression: text(expression.syntax()) }
        }
        SyntaxKind::NOT_NULL_CONSTRAINT => {
            Form::NotNull { column: own(parts(node, SyntaxKind::COLUMN_NAME_REF)).pop()? }
        }
        SyntaxKind::PRIMARY_KEY_CONSTRAINT | SyntaxKind::UNIQUE_CONSTRAINT => {
            let listed = child(node, SyntaxKind::INDEX_PARAMETERS)
                .and_then(|parameters| child(&parameters, SyntaxKind::CONSTRAINT_COLUMN_REF_LIST))
                .map_or_else(Vec::new, |list| parts(&list, SyntaxKind::COLUMN_NAME_REF));
            Form::Key {
                primary: node.kind() == SyntaxKind::PRIMARY_KEY_CONSTRAINT,
                columns: own(listed),
                using_index: child(node, SyntaxKind::USING_INDEX_NAME)
                    .and_then(|using| name_in(&using, SyntaxKind::INDEX_REF))
                    .map(|index| index.name),
            }
        }
        SyntaxKind::EXCLUDE_CONSTRAINT => Form::Exclusion {
            columns: child(node, SyntaxKind::CONSTRAINT_EXCLUSION_LIST).map_or_else(Vec::new, |list| {
                all(&list, SyntaxKind::CONSTRAINT_EXCLUSION)
                    .flat_map(|item| parts(&item, SyntaxKind::NAME_REF))
                    .collect()
            }),
        },
        SyntaxKind::REFERENCES_CONSTRAINT => {
            Form::Foreign { columns: own(Vec::new()), table: name_in(node, SyntaxKind::TABLE_NAME_REF)? }
        }
        SyntaxKind::FOREIGN_KEY_CONSTRAINT => {
            let columns = all(node, SyntaxKind::FOREIGN_KEY_COLUMN_LIST).next()?;
            Form::Foreign {
                columns: parts(&columns, SyntaxKind::COLUMN_NAME_REF),
                table: name_in(node, SyntaxKind::TABLE_NAME_REF)?,
            }
        }
        _ => return None,
    };
    Some(ConstraintDefinition {
        name: child(node, SyntaxKind::CONSTRAINT_NAME_CLAUSE)
            .and_then(|clause| part(&clause, SyntaxKind::CONSTRAINT_NAME)),
        form,
        not_valid: has(node, SyntaxKind::NOT_VALID),
        no_inherit: has(node, SyntaxKind::NO_INHERIT),
        not_enforced: has(node, SyntaxKind::NOT_ENFORCED),
        calls: calls(node),
        text: text(node),
    })
}

/// The names in an expression that may be columns.
fn columns_of(node: &SyntaxNode) -> Vec<String> {
    let mut found: Vec<String> = node
        .descendants()
        .filter(|inner| inner.kind() == SyntaxKind::NAME_REF)
        .map(|inner| identifier(&inner))
        .collect();
    found.sort();
    found.dedup();
    found
}
