//! ALTER TABLE and its relatives: one [`Change`] for each action.

use super::command::{Alter, Change, Detach, Object, Target, Using};
use super::data::{calls, is_only};
use super::table::{bound, column, constraint, data_type};
use super::tree::{all, child, has, identifier, name, name_in, part, table_of_column, text};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

/// ALTER of a relation of this kind.
pub(super) fn alter(node: &SyntaxNode, object: Object) -> Option<Alter> {
    let mut children = node.children().filter(|child| child.kind() != SyntaxKind::IF_EXISTS);
    let target = Target { name: name(&children.next()?)?, only: is_only(node) };
    let changes = children.map(|child| change(&child).unwrap_or(Change::Other)).collect();
    Some(Alter { object, target, if_exists: has(node, SyntaxKind::IF_EXISTS), changes })
}

fn change(node: &SyntaxNode) -> Option<Change> {
    if let Some(renamed) = rename(node) {
        return Some(renamed);
    }
    if let Some(sequence) = sequence(node) {
        return Some(sequence);
    }
    let constraint_name = || part(node, SyntaxKind::CONSTRAINT_NAME_REF);
    let cascade = has(node, SyntaxKind::CASCADE);
    Some(match node.kind() {
        SyntaxKind::ADD_COLUMN => {
            Change::AddColumn { column: column(node), if_not_exists: has(node, SyntaxKind::IF_NOT_EXISTS) }
        }
        SyntaxKind::DROP_COLUMN => {
            Change::DropColumn { name: part(node, SyntaxKind::COLUMN_NAME_REF)?, cascade }
        }
        SyntaxKind::ADD_CONSTRAINT => {
            Change::AddConstraint(node.children().find_map(|child| constraint(&child, ""))?)
        }
        SyntaxKind::DROP_CONSTRAINT => Change::DropConstraint { name: constraint_name()?, cascade },
        SyntaxKind::ALTER_CONSTRAINT => {
            Change::AlterConstraint { name: constraint_name()?, enforces: has(node, SyntaxKind::ENFORCED) }
        }
        SyntaxKind::VALIDATE_CONSTRAINT => Change::ValidateConstraint(constraint_name()?),
        SyntaxKind::ALTER_COLUMN | SyntaxKind::ALTER_VIEW_COLUMN => return alter_column(node),
        SyntaxKind::SET_SCHEMA => Change::SetSchema(part(node, SyntaxKind::SCHEMA_REF)?),
        SyntaxKind::OWNER_TO => Change::Owner,
        SyntaxKind::ATTACH_PARTITION => Change::Attach {
            partition: name_in(node, SyntaxKind::TABLE_NAME_REF)?,
            bound: bound(node).unwrap_or_default(),
        },
        SyntaxKind::DETACH_PARTITION => detach(node)?,
        SyntaxKind::ATTACH_INDEX_PARTITION => Change::AttachIndex(name_in(node, SyntaxKind::INDEX_REF)?),
        SyntaxKind::INHERIT_TABLE => Change::Inherit(name_in(node, SyntaxKind::TABLE_NAME_REF)?),
        SyntaxKind::NO_INHERIT_TABLE => Change::NoInherit(name_in(node, SyntaxKind::TABLE_NAME_REF)?),
        _ => return setting(node),
    })
}

