//! From the node of a statement to its [`Command`].

use super::alter::alter;
use super::command::{
    Belonging, Command, CreateFrom, CreateIndex, Data, Described, DomainChange, Drop, Object, ReindexTarget,
    Target, TypeChange, Verb,
};
use super::data::{calls, data, is_only};
use super::harmless::is_harmless;
use super::table::{create, data_type};
use super::tree::{
    all, child, has, has_word, identifier, name, name_in, names, part, parts, table_of_column, text,
};
use crate::action::Name;
use crate::catalog::Volatility;
use crate::words::unquote_string;
use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode, ast::AstNode};

/// What the statement says; what has no form here is opaque.
pub(super) fn command(node: &SyntaxNode) -> Command {
    let read = [relation, altered, dropped, belonging, typed, maintenance, described, routine];
    let found = read.iter().find_map(|read| read(node));
    found.unwrap_or_else(|| {
        if is_harmless(node) { Command::Harmless } else { Command::Opaque(opaque(node.kind())) }
    })
}

/// Queries, writes, and what CREATE makes of tables.
fn relation(node: &SyntaxNode) -> Option<Command> {
    Some(match node.kind() {
        SyntaxKind::SELECT
        | SyntaxKind::COMPOUND_SELECT
        | SyntaxKind::PAREN_SELECT
        | SyntaxKind::TABLE
        | SyntaxKind::VALUES
        | SyntaxKind::INSERT
        | SyntaxKind::UPDATE
        | SyntaxKind::DELETE
        | SyntaxKind::MERGE
        | SyntaxKind::COPY
        | SyntaxKind::PREPARE
        | SyntaxKind::DECLARE => Command::Data(data(node)),
        SyntaxKind::EXPLAIN if has(node, SyntaxKind::EXECUTE) => return None,
        SyntaxKind::EXPLAIN => Command::Data(data(node)),
        SyntaxKind::CREATE_TABLE | SyntaxKind::CREATE_FOREIGN_TABLE => Command::CreateTable(create(node)),
        SyntaxKind::CREATE_TABLE_AS if has(node, SyntaxKind::EXECUTE) => return None,
        SyntaxKind::CREATE_TABLE_AS => {
            create_from(node, name_in(node, SyntaxKind::TABLE_NAME)?, Object::Table)
        }
        SyntaxKind::SELECT_INTO => {
            let into = child(node, SyntaxKind::INTO_CLAUSE)?;
            create_from(node, name_in(&into, SyntaxKind::TABLE_NAME)?, Object::Table)
        }
        SyntaxKind::CREATE_VIEW => create_from(node, name_in(node, SyntaxKind::VIEW)?, Object::View),
        SyntaxKind::CREATE_MATERIALIZED_VIEW => {
            create_from(node, name_in(node, SyntaxKind::VIEW)?, Object::MaterializedView)
        }
        SyntaxKind::CREATE_INDEX => Command::CreateIndex(index(node)?),
        SyntaxKind::CREATE_SEQUENCE => Command::CreateSequence {
            name: name_in(node, SyntaxKind::SEQUENCE)?,
            if_not_exists: has(node, SyntaxKind::IF_NOT_EXISTS),
            owner: child(node, SyntaxKind::OPTION_OWNED_BY)
                .and_then(|owned| child(&owned, SyntaxKind::QUALIFIED_COLUMN_NAME_REF))
                .and_then(|column| table_of_column(&column)),
        },
        SyntaxKind::CREATE_STATISTICS => Command::CreateStatistics {
            name: name_in(node, SyntaxKind::STATISTICS),
            table: name_in(node, SyntaxKind::FROM_TABLE)?,
        },
        _ => return None,
    })
}

fn create_from(node: &SyntaxNode, name: Name, object: Object) -> Command {
    let temporary = node
        .descendants()
        .take_while(|inner| inner.kind() != SyntaxKind::FROM_CLAUSE)
        .any(|inner| inner.kind() == SyntaxKind::TEMP);
    Command::CreateFrom(CreateFrom {
        name,
        runs: object != Object::View && !has(node, SyntaxKind::WITH_NO_DATA),
        object,
        replace: has(node, SyntaxKind::OR_REPLACE),
        temporary,
        if_not_exists: has(node, SyntaxKind::IF_NOT_EXISTS),
        data: data(node),
    })
}

