//! CREATE, ALTER, DROP and the maintenance commands: which of them need a transaction, or none.

use crate::kind::{DdlVerb, Kind};
use crate::words::Words;
use diagnostics::Provider;

/// CREATE; `words` stands behind it.
pub(super) fn create(mut words: Words<'_>) -> Kind {
    if words.provider() == Provider::PostgreSql {
        let mut index = words.clone();
        index.take("UNIQUE");
        if index.take_all(&["INDEX", "CONCURRENTLY"]) {
            return Kind::CreateIndexConcurrently;
        }
        if words.take("TABLESPACE") {
            return Kind::CreateTablespace;
        }
        if words.take("SUBSCRIPTION") {
            return Kind::CreateSubscription { slot: creates_slot(words) };
        }
    }
    if words.provider() != Provider::Sqlite && words.take("DATABASE") {
        return Kind::CreateDatabase;
    }
    Kind::Ddl(DdlVerb::Create)
}

/// A subscription creates its slot unless `create_slot` or `connect` is false.
fn creates_slot(mut words: Words<'_>) -> bool {
    while words.advance().is_some() {
        if words.take_any(&["CREATE_SLOT", "CONNECT"]).is_some()
            && words.symbol(b'=')
            && option_is_off(&mut words)
        {
            return false;
        }
    }
    true
}

fn option_is_off(words: &mut Words<'_>) -> bool {
    let value =
        words.string().or_else(|| words.advance().map(|token| token.span.slice(words.text()).to_owned()));
    value.is_some_and(|value| crate::kind::is_off(&value))
}

/// DROP; `words` stands behind it.
pub(super) fn drop(mut words: Words<'_>) -> Kind {
    if words.provider() == Provider::PostgreSql {
        if words.take_all(&["INDEX", "CONCURRENTLY"]) {
            return Kind::DropIndexConcurrently;
        }
        if words.take("TABLESPACE") {
            return Kind::DropTablespace;
        }
        if words.take("SUBSCRIPTION") {
            return Kind::DropSubscription;
        }
    }
    if words.provider() != Provider::Sqlite && words.take("DATABASE") {
        return Kind::DropDatabase;
    }
    if words.provider() == Provider::MySql && words.take("PREPARE") {
        return Kind::Deallocate;
    }
    Kind::Ddl(DdlVerb::Drop)
}

/// ALTER; `words` stands behind it.
pub(super) fn alter(mut words: Words<'_>) -> Kind {
    if words.provider() != Provider::PostgreSql {
        return Kind::Ddl(DdlVerb::Alter);
    }
    match words.take_any(&["SYSTEM", "TYPE", "DATABASE", "SUBSCRIPTION", "TABLE"]) {
        Some("SYSTEM") => return Kind::AlterSystem,
        Some("TYPE") => {
            words.name();
            if words.take_all(&["ADD", "VALUE"]) {
                return Kind::AddEnumValue;
            }
        }
        Some("DATABASE") => {
            words.name();
            if words.take_all(&["SET", "TABLESPACE"]) {
                return Kind::AlterDatabaseTablespace;
            }
        }
        Some("SUBSCRIPTION") => {
            words.name();
            if refreshes(words) {
                return Kind::AlterSubscriptionRefresh;
            }
        }
        Some(_) => return detach(words).unwrap_or(Kind::Ddl(DdlVerb::Alter)),
        None => {}
    }
    Kind::Ddl(DdlVerb::Alter)
}

/// REFRESH PUBLICATION, and SET, ADD or DROP PUBLICATION unless they say `refresh = false`.
fn refreshes(mut words: Words<'_>) -> bool {
    if words.take("REFRESH") {
        return true;
    }
    if words.take_any(&["SET", "ADD", "DROP"]).is_none() || !words.take("PUBLICATION") {
        return false;
    }
    while words.advance().is_some() {
        if words.take("REFRESH") && words.symbol(b'=') && option_is_off(&mut words) {
            return false;
        }
    }
    true
}

/// ALTER TABLE ... DETACH PARTITION ... CONCURRENTLY or FINALIZE; `words` stands behind TABLE.
fn detach(mut words: Words<'_>) -> Option<Kind> {
    words.if_exists();
    words.take("ONLY");
    words.name()?;
    words.symbol(b'*');
    if !words.take_all(&["DETACH", "PARTITION"]) {
        return None;
    }
    words.name()?;
    match words.take_any(&["CONCURRENTLY", "FINALIZE"]) {
        Some("CONCURRENTLY") => Some(Kind::DetachConcurrently),
        Some(_) => Some(Kind::DetachFinalize),
        None => None,
    }
}

/// REINDEX of PostgreSQL; `words` stands behind it.
pub(super) fn reindex(mut words: Words<'_>) -> Kind {
    let action = crate::ddl::reindex(&mut words);
    match action {
        Some(crate::Action::Reindex { concurrently: true, .. }) => Kind::ReindexConcurrently,
        Some(crate::Action::Reindex { target, .. }) => {
            use crate::ReindexTarget::{Database, Schema, System};
            Kind::Reindex { many_tables: matches!(target, Schema | Database | System) }
        }
        _ => Kind::Unknown,
    }
}

/// CLUSTER; `words` stands behind it.
pub(super) fn cluster(mut words: Words<'_>) -> Kind {
    if words.look(0).is_some_and(|token| token.is_symbol(b'(')) {
        words.skip_one();
    }
    words.take("VERBOSE");
    if words.is_done() { Kind::ClusterAll } else { Kind::Ddl(DdlVerb::Cluster) }
}

/// COPY; `words` stands behind it.
pub(super) fn copy(mut words: Words<'_>) -> Kind {
    while !words.is_done() {
        if words.take("FROM") {
            return if words.take_any(&["STDIN", "STDOUT"]).is_some() {
                Kind::CopyFromStdin
            } else {
                Kind::CopyOther { to_program_or_file: words.at_word("PROGRAM") }
            };
        }
        if words.take("TO") {
            let to_client = words.take_any(&["STDOUT", "STDIN"]).is_some();
            return if to_client { Kind::CopyToStdout } else { Kind::CopyOther { to_program_or_file: true } };
        }
        words.skip_one();
    }
    Kind::Unknown
}
