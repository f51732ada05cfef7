//! Cutting a file into segments: what is sent as one transaction, what is sent alone, and what is refused.
//!
//! A file is one transaction unless it needs more. It needs more if it steers BEGIN and COMMIT itself, if it has
//! statements that the database refuses or silently ignores inside a transaction, or (SQLite) if it brackets a
//! table rebuild with `PRAGMA foreign_keys` beside statements that fire foreign-key actions.

#[cfg(test)]
mod tests;

use super::{Bracket, Waits, waits};
use diagnostics::{Code, Diagnostic, Failure, Provider, Result, Source, codes};
use sql::{Action, Code as Runs, DataVerb, DdlVerb, Kind, Script, Statement, Substitution, TransactionRule};

/// A piece of a file that is done or not done as a whole (but for what commits inside itself).
#[derive(Clone, Debug)]
pub struct Segment {
    /// How it is sent.
    pub bracket: Bracket,
    /// The number of its first statement in the file, from 0.
    pub first: usize,
    /// Its statements.
    pub statements: Vec<Statement>,
    /// Statements are sent ahead of their answers.
    pub pipelined: bool,
    /// A statement of it, or of a segment before it, may leave settings, roles or session objects behind.
    pub changes_session: bool,
    /// A statement of it, or of a segment before it, may change the role.
    pub changes_role: bool,
    /// Whose code its statements, or those of a segment before it, may run.
    pub code: Runs,
    /// What the file says of its waits for locks.
    pub waits: Waits,
    /// What is sent in place of some of its statements; their numbers are those of the whole file.
    pub substitutions: Vec<Substitution>,
}

/// A text that is sent for a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent<'s> {
    /// The text.
    pub text: &'s str,
    /// It is the file's own.
    pub own: bool,
    /// Nothing is sent for the statement behind it.
    pub last: bool,
}

impl Segment {
    /// A statement chooses the isolation level of the segment's transaction.
    pub fn sets_isolation(&self) -> bool {
        self.statements.iter().any(|statement| statement.kind.sets_isolation())
    }

    /// Its transaction can be opened, and claimed, before anything of it is sent.
    pub fn opens_early(&self) -> bool {
        let first = self.statements.first();
        self.pipelined && !self.sets_isolation() && first.is_none_or(|first| !first.kind.sets_transaction())
    }

    /// What is sent for the statement at this place of the segment.
    pub fn sent<'s>(&'s self, index: usize, source: &'s Source) -> Vec<Sent<'s>> {
        let Some(statement) = self.statements.get(index) else { return Vec::new() };
        let number = self.first + index;
        let Some(other) = self.substitutions.iter().find(|other| other.statement == number) else {
            return vec![Sent { text: statement.span.slice(source.text()), own: true, last: true }];
        };
        let last = other.sent.len().saturating_sub(1);
        let texts = other.sent.iter().enumerate();
        texts.map(|(at, text)| Sent { text, own: other.own == Some(at), last: at == last }).collect()
    }

    /// MySQL: what is sent in place of the statement at this place, where that is another one: how it is carried out is that one's.
    pub fn stand_in(&self, index: usize, provider: Provider) -> Option<(Statement, String)> {
        let number = self.first + index;
        let other = self.substitutions.iter().find(|other| other.statement == number && other.own.is_none());
        let text = other.filter(|_| provider == Provider::MySql)?.sent.first()?.clone();
        let script = sql::split(&text, &sql::Options::new(provider)).ok()?;
        Some((script.statements.into_iter().next()?, text))
    }

    /// A transaction without statements of the file: for a row alone.
    pub fn empty() -> Self {
        Self {
            bracket: Bracket::Transaction,
            first: 0,
            statements: Vec::new(),
            pipelined: true,
            changes_session: false,
            changes_role: false,
            code: Runs::None,
            waits: Waits::default(),
            substitutions: Vec::new(),
        }
    }
}

/// How `-- cutover:transaction=...` wants a file to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// As the file needs.
    AsNeeded,
    /// One transaction, whatever is in it.
    File,
    /// Every statement alone.
    Off,
}