fn index(node: &SyntaxNode) -> Option<CreateIndex> {
    let items = child(node, SyntaxKind::PARTITION_ITEM_LIST)?;
    let column = |item: SyntaxNode| {
        item.first_child().filter(|key| key.kind() == SyntaxKind::NAME_REF).map(|key| identifier(&key))
    };
    let table = child(node, SyntaxKind::TABLE_RELATION_NAME)?;
    let written = node.text().to_string();
    let start = usize::from(table.text_range().start()) - usize::from(node.text_range().start());
    Some(CreateIndex {
        name: name_in(node, SyntaxKind::INDEX),
        table: Target { name: name(&table)?, only: is_only(&table) },
        concurrently: has_word(node, SyntaxKind::CONCURRENTLY_KW),
        unique: has_word(node, SyntaxKind::UNIQUE_KW),
        if_not_exists: has(node, SyntaxKind::IF_NOT_EXISTS),
        columns: all(&items, SyntaxKind::PARTITION_ITEM).map(column).collect(),
        calls: calls(node),
        definition: written.get(start..).unwrap_or_default().trim().to_owned(),
    })
}

/// ALTER of what is a relation.
fn altered(node: &SyntaxNode) -> Option<Command> {
    let object = match node.kind() {
        SyntaxKind::ALTER_TABLE => Object::Table,
        SyntaxKind::ALTER_FOREIGN_TABLE => Object::ForeignTable,
        SyntaxKind::ALTER_VIEW => Object::View,
        SyntaxKind::ALTER_MATERIALIZED_VIEW => Object::MaterializedView,
        SyntaxKind::ALTER_SEQUENCE => Object::Sequence,
        SyntaxKind::ALTER_INDEX => Object::Index,
        _ => return None,
    };
    if has(node, SyntaxKind::ALL_IN_TABLESPACE) {
        return Some(Command::Opaque("it moves whatever is in a tablespace"));
    }
    alter(node, object).map(Command::Alter)
}

/// DROP of what is a relation or has one.
fn dropped(node: &SyntaxNode) -> Option<Command> {
    let (object, reference) = match node.kind() {
        SyntaxKind::DROP_TABLE => (Object::Table, SyntaxKind::TABLE_NAME_REF),
        SyntaxKind::DROP_FOREIGN_TABLE => (Object::ForeignTable, SyntaxKind::TABLE_NAME_REF),
        SyntaxKind::DROP_VIEW => (Object::View, SyntaxKind::VIEW_REF),
        SyntaxKind::DROP_MATERIALIZED_VIEW => (Object::MaterializedView, SyntaxKind::VIEW_REF),
        SyntaxKind::DROP_SEQUENCE => (Object::Sequence, SyntaxKind::SEQUENCE_REF),
        SyntaxKind::DROP_INDEX => (Object::Index, SyntaxKind::INDEX_REF),
        SyntaxKind::DROP_TYPE => (Object::Type, SyntaxKind::TYPE_NAME_REF),
        SyntaxKind::DROP_DOMAIN => (Object::Type, SyntaxKind::DOMAIN_REF),
        SyntaxKind::DROP_STATISTICS => (Object::Statistics, SyntaxKind::STATISTICS_REF),
        _ => return None,
    };
    Some(Command::Drop(Drop {
        object,
        names: names(node, reference),
        if_exists: has(node, SyntaxKind::IF_EXISTS),
        cascade: has(node, SyntaxKind::CASCADE),
        concurrently: has_word(node, SyntaxKind::CONCURRENTLY_KW),
    }))
}

/// Triggers, rules, policies.
fn belonging(node: &SyntaxNode) -> Option<Command> {
    let (part, verb) = match node.kind() {
        SyntaxKind::CREATE_TRIGGER => (Belonging::Trigger, Verb::Create),
        SyntaxKind::ALTER_TRIGGER => (Belonging::Trigger, Verb::Alter),
        SyntaxKind::DROP_TRIGGER => (Belonging::Trigger, Verb::Drop),
        SyntaxKind::CREATE_RULE => (Belonging::Rule, Verb::Create),
        SyntaxKind::ALTER_RULE => (Belonging::Rule, Verb::Alter),
        SyntaxKind::DROP_RULE => (Belonging::Rule, Verb::Drop),
        SyntaxKind::CREATE_POLICY => (Belonging::Policy, Verb::Create),
        SyntaxKind::ALTER_POLICY => (Belonging::Policy, Verb::Alter),
        SyntaxKind::DROP_POLICY => (Belonging::Policy, Verb::Drop),
        _ => return None,
    };
    let on = [SyntaxKind::ON_RELATION, SyntaxKind::ON_TABLE].iter().find_map(|&kind| name_in(node, kind));
    let table = on.or_else(|| name_in(&child(node, SyntaxKind::RULE_ON)?, SyntaxKind::RELATION_NAME_REF))?;
    let mut data = data(node);
    // The function of a trigger, the functions of a policy are named, not run.
    data.calls.clear();
    if let Some(from) = name_in(node, SyntaxKind::FROM_TABLE) {
        let target = Target { name: from, only: true };
        data.uses.push(super::command::Use { target, how: super::command::How::Read });
    }
    let name = identifier(&node.children().find(|child| {
        matches!(
            child.kind(),
            SyntaxKind::TRIGGER
                | SyntaxKind::TRIGGER_REF
                | SyntaxKind::RULE
                | SyntaxKind::RULE_REF
                | SyntaxKind::POLICY
                | SyntaxKind::POLICY_REF
        )
    })?);
    Some(Command::Belonging { part, verb, name, table, data })
}