/// The changes that only settings of the table are part of.
fn setting(node: &SyntaxNode) -> Option<Change> {
    Some(match node.kind() {
        SyntaxKind::OF_TYPE => Change::OfType,
        SyntaxKind::NOT_OF => Change::NotOf,
        SyntaxKind::REPLICA_IDENTITY => Change::ReplicaIdentity,
        SyntaxKind::SET_ACCESS_METHOD => Change::SetAccessMethod(part(node, SyntaxKind::ACCESS_METHOD_REF)),
        SyntaxKind::SET_TABLESPACE => Change::SetTablespace(part(node, SyntaxKind::TABLESPACE_REF)?),
        SyntaxKind::SET_LOGGED => Change::SetLogged(true),
        SyntaxKind::SET_UNLOGGED => Change::SetLogged(false),
        SyntaxKind::SET_OPTIONS | SyntaxKind::RESET_OPTIONS => Change::Options(options(node)),
        SyntaxKind::CLUSTER_ON | SyntaxKind::SET_WITHOUT_CLUSTER => Change::ClusterOn,
        SyntaxKind::SET_WITHOUT_OIDS => Change::SetWithoutOids,
        SyntaxKind::ENABLE_TRIGGER
        | SyntaxKind::DISABLE_TRIGGER
        | SyntaxKind::ENABLE_ALWAYS_TRIGGER
        | SyntaxKind::ENABLE_REPLICA_TRIGGER => Change::Trigger,
        SyntaxKind::ENABLE_RULE
        | SyntaxKind::DISABLE_RULE
        | SyntaxKind::ENABLE_ALWAYS_RULE
        | SyntaxKind::ENABLE_REPLICA_RULE => Change::Rule,
        SyntaxKind::ENABLE_RLS => Change::RowSecurity(true),
        SyntaxKind::DISABLE_RLS => Change::RowSecurity(false),
        SyntaxKind::FORCE_RLS => Change::ForceRowSecurity(true),
        SyntaxKind::NO_FORCE_RLS => Change::ForceRowSecurity(false),
        SyntaxKind::ALTER_OPTION_LIST => Change::ForeignOptions,
        SyntaxKind::DEPENDS_ON_EXTENSION | SyntaxKind::NO_DEPENDS_ON_EXTENSION => Change::Depends,
        SyntaxKind::ALTER_SET_STATISTICS => Change::ColumnStatistics,
        _ => return None,
    })
}

fn rename(node: &SyntaxNode) -> Option<Change> {
    Some(match node.kind() {
        SyntaxKind::RENAME_COLUMN => Change::RenameColumn {
            from: part(node, SyntaxKind::COLUMN_NAME_REF)?,
            to: part(node, SyntaxKind::COLUMN_NAME)?,
        },
        SyntaxKind::RENAME_CONSTRAINT => Change::RenameConstraint {
            from: part(node, SyntaxKind::CONSTRAINT_NAME_REF)?,
            to: part(node, SyntaxKind::CONSTRAINT_NAME)?,
        },
        SyntaxKind::TABLE_RENAME_TO
        | SyntaxKind::VIEW_RENAME_TO
        | SyntaxKind::SEQUENCE_RENAME_TO
        | SyntaxKind::INDEX_RENAME_TO => Change::Rename(name(node)?.name),
        _ => return None,
    })
}

/// What ALTER SEQUENCE changes of the counting.
fn sequence(node: &SyntaxNode) -> Option<Change> {
    Some(match node.kind() {
        SyntaxKind::OPTION_OWNED_BY => Change::Sequence {
            owner: child(node, SyntaxKind::QUALIFIED_COLUMN_NAME_REF)
                .and_then(|column| table_of_column(&column)),
        },
        SyntaxKind::OPTION_LOGGED => Change::SetLogged(true),
        SyntaxKind::OPTION_UNLOGGED => Change::SetLogged(false),
        SyntaxKind::OPTION_AS_TYPE
        | SyntaxKind::OPTION_CACHE
        | SyntaxKind::OPTION_INCREMENT
        | SyntaxKind::OPTION_RESTART
        | SyntaxKind::OPTION_START
        | SyntaxKind::OPTION_MAX_VALUE
        | SyntaxKind::OPTION_MIN_VALUE
        | SyntaxKind::OPTION_NO_MAX_VALUE
        | SyntaxKind::OPTION_NO_MIN_VALUE
        | SyntaxKind::OPTION_CYCLE
        | SyntaxKind::OPTION_NO_CYCLE => Change::Sequence { owner: None },
        _ => return None,
    })
}

