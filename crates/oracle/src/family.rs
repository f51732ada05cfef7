//! Families of statements that both readings know: what decides how a statement is sent.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterTableType, DiscardMode, ReindexObjectType, SelectStmt, TransactionStmtKind, VariableSetKind,
    WithClause,
};
use sql::{DdlVerb, Kind};

/// The family of a parsed statement; none for nodes that no rule of the product depends on.
pub(crate) fn family_of_node(node: &NodeEnum) -> Option<&'static str> {
    Some(match node {
        NodeEnum::TransactionStmt(statement) => transaction(statement.kind())?,
        NodeEnum::IndexStmt(statement) if statement.concurrent => "create index concurrently",
        NodeEnum::DropStmt(statement) if statement.concurrent => "drop index concurrently",
        NodeEnum::ReindexStmt(statement) => reindex(statement),
        NodeEnum::VacuumStmt(statement) if statement.is_vacuumcmd => "vacuum",
        NodeEnum::VacuumStmt(_) => "analyze",
        NodeEnum::ClusterStmt(statement) if statement.relation.is_none() => "cluster all",
        NodeEnum::SelectStmt(statement) => select(statement),
        NodeEnum::InsertStmt(_)
        | NodeEnum::UpdateStmt(_)
        | NodeEnum::DeleteStmt(_)
        | NodeEnum::MergeStmt(_) => "data",
        NodeEnum::ExplainStmt(_) | NodeEnum::VariableShowStmt(_) => "query",
        NodeEnum::CopyStmt(copy) if copy.is_from && copy.filename.is_empty() && !copy.is_program => {
            "copy from stdin"
        }
        NodeEnum::CopyStmt(_) => "copy",
        NodeEnum::VariableSetStmt(statement) => variable(statement),
        NodeEnum::ConstraintsSetStmt(_) => "set constraints",
        NodeEnum::DiscardStmt(statement) if statement.target() == DiscardMode::DiscardAll => "discard all",
        NodeEnum::DiscardStmt(_) => "discard",
        NodeEnum::CreatedbStmt(_) => "create database",
        NodeEnum::DropdbStmt(_) => "drop database",
        NodeEnum::CreateTableSpaceStmt(_) => "create tablespace",
        NodeEnum::DropTableSpaceStmt(_) => "drop tablespace",
        NodeEnum::CreateSubscriptionStmt(_) => "create subscription",
        NodeEnum::DropSubscriptionStmt(_) => "drop subscription",
        NodeEnum::AlterSystemStmt(_) => "alter system",
        NodeEnum::AlterEnumStmt(statement) if statement.old_val.is_empty() => "add enum value",
        NodeEnum::AlterTableStmt(statement) => alter_table(statement),
        NodeEnum::DoStmt(_) => "do",
        NodeEnum::CallStmt(_) => "call",
        NodeEnum::PrepareStmt(_) => "prepare",
        NodeEnum::ExecuteStmt(_) => "execute",
        NodeEnum::DeallocateStmt(_) => "deallocate",
        NodeEnum::DeclareCursorStmt(_) => "declare cursor",
        NodeEnum::FetchStmt(_) => "fetch",
        NodeEnum::ClosePortalStmt(_) => "close",
        NodeEnum::ListenStmt(_) => "listen",
        NodeEnum::NotifyStmt(_) => "notify",
        NodeEnum::UnlistenStmt(_) => "unlisten",
        NodeEnum::LockStmt(_) => "lock table",
        NodeEnum::TruncateStmt(_) => "truncate",
        NodeEnum::CreateStmt(_)
        | NodeEnum::CreateTableAsStmt(_)
        | NodeEnum::ViewStmt(_)
        | NodeEnum::RuleStmt(_)
        | NodeEnum::CreateFunctionStmt(_)
        | NodeEnum::IndexStmt(_) => "create",
        NodeEnum::DropStmt(_) => "drop",
        NodeEnum::RenameStmt(_) => "alter",
        _ => return None,
    })
}

fn transaction(kind: TransactionStmtKind) -> Option<&'static str> {
    use TransactionStmtKind as K;
    Some(match kind {
        K::TransStmtBegin | K::TransStmtStart => "begin",
        K::TransStmtCommit => "commit",
        K::TransStmtRollback => "rollback",
        K::TransStmtSavepoint => "savepoint",
        K::TransStmtRelease => "release",
        K::TransStmtRollbackTo => "rollback to",
        K::TransStmtPrepare => "prepare transaction",
        K::TransStmtCommitPrepared => "commit prepared",
        K::TransStmtRollbackPrepared => "rollback prepared",
        K::Undefined => return None,
    })
}

fn reindex(statement: &pg_query::protobuf::ReindexStmt) -> &'static str {
    let concurrently = statement.params.iter().any(
        |param| matches!(&param.node, Some(NodeEnum::DefElem(option)) if option.defname == "concurrently"),
    );
    match statement.kind() {
        _ if concurrently => "reindex concurrently",
        ReindexObjectType::ReindexObjectIndex | ReindexObjectType::ReindexObjectTable => "reindex",
        _ => "reindex many",
    }
}