/// Types, domains, schemas.
fn typed(node: &SyntaxNode) -> Option<Command> {
    Some(match node.kind() {
        SyntaxKind::CREATE_TYPE => Command::CreateType(name_in(node, SyntaxKind::TYPE_NAME)?),
        SyntaxKind::CREATE_DOMAIN => Command::CreateDomain {
            name: name_in(node, SyntaxKind::DOMAIN)?,
            base: data_type(node)?,
            constrained: [SyntaxKind::CHECK_CONSTRAINT, SyntaxKind::NOT_NULL_CONSTRAINT]
                .iter()
                .any(|&kind| has(node, kind)),
        },
        SyntaxKind::ALTER_TYPE => Command::AlterType {
            name: name_in(node, SyntaxKind::TYPE_NAME_REF)?,
            change: node.children().skip(1).find_map(|action| type_change(&action))?,
        },
        SyntaxKind::ALTER_DOMAIN => Command::AlterDomain {
            name: name_in(node, SyntaxKind::DOMAIN_REF)?,
            change: node.children().skip(1).find_map(|action| domain_change(&action))?,
        },
        SyntaxKind::CREATE_SCHEMA => Command::CreateSchema {
            name: child(node, SyntaxKind::NAMED_SCHEMA).and_then(|named| part(&named, SyntaxKind::SCHEMA)),
            bare: node.children().all(|child| !is_element_of_schema(child.kind())),
        },
        SyntaxKind::ALTER_SCHEMA => match child(node, SyntaxKind::SCHEMA_RENAME_TO) {
            Some(rename) => Command::RenameSchema {
                from: part(node, SyntaxKind::SCHEMA_REF)?,
                to: part(&rename, SyntaxKind::SCHEMA)?,
            },
            None => Command::Harmless,
        },
        SyntaxKind::DROP_SCHEMA => Command::DropSchema {
            names: parts(node, SyntaxKind::SCHEMA_REF),
            cascade: has(node, SyntaxKind::CASCADE),
        },
        _ => return None,
    })
}

/// What CREATE SCHEMA may hold.
fn is_element_of_schema(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        SyntaxKind::CREATE_TABLE
            | SyntaxKind::CREATE_VIEW
            | SyntaxKind::CREATE_INDEX
            | SyntaxKind::CREATE_SEQUENCE
            | SyntaxKind::CREATE_TRIGGER
            | SyntaxKind::GRANT
    )
}

fn type_change(action: &SyntaxNode) -> Option<TypeChange> {
    Some(match action.kind() {
        SyntaxKind::ADD_VALUE | SyntaxKind::OWNER_TO | SyntaxKind::SET_OPTIONS => TypeChange::Small,
        SyntaxKind::RENAME_VALUE => {
            let mut values = action.descendants().filter(|inner| inner.kind() == SyntaxKind::LITERAL);
            let mut value = || unquote_string(&text(&values.next()?));
            TypeChange::RenameValue { from: value()?, to: value()? }
        }
        SyntaxKind::TYPE_RENAME_TO => TypeChange::Rename(name(action)?.name),
        SyntaxKind::SET_SCHEMA => TypeChange::SetSchema(part(action, SyntaxKind::SCHEMA_REF)?),
        SyntaxKind::RENAME_ATTRIBUTE | SyntaxKind::ALTER_TYPE_ATTRIBUTE_ACTION_LIST => {
            let cascade = action.descendants().any(|inner| inner.kind() == SyntaxKind::CASCADE);
            let loses = |kind| matches!(kind, SyntaxKind::DROP_ATTRIBUTE | SyntaxKind::ALTER_ATTRIBUTE);
            TypeChange::Attributes { cascade, loses: action.descendants().any(|inner| loses(inner.kind())) }
        }
        _ => return None,
    })
}