/// Cuts a file.
///
/// # Errors
/// Refusals with the place: C2003 for a transaction that is not closed, C2004 for a statement that cannot be part
/// of a migration. Nothing was sent then.
pub fn segments(script: &Script, source: &Source, provider: Provider) -> Result<Vec<Segment>> {
    let cutter = Cutter { source, provider };
    let wish = cutter.wish(script)?;
    let statements = &script.statements;
    let own_control = statements.iter().any(|statement| is_boundary(&statement.kind));
    cutter.refuse(statements, own_control)?;
    if let Some(boundary) = statements.iter().find(|statement| is_boundary(&statement.kind)) {
        let reason = match wish {
            Wish::File => Some(
                "`-- cutover:transaction=file` makes the file one transaction, and this statement would end or nest it",
            ),
            Wish::Off => Some(
                "`-- cutover:transaction=off` runs and records every statement by itself, and this one makes several one transaction",
            ),
            Wish::AsNeeded => None,
        };
        if let Some(reason) = reason {
            return Err(cutter.refusal(&codes::C2004, boundary, reason));
        }
    }
    let cut = match wish {
        Wish::Off => statements
            .iter()
            .map(|statement| cutter.piece(Bracket::Single, std::slice::from_ref(statement)))
            .collect(),
        Wish::File => vec![cutter.piece(Bracket::Transaction, statements)],
        Wish::AsNeeded if provider == Provider::MySql => {
            if let Some(statement) = super::mysql::unclosed(statements, source.text()) {
                return Err(cutter.unclosed(statement));
            }
            super::mysql::pieces(statements, source.text())
                .into_iter()
                .map(|(bracket, piece)| cutter.piece(bracket, piece))
                .collect()
        }
        Wish::AsNeeded if own_control => cutter.own_transactions(statements)?,
        Wish::AsNeeded
            if provider == Provider::Sqlite && statements.iter().any(|s| foreign_keys(&s.kind).is_some()) =>
        {
            cutter.rebuilds(statements)
        }
        Wish::AsNeeded if provider == Provider::Sqlite && cutter.rebuilds_without_switch(statements) => {
            vec![cutter.piece(Bracket::Rebuild, statements)]
        }
        Wish::AsNeeded => cutter.by_need(statements),
    };
    let mut segments = if cut.is_empty() { vec![cutter.piece(Bracket::Transaction, &[])] } else { cut };
    let mut first = 0;
    let (mut session, mut role, mut code) = (false, false, Runs::None);
    for segment in &mut segments {
        segment.first = first;
        first += segment.statements.len();
        session |= segment.changes_session;
        role |= segment.changes_role;
        code = code.max(segment.code);
        (segment.changes_session, segment.changes_role, segment.code) = (session, role, code);
    }
    waits::read(script, source, &mut segments)?;
    cutter.refuse_read_only_sessions(&segments)?;
    cutter.refuse_what_ends_early(&segments)?;
    Ok(segments)
}

/// Cuts a file once more after the server has taught that a value of an enum must be committed before its use:
/// after each ADD VALUE.
///
/// None if it cannot be cut: something of it holds only until the commit that would be put in.
pub fn commit_after_enum_values(segment: &Segment) -> Option<Vec<Segment>> {
    let mut pieces = Vec::new();
    let mut rest = segment.statements.as_slice();
    let mut first = segment.first;
    while !rest.is_empty() {
        let until = rest.iter().position(|s| s.kind == Kind::AddEnumValue).map_or(rest.len(), |at| at + 1);
        let (piece, tail) = rest.split_at(until);
        pieces.push(Segment { first, statements: piece.to_vec(), ..segment.clone() });
        first += piece.len();
        rest = tail;
    }
    let (_, before) = pieces.split_last()?;
    let ends_early = before.iter().any(|piece| piece.statements.iter().any(|s| s.session.transaction_local));
    (!before.is_empty() && !ends_early).then_some(pieces)
}

/// Statements that open or close a transaction.
fn is_boundary(kind: &Kind) -> bool {
    matches!(kind, Kind::Begin { .. } | Kind::Commit { .. })
}