fn detach(node: &SyntaxNode) -> Option<Change> {
    let mode = match () {
        () if has(node, SyntaxKind::DETACH_CONCURRENTLY) => Detach::Concurrently,
        () if has(node, SyntaxKind::DETACH_FINALIZE) => Detach::Finalize,
        () => Detach::Plain,
    };
    Some(Change::Detach { partition: name_in(node, SyntaxKind::TABLE_NAME_REF)?, mode })
}

fn alter_column(node: &SyntaxNode) -> Option<Change> {
    let mut children = node.children();
    let column = identifier(&children.next()?);
    let option = children.next()?;
    Some(match option.kind() {
        SyntaxKind::SET_TYPE => {
            let data_type = data_type(&option)?;
            let using = using(&option, &column, &data_type);
            Change::SetType { column, data_type, collation: part(&option, SyntaxKind::COLLATE), using }
        }
        SyntaxKind::SET_DEFAULT => {
            let expression = option.children().find_map(ast::Expr::cast)?;
            Change::SetDefault { column, default: Some(text(expression.syntax())) }
        }
        SyntaxKind::DROP_DEFAULT => Change::SetDefault { column, default: None },
        SyntaxKind::SET_NOT_NULL => Change::SetNotNull(column),
        SyntaxKind::DROP_NOT_NULL => Change::DropNotNull(column),
        SyntaxKind::SET_EXPRESSION => Change::SetExpression(column),
        SyntaxKind::DROP_EXPRESSION => Change::DropExpression(column),
        SyntaxKind::ADD_GENERATED => Change::AddIdentity(column),
        SyntaxKind::DROP_IDENTITY => Change::Identity { column, drop: true },
        SyntaxKind::SET_GENERATED
        | SyntaxKind::SET_GENERATED_OPTIONS
        | SyntaxKind::SET_SEQUENCE_OPTION
        | SyntaxKind::RESTART => Change::Identity { column, drop: false },
        SyntaxKind::SET_STATISTICS
        | SyntaxKind::SET_OPTIONS
        | SyntaxKind::SET_OPTIONS_LIST
        | SyntaxKind::RESET_OPTIONS => Change::ColumnStatistics,
        SyntaxKind::SET_STORAGE | SyntaxKind::SET_COMPRESSION => Change::ColumnStorage,
        _ => return None,
    })
}

/// Whether USING says no more than the change of type says without it.
fn using(node: &SyntaxNode, column: &str, data_type: &str) -> Option<Using> {
    let expression = child(node, SyntaxKind::USING_EXPR)?.children().find_map(ast::Expr::cast)?;
    let mut inner = expression.syntax().clone();
    while inner.kind() == SyntaxKind::PAREN_EXPR {
        inner = inner.first_child()?;
    }
    let plain = match inner.kind() {
        SyntaxKind::NAME_REF => identifier(&inner) == column,
        SyntaxKind::CAST_EXPR => {
            let cast = self::data_type(&inner)?;
            inner
                .first_child()
                .is_some_and(|of| of.kind() == SyntaxKind::NAME_REF && identifier(&of) == column)
                && cast.eq_ignore_ascii_case(data_type)
        }
        _ => false,
    };
    Some(if plain { Using::Plain } else { Using::Expression(calls(expression.syntax())) })
}

/// The names of storage parameters.
fn options(node: &SyntaxNode) -> Vec<String> {
    node.descendants()
        .filter(|inner| inner.kind() == SyntaxKind::ATTRIBUTE_OPTION)
        .filter_map(|option| {
            let name = all(&option, SyntaxKind::ATTRIBUTE_NAME).next()?;
            let name = text(&name).to_ascii_lowercase();
            let space = part(&option, SyntaxKind::ATTRIBUTE_NAMESPACE);
            Some(space.map_or_else(|| name.clone(), |space| format!("{space}.{name}")))
        })
        .collect()
}