fn domain_change(action: &SyntaxNode) -> Option<DomainChange> {
    let not_valid = action.descendants().any(|inner| inner.kind() == SyntaxKind::NOT_VALID);
    Some(match action.kind() {
        SyntaxKind::ADD_CONSTRAINT if not_valid => DomainChange::AddNotValid,
        SyntaxKind::ADD_CONSTRAINT | SyntaxKind::SET_NOT_NULL | SyntaxKind::VALIDATE_CONSTRAINT => {
            DomainChange::Validates
        }
        SyntaxKind::DOMAIN_RENAME_TO => DomainChange::Rename(name(action)?.name),
        SyntaxKind::SET_SCHEMA => DomainChange::SetSchema(part(action, SyntaxKind::SCHEMA_REF)?),
        _ => DomainChange::Small,
    })
}

/// TRUNCATE, LOCK, CLUSTER, VACUUM, ANALYZE, REFRESH, REINDEX.
fn maintenance(node: &SyntaxNode) -> Option<Command> {
    let targets = |list: Option<SyntaxNode>, kind| {
        list.map_or_else(Vec::new, |list| {
            all(&list, kind)
                .filter_map(|target| Some(Target { name: name(&target)?, only: is_only(&target) }))
                .collect()
        })
    };
    Some(match node.kind() {
        SyntaxKind::TRUNCATE => Command::Truncate {
            tables: targets(child(node, SyntaxKind::TABLE_LIST), SyntaxKind::TABLE_RELATION_NAME),
            cascade: has(node, SyntaxKind::CASCADE),
            restarts: has(node, SyntaxKind::RESTART_IDENTITY),
        },
        SyntaxKind::LOCK => Command::Lock {
            tables: targets(child(node, SyntaxKind::RELATION_LIST), SyntaxKind::RELATION_NAME),
            mode: child(node, SyntaxKind::LOCK_MODE_CLAUSE).and_then(|clause| clause.first_child()).map(
                |mode| text(&mode).split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_uppercase(),
            ),
        },
        SyntaxKind::CLUSTER if has(node, SyntaxKind::CLUSTER_LEGACY) => {
            Command::Rewrite(vec![name(&child(node, SyntaxKind::CLUSTER_LEGACY)?.last_child()?)?])
        }
        SyntaxKind::CLUSTER => Command::Rewrite(names(node, SyntaxKind::TABLE_NAME_REF)),
        SyntaxKind::VACUUM | SyntaxKind::ANALYZE => {
            let list = child(node, SyntaxKind::TABLE_AND_COLUMNS_LIST);
            let tables = list.map_or_else(Vec::new, |list| {
                all(&list, SyntaxKind::TABLE_AND_COLUMNS)
                    .filter_map(|table| name_in(&table, SyntaxKind::TABLE_RELATION_NAME))
                    .collect()
            });
            if is_full(node) { Command::Rewrite(tables) } else { Command::Maintain(tables) }
        }
        SyntaxKind::REFRESH => Command::Refresh {
            view: name_in(node, SyntaxKind::VIEW_REF)?,
            concurrently: has_word(node, SyntaxKind::CONCURRENTLY_KW),
            with_data: !has(node, SyntaxKind::WITH_NO_DATA),
        },
        SyntaxKind::REINDEX => return reindex(node),
        _ => return None,
    })
}

/// VACUUM FULL, in either spelling, unless it is switched off.
fn is_full(node: &SyntaxNode) -> bool {
    let options = child(node, SyntaxKind::VACUUM_OPTION_LIST);
    let option = options
        .iter()
        .flat_map(|list| all(list, SyntaxKind::VACUUM_OPTION))
        .find(|option| part(option, SyntaxKind::VACUUM_OPTION_NAME).as_deref() == Some("full"));
    has_word(node, SyntaxKind::FULL_KW) || option.is_some_and(|option| !is_switched_off(&option))
}

fn is_switched_off(option: &SyntaxNode) -> bool {
    let value = option.children().nth(1).map(|value| text(&value));
    value.is_some_and(|value| crate::kind::is_off(value.trim_matches('\'')))
}