/// `PRAGMA foreign_keys = ...` as on or off; `None` for anything else, reading included.
fn foreign_keys(kind: &Kind) -> Option<bool> {
    match kind {
        Kind::Pragma { name, argument: Some(argument) } if name == "foreign_keys" => {
            let argument = argument.trim_matches(['\'', '"']).to_ascii_lowercase();
            // As SQLite reads it: a number that is not zero, or one of three words.
            let number = argument.parse::<i64>().is_ok_and(|number| number != 0);
            Some(number || matches!(argument.as_str(), "on" | "yes" | "true"))
        }
        _ => None,
    }
}

struct Cutter<'a> {
    source: &'a Source,
    provider: Provider,
}

impl Cutter<'_> {
    fn wish(&self, script: &Script) -> Result<Wish> {
        let mut wish = Wish::AsNeeded;
        for directive in &script.directives {
            if directive.key != "transaction" {
                continue;
            }
            wish = match directive.value.as_deref() {
                Some("off") => Wish::Off,
                Some("file") => Wish::File,
                Some("segment") => Wish::AsNeeded,
                _ => {
                    return Err(Failure::new(
                        Diagnostic::error("`-- cutover:transaction=` takes off, file or segment")
                            .code(&codes::C2004)
                            .label(self.source, directive.span, "")
                            .help("write one of the three, then `cutover migrate deploy`"),
                    ));
                }
            };
        }
        Ok(wish)
    }

    fn piece(&self, bracket: Bracket, statements: &[Statement]) -> Segment {
        let effects = || statements.iter().map(|statement| statement.session);
        let savepoints = statements.iter().any(|statement| {
            matches!(statement.kind, Kind::Savepoint | Kind::RollbackToSavepoint | Kind::ReleaseSavepoint)
        });
        Segment {
            bracket,
            first: 0,
            statements: statements.to_vec(),
            // A savepoint can revive a transaction that has failed; a file that steers its own transactions is
            // never sent ahead either.
            pipelined: bracket == Bracket::Transaction && !savepoints,
            changes_session: effects().any(|effect| !effect.is_empty()),
            changes_role: effects().any(|effect| effect.role || effect.calls_functions),
            code: statements.iter().map(|statement| statement.code).max().unwrap_or(Runs::None),
            waits: Waits::default(),
            substitutions: Vec::new(),
        }
    }

    /// Refuses what holds until the end of its transaction in a file whose other statements need the transaction to end
    /// before them: an index landed on the table of another schema, and rows were deleted from another table.
    fn refuse_what_ends_early(&self, segments: &[Segment]) -> Result<()> {
        let [before @ .., _] = segments else { return Ok(()) };
        let ours = before.iter().filter(|segment| segment.bracket == Bracket::Transaction);
        let mut statements = ours.flat_map(|segment| &segment.statements);
        let found = statements
            .find(|statement| statement.session.transaction_local && self.provider == Provider::PostgreSql);
        match found {
            None => Ok(()),
            Some(statement) => Err(self.refusal(
                &codes::C2004,
                statement,
                "it holds until the end of its transaction, which ends before the statement that follows outside of one; write \
                 SET without LOCAL, or move it into a file of its own",
            )),
        }
    }

    fn rule(&self, statement: &Statement) -> TransactionRule {
        statement.kind.transaction_rule(self.provider)
    }

    /// Transactions of ours around what allows one, everything else alone.
    fn by_need(&self, statements: &[Statement]) -> Vec<Segment> {
        let mut pieces = Vec::new();
        let mut begin = 0;
        for (index, statement) in statements.iter().enumerate() {
            if self.rule(statement) == TransactionRule::Outside {
                if begin < index {
                    pieces.push(self.piece(Bracket::Transaction, &statements[begin..index]));
                }
                pieces.push(self.piece(Bracket::Single, &statements[index..=index]));
                begin = index + 1;
            }
        }
        if begin < statements.len() {
            pieces.push(self.piece(Bracket::Transaction, &statements[begin..]));
        }
        pieces
    }

    /// A file with BEGIN and COMMIT of its own: each of its transactions is a segment. Statements before a BEGIN
    /// belong to it, because the reference sends the file as one message.
    fn own_transactions(&self, statements: &[Statement]) -> Result<Vec<Segment>> {
        let mut pieces = Vec::new();
        let mut begin = 0;
        let mut open: Option<&Statement> = None;
        for (index, statement) in statements.iter().enumerate() {
            match &statement.kind {
                Kind::Begin { .. } => {
                    if self.provider == Provider::Sqlite {
                        // There every statement outside of BEGIN is a transaction of its own.
                        pieces.extend(self.by_need(&statements[begin..index]));
                        begin = index;
                    }
                    open = open.or(Some(statement));
                }
                Kind::Commit { .. } => {
                    pieces.push(self.piece(Bracket::OwnTransaction, &statements[begin..=index]));
                    begin = index + 1;
                    open = None;
                }
                // Between two transactions it can run, in the transaction that follows it cannot.
                _ if open.is_none() && self.rule(statement) == TransactionRule::Outside => {
                    pieces.extend(self.by_need(&statements[begin..=index]));
                    begin = index + 1;
                }
                _ => {}
            }
        }
        match open {
            Some(statement) => Err(self.unclosed(statement)),
            None => {
                pieces.extend(self.by_need(&statements[begin..]));
                Ok(pieces)
            }
        }
    }

    fn unclosed(&self, statement: &Statement) -> Failure {
        Failure::new(
            Diagnostic::error("this transaction is not closed: there is no COMMIT after it")
                .code(&codes::C2003)
                .label(self.source, statement.span, "opened here")
                .note("Prisma Migrate would report success and the server would throw the work away")
                .help(codes::C2003.way_out),
        )
    }

    /// SQLite: spans between `PRAGMA foreign_keys = OFF` and `ON`. If nothing outside of them can fire a
    /// foreign-key action, the whole file is one transaction with foreign keys off; else each span is a segment
    /// of its own, so that a DELETE beside it cascades as it does in the reference.
    fn rebuilds(&self, statements: &[Statement]) -> Vec<Segment> {
        let mut off = false;
        let mut alone = false;
        for statement in statements {
            match foreign_keys(&statement.kind) {
                Some(on) => off = !on,
                None if self.rule(statement) == TransactionRule::Outside => alone = true,
                None if !off => alone |= may_fire_foreign_keys(&statement.kind),
                None => {}
            }
        }
        if !alone {
            return vec![self.piece(Bracket::Rebuild, statements)];
        }
        let mut pieces = Vec::new();
        let mut begin = 0;
        let mut off = false;
        for (index, statement) in statements.iter().enumerate() {
            match foreign_keys(&statement.kind) {
                Some(false) if !off => {
                    pieces.extend(self.by_need(&statements[begin..index]));
                    begin = index;
                    off = true;
                }
                Some(true) if off => {
                    pieces.push(self.piece(Bracket::Rebuild, &statements[begin..=index]));
                    begin = index + 1;
                    off = false;
                }
                _ => {}
            }
        }
        if off {
            pieces.push(self.piece(Bracket::Rebuild, &statements[begin..]));
        } else {
            pieces.extend(self.by_need(&statements[begin..]));
        }
        pieces
    }

    /// Whether a table is dropped and another one takes its name: a rebuild, which must keep the rows that refer to the
    /// table also where its author has left `PRAGMA foreign_keys = OFF` to an earlier file. Beside statements whose
    /// foreign-key actions may be wanted it is left to the file.
    fn rebuilds_without_switch(&self, statements: &[Statement]) -> bool {
        let mut dropped: Vec<&sql::Name> = Vec::new();
        let mut rebuilds = false;
        for statement in statements {
            let wanted = matches!(
                statement.kind,
                Kind::Data(DataVerb::Update | DataVerb::Delete | DataVerb::Merge | DataVerb::Replace)
                    | Kind::Unknown
            );
            if wanted || self.rule(statement) == TransactionRule::Outside {
                return false;
            }
            for action in &statement.actions {
                match action {
                    Action::DropTable { names, .. } => dropped.extend(names),
                    Action::RenameTable { to, .. } => {
                        rebuilds |= dropped.iter().any(|name| name.name.eq_ignore_ascii_case(&to.name));
                    }
                    _ => {}
                }
            }
        }
        rebuilds
    }

    fn refuse(&self, statements: &[Statement], own_control: bool) -> Result<()> {
        let mut inside = false;
        for statement in statements {
            match statement.kind {
                Kind::Begin { .. } => inside = true,
                Kind::Commit { .. } => inside = false,
                _ => {}
            }
            let reason = match &statement.kind {
                kind if inside && foreign_keys(kind).is_some() && self.provider == Provider::Sqlite => {
                    "SQLite ignores this inside a transaction: a rebuild would delete the rows that refer to the table; \
                     move it before BEGIN and behind COMMIT"
                }
                Kind::Rollback { .. } => "ROLLBACK would undo the migration and leave it recorded as applied",
                Kind::Commit { and_chain: true } => "COMMIT AND CHAIN leaves a transaction open",
                Kind::PrepareTransaction => {
                    "PREPARE TRANSACTION leaves the work in limbo when the deploy ends"
                }
                Kind::Xa if self.words_of(statement).starts_with("XA ROLLBACK") => {
                    "XA ROLLBACK would undo the work and leave it recorded as applied"
                }
                Kind::CopyFromStdin => "COPY ... FROM STDIN waits for data that a migration cannot send",
                Kind::CopyToStdout => "COPY ... TO STDOUT sends data to a client that does not take it",
                Kind::Delimiter => "DELIMITER is a command of the mysql client, not of the server",
                kind if makes_own_transaction_read_only(kind) => {
                    "a read-only transaction cannot record the migration"
                }
                Kind::Savepoint | Kind::RollbackToSavepoint | Kind::ReleaseSavepoint
                    if !own_control && self.provider == Provider::PostgreSql =>
                {
                    "a savepoint needs a BEGIN of the file's own before it"
                }
                _ => continue,
            };
            return Err(self.refusal(&codes::C2004, statement, reason));
        }
        Ok(())
    }

    /// A statement in upper case, with one blank between its words.
    fn words_of(&self, statement: &Statement) -> String {
        let words = statement.span.slice(self.source.text()).split_whitespace();
        words.collect::<Vec<_>>().join(" ").to_ascii_uppercase()
    }

    /// A session that is read-only for the transactions after this one cannot record them.
    fn refuse_read_only_sessions(&self, segments: &[Segment]) -> Result<()> {
        if segments.len() < 2 {
            return Ok(());
        }
        let found = segments
            .iter()
            .flat_map(|segment| &segment.statements)
            .find(|statement| statement.kind.makes_read_only());
        match found {
            Some(statement) => Err(self.refusal(
                &codes::C2004,
                statement,
                "the transactions after this statement would be read-only and could not be recorded",
            )),
            None => Ok(()),
        }
    }

    fn refusal(&self, code: &'static Code, statement: &Statement, reason: &str) -> Failure {
        Failure::new(
            Diagnostic::error(reason)
                .code(code)
                .label(self.source, statement.span, "this statement")
                .note("nothing was sent to the database")
                .help(code.way_out),
        )
    }
}

/// Whether the transaction that the statement stands in becomes read-only; those after it are another matter.
fn makes_own_transaction_read_only(kind: &Kind) -> bool {
    let later = match kind {
        Kind::SetSessionCharacteristics { .. } => true,
        Kind::Set { name, .. } | Kind::SetConfig { name, .. } => name == "default_transaction_read_only",
        _ => false,
    };
    kind.makes_read_only() && !later
}

/// Statements that can make SQLite delete or change rows of other tables through a foreign key, directly or by
/// a trigger.
fn may_fire_foreign_keys(kind: &Kind) -> bool {
    match kind {
        Kind::Data(
            DataVerb::Insert | DataVerb::Update | DataVerb::Delete | DataVerb::Merge | DataVerb::Replace,
        ) => true,
        Kind::Ddl(verb) => *verb == DdlVerb::Drop,
        Kind::Unknown => true,
        _ => false,
    }
}