fn select(statement: &SelectStmt) -> &'static str {
    if statement.into_clause.is_some() {
        "create"
    } else if statement.with_clause.as_ref().is_some_and(writes) {
        "data"
    } else {
        "query"
    }
}

fn writes(with: &WithClause) -> bool {
    with.ctes.iter().any(|cte| {
        let Some(NodeEnum::CommonTableExpr(cte)) = &cte.node else { return false };
        let query = cte.ctequery.as_ref().and_then(|query| query.node.as_ref());
        !matches!(query, None | Some(NodeEnum::SelectStmt(_)))
    })
}

fn variable(statement: &pg_query::protobuf::VariableSetStmt) -> &'static str {
    let resets = matches!(statement.kind(), VariableSetKind::VarReset | VariableSetKind::VarSetDefault);
    match (statement.name.as_str(), statement.kind()) {
        (_, VariableSetKind::VarResetAll) => "reset",
        ("TRANSACTION", _) => "set transaction",
        ("SESSION CHARACTERISTICS", _) => "set session characteristics",
        ("role", _) => "role",
        ("session_authorization", _) => "session authorization",
        _ if resets => "reset",
        _ => "set",
    }
}

fn alter_table(statement: &pg_query::protobuf::AlterTableStmt) -> &'static str {
    for command in &statement.cmds {
        let Some(NodeEnum::AlterTableCmd(command)) = &command.node else { continue };
        match command.subtype() {
            AlterTableType::AtDetachPartitionFinalize => return "detach finalize",
            AlterTableType::AtDetachPartition => {
                let partition = command.def.as_ref().and_then(|def| def.node.as_ref());
                if matches!(partition, Some(NodeEnum::PartitionCmd(partition)) if partition.concurrent) {
                    return "detach concurrently";
                }
            }
            _ => {}
        }
    }
    "alter"
}

/// The family of a kind, in the words of [`family_of_node`].
pub(crate) fn family_of_kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::Begin { .. } => "begin",
        Kind::Commit { .. } => "commit",
        Kind::Rollback { .. } => "rollback",
        Kind::Savepoint => "savepoint",
        Kind::ReleaseSavepoint => "release",
        Kind::RollbackToSavepoint => "rollback to",
        Kind::PrepareTransaction => "prepare transaction",
        Kind::CommitPrepared => "commit prepared",
        Kind::RollbackPrepared => "rollback prepared",
        Kind::CreateIndexConcurrently => "create index concurrently",
        Kind::DropIndexConcurrently => "drop index concurrently",
        Kind::ReindexConcurrently => "reindex concurrently",
        Kind::Reindex { many_tables: true } => "reindex many",
        Kind::Reindex { many_tables: false } => "reindex",
        Kind::Vacuum => "vacuum",
        Kind::ClusterAll => "cluster all",
        Kind::Query | Kind::SetConfig { .. } => "query",
        Kind::Data(_) => "data",
        Kind::CopyFromStdin => "copy from stdin",
        Kind::CopyToStdout | Kind::CopyOther { .. } => "copy",
        Kind::Set { .. } => "set",
        Kind::Reset { .. } => "reset",
        Kind::SetTransaction { .. } => "set transaction",
        Kind::SetSessionCharacteristics { .. } => "set session characteristics",
        Kind::SetRole | Kind::ResetRole => "role",
        Kind::SetSessionAuthorization | Kind::ResetSessionAuthorization => "session authorization",
        Kind::SetConstraints => "set constraints",
        Kind::Discard { all: true } => "discard all",
        Kind::Discard { all: false } => "discard",
        other => family_of_rest(other),
    }
}

fn family_of_rest(kind: &Kind) -> &'static str {
    match kind {
        Kind::CreateDatabase => "create database",
        Kind::DropDatabase => "drop database",
        Kind::CreateTablespace => "create tablespace",
        Kind::DropTablespace => "drop tablespace",
        Kind::CreateSubscription { .. } => "create subscription",
        Kind::DropSubscription => "drop subscription",
        Kind::AlterSystem => "alter system",
        Kind::AddEnumValue => "add enum value",
        Kind::DetachConcurrently => "detach concurrently",
        Kind::DetachFinalize => "detach finalize",
        Kind::Do => "do",
        Kind::Call => "call",
        Kind::Prepare => "prepare",
        Kind::Execute => "execute",
        Kind::Deallocate => "deallocate",
        Kind::DeclareCursor => "declare cursor",
        Kind::Fetch => "fetch",
        Kind::Close => "close",
        Kind::Listen => "listen",
        Kind::Notify => "notify",
        Kind::Unlisten => "unlisten",
        Kind::LockTable => "lock table",
        Kind::Ddl(DdlVerb::Create) => "create",
        Kind::Ddl(DdlVerb::Alter) => "alter",
        Kind::Ddl(DdlVerb::Drop) => "drop",
        Kind::Ddl(DdlVerb::Truncate) => "truncate",
        Kind::Ddl(DdlVerb::Analyze) => "analyze",
        _ => "other",
    }
}