fn reindex(node: &SyntaxNode) -> Option<Command> {
    let option = child(node, SyntaxKind::REINDEX_OPTION_LIST)
        .and_then(|list| all(&list, SyntaxKind::REINDEX_OPTION_CONCURRENTLY).last());
    let target = node.children().find(|child| child.kind() != SyntaxKind::REINDEX_OPTION_LIST)?;
    let concurrently = has_word(&target, SyntaxKind::CONCURRENTLY_KW)
        || has_word(node, SyntaxKind::CONCURRENTLY_KW)
        || option.is_some_and(|option| {
            let written = text(&option);
            !crate::kind::is_off(written.rsplit(char::is_whitespace).next().unwrap_or_default())
        });
    let target = match target.kind() {
        SyntaxKind::REINDEX_TARGET_INDEX => ReindexTarget::Index(name(&target)?),
        SyntaxKind::REINDEX_TARGET_TABLE => ReindexTarget::Table(name(&target)?),
        SyntaxKind::REINDEX_TARGET_SCHEMA => ReindexTarget::Schema(part(&target, SyntaxKind::SCHEMA_REF)?),
        SyntaxKind::REINDEX_TARGET_DATABASE => ReindexTarget::All { system: false },
        SyntaxKind::REINDEX_TARGET_SYSTEM => ReindexTarget::All { system: true },
        _ => return None,
    };
    Some(Command::Reindex { target, concurrently })
}

/// COMMENT, SECURITY LABEL, GRANT, REVOKE, publications.
fn described(node: &SyntaxNode) -> Option<Command> {
    Some(match node.kind() {
        SyntaxKind::COMMENT_ON | SyntaxKind::SECURITY_LABEL => {
            let object = node.children().find(|child| child.kind() != SyntaxKind::FOR_PROVIDER)?;
            Command::Describe(described_object(&object)?)
        }
        SyntaxKind::GRANT | SyntaxKind::REVOKE => {
            let tables = child(node, SyntaxKind::ON_PRIVILEGE_OBJECTS_CLAUSE)
                .and_then(|clause| clause.first_child())
                .filter(|of| matches!(of.kind(), SyntaxKind::PRIVILEGE_DEFAULT | SyntaxKind::PRIVILEGE_TABLE))
                .map_or_else(Vec::new, |of| of.children().filter_map(|child| name(&child)).collect());
            Command::Privileges { tables, revoke: node.kind() == SyntaxKind::REVOKE }
        }
        SyntaxKind::CREATE_PUBLICATION | SyntaxKind::ALTER_PUBLICATION => Command::Publish {
            replaces: node.descendants_with_tokens().any(|element| element.kind() == SyntaxKind::SET_KW),
            tables: node
                .descendants()
                .filter(|inner| inner.kind() == SyntaxKind::PUBLICATION_OBJECT_TABLE)
                .filter_map(|table| table.children().find_map(|child| name(&child)))
                .collect(),
        },
        _ => return None,
    })
}

fn described_object(object: &SyntaxNode) -> Option<Described> {
    Some(match object.kind() {
        SyntaxKind::OBJECT_TABLE
        | SyntaxKind::OBJECT_VIEW
        | SyntaxKind::OBJECT_MATERIALIZED_VIEW
        | SyntaxKind::OBJECT_SEQUENCE
        | SyntaxKind::OBJECT_FOREIGN_TABLE => Described::Relation(name(object)?),
        SyntaxKind::OBJECT_INDEX => Described::Index(name(object)?),
        SyntaxKind::OBJECT_COLUMN => Described::Column(table_of_column(object)?),
        SyntaxKind::OBJECT_CONSTRAINT => match name_in(object, SyntaxKind::TABLE_NAME_REF) {
            Some(table) => Described::Part(table),
            // ON DOMAIN.
            None => Described::Other,
        },
        SyntaxKind::OBJECT_TRIGGER | SyntaxKind::OBJECT_POLICY | SyntaxKind::OBJECT_RULE => {
            Described::Part(object.children().skip(1).find_map(|child| name(&child))?)
        }
        _ => Described::Other,
    })
}

/// Functions and procedures.
fn routine(node: &SyntaxNode) -> Option<Command> {
    Some(match node.kind() {
        SyntaxKind::CREATE_FUNCTION | SyntaxKind::CREATE_PROCEDURE => Command::CreateFunction {
            name: [SyntaxKind::FUNCTION_NAME, SyntaxKind::PROCEDURE_NAME]
                .iter()
                .find_map(|&kind| name_in(node, kind))?,
            volatility: volatility(node),
            body: body(node),
        },
        SyntaxKind::DROP_FUNCTION | SyntaxKind::DROP_PROCEDURE | SyntaxKind::DROP_ROUTINE => {
            let signature = |inner: &SyntaxNode| {
                matches!(
                    inner.kind(),
                    SyntaxKind::FUNCTION_NAME_REF
                        | SyntaxKind::PROCEDURE_NAME_REF
                        | SyntaxKind::ROUTINE_NAME_REF
                )
            };
            Command::DropFunction {
                names: node.descendants().filter(signature).filter_map(|inner| name(&inner)).collect(),
                cascade: has(node, SyntaxKind::CASCADE),
            }
        }
        SyntaxKind::ALTER_FUNCTION | SyntaxKind::ALTER_PROCEDURE | SyntaxKind::ALTER_ROUTINE => {
            let rename = node.children().find(|child| {
                matches!(
                    child.kind(),
                    SyntaxKind::FUNCTION_RENAME_TO
                        | SyntaxKind::PROCEDURE_RENAME_TO
                        | SyntaxKind::ROUTINE_RENAME_TO
                )
            });
            let signature = node.first_child()?;
            let called = signature.first_child().unwrap_or(signature);
            Command::AlterFunction {
                name: name(&called)?,
                rename: rename.and_then(|rename| name(&rename)).map(|to| to.name),
            }
        }
        SyntaxKind::CREATE_EVENT_TRIGGER => Command::CreateEventTrigger,
        // Deferred checks are not made before the end.
        SyntaxKind::SET_CONSTRAINTS if !has(node, SyntaxKind::IMMEDIATE) => Command::Harmless,
        // Its own row is changed, and the table is not looked at.
        SyntaxKind::ALTER_STATISTICS => match child(node, SyntaxKind::STATISTICS_RENAME_TO) {
            Some(rename) => Command::RenameStatistics {
                name: name_in(node, SyntaxKind::STATISTICS_REF)?,
                to: name(&rename)?.name,
            },
            None => Command::Harmless,
        },
        _ => return None,
    })
}

fn volatility(node: &SyntaxNode) -> Volatility {
    let option = child(node, SyntaxKind::FUNC_OPTION_LIST);
    let said = |word| option.iter().any(|list| list.descendants().any(|inner| inner.kind() == word));
    match () {
        () if said(SyntaxKind::IMMUTABLE) => Volatility::Immutable,
        () if said(SyntaxKind::STABLE) => Volatility::Stable,
        () => Volatility::Volatile,
    }
}

/// What a body in SQL reads: the server looks its tables up when the function is made.
fn body(node: &SyntaxNode) -> Data {
    let written = data(node);
    let Some(options) = child(node, SyntaxKind::FUNC_OPTION_LIST) else { return written };
    let is_sql = child(&options, SyntaxKind::LANGUAGE_FUNC_OPTION)
        .and_then(|language| part(&language, SyntaxKind::LANGUAGE_REF))
        .is_none_or(|language| language == "sql");
    let string = child(&options, SyntaxKind::AS_FUNC_OPTION)
        .and_then(|definition| unquote_string(&text(&definition.first_child()?)));
    match string {
        Some(body) if is_sql && super::is_shallow(&body) => {
            let parse = SourceFile::parse(&body);
            data(parse.tree().syntax())
        }
        _ => written,
    }
}

fn opaque(kind: SyntaxKind) -> &'static str {
    match kind {
        SyntaxKind::DO | SyntaxKind::CALL => "it runs code that may do anything",
        SyntaxKind::EXECUTE | SyntaxKind::EXPLAIN | SyntaxKind::CREATE_TABLE_AS => {
            "it runs a statement that was prepared before"
        }
        SyntaxKind::FETCH | SyntaxKind::MOVE => "it runs a query that was declared before",
        SyntaxKind::CREATE_EXTENSION | SyntaxKind::ALTER_EXTENSION | SyntaxKind::DROP_EXTENSION => {
            "it runs the script of an extension"
        }
        SyntaxKind::DROP_OWNED | SyntaxKind::REASSIGN => "it changes whatever a role owns",
        SyntaxKind::CREATE_SUBSCRIPTION | SyntaxKind::ALTER_SUBSCRIPTION => {
            "it looks at the tables that it feeds"
        }
        SyntaxKind::SET_CONSTRAINTS => "it may check constraints that were deferred",
        _ => "what it, or its CASCADE, does to tables is not known",
    }
}
