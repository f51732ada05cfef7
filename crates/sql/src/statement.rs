//! From a text to its statements, each understood once.

use crate::action::{Action, ObjectType};
use crate::boundary::Boundary;
use crate::code::{self, Code};
use crate::directive::{self, Directive};
use crate::kind::Kind;
use crate::mode::Follower;
use crate::reach::{self, Reach};
use crate::scanner::{Mode, ScanError, Scanner, Token, TokenKind};
use crate::session::{self, Calls, SessionEffect};
use crate::words::Words;
use diagnostics::{Provider, Span};
use serde::{Deserialize, Serialize};

/// One statement of a [`Script`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// From its first token to its last, in bytes of the text, without comments around it and without
    /// the semicolon that ends it.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
    /// What it does to named objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// What it may leave behind in its session.
    #[serde(default, skip_serializing_if = "SessionEffect::is_empty")]
    pub session: SessionEffect,
    /// Whose code it may run.
    #[serde(default)]
    pub code: Code,
    /// Which tables it may keep others from.
    #[serde(default)]
    pub reach: Reach,
}

/// A text, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// In the order of the text. Empty statements (`;;`) and comments are none.
    pub statements: Vec<Statement>,
    /// In the order of the text.
    pub directives: Vec<Directive>,
}

/// How to read a text: the dialect, and the session settings that decide about quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The dialect.
    pub provider: Provider,
    /// PostgreSQL's setting of that name at the start of the text; `SET` in the text changes it.
    pub standard_conforming_strings: bool,
    /// Whether MySQL's `sql_mode` has ANSI_QUOTES at the start of the text.
    pub ansi_quotes: bool,
    /// Whether MySQL's `sql_mode` has NO_BACKSLASH_ESCAPES at the start of the text.
    pub no_backslash_escapes: bool,
}

impl Options {
    /// How quotes are read at the start of a text.
    pub(crate) fn mode(&self) -> Mode {
        Mode {
            provider: self.provider,
            standard_conforming_strings: self.standard_conforming_strings,
            ansi_quotes: self.ansi_quotes,
            no_backslash_escapes: self.no_backslash_escapes,
        }
    }

    /// The dialect with its server's default settings.
    pub const fn new(provider: Provider) -> Self {
        Self { provider, standard_conforming_strings: true, ansi_quotes: false, no_backslash_escapes: false }
    }

    /// The same for a MySQL session whose `sql_mode` is this.
    pub fn with_sql_mode(self, value: &str) -> Self {
        let (ansi_quotes, no_backslash_escapes) = crate::mode::quotes_of_sql_mode(value);
        Self { ansi_quotes, no_backslash_escapes, ..self }
    }
}

/// How many tokens of a statement are kept when it is one of those that carry rows: enough for its head,
/// so that an INSERT of megabytes costs no memory.
const KEPT_TOKENS: usize = 128;

/// Takes `text` apart into statements. A byte order mark at its start is passed over.
///
/// # Errors
/// A quote or comment that is not closed. Nothing else is an error: text that is no SQL becomes statements
/// of [`Kind::Unknown`], and the server judges it.
pub fn split(text: &str, options: &Options) -> Result<Script, ScanError> {
    let start = text.len() - strip_bom(text).len();
    let mode = options.mode();
    let mut scanner = Scanner::new(text, Span::new(start, text.len()), mode);
    let mut follower = Follower::new(mode);
    let mut script = Script::default();
    let mut reading = Reading::new(text);
    while let Some(span) = reading.read(&mut scanner)? {
        let statement = reading.understand(span, options.provider);
        scanner.mode = follower.follow(&statement.kind, reading.words(options.provider));
        if statement.kind == Kind::CopyFromStdin {
            skip_copied_rows(&mut scanner);
        }
        if is_program(&statement) {
            scanner.directives.retain(|comment| comment.start < span.start || comment.start >= span.end);
        }
        collect_directives(&mut scanner, &mut script, span);
        script.statements.push(statement);
    }
    collect_directives(&mut scanner, &mut script, Span::new(text.len(), text.len()));
    Ok(script)
}

/// `text` without a byte order mark at its start.
pub fn strip_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The tokens of the statement that is being read.
struct Reading<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    calls: Calls,
}

impl<'t> Reading<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, tokens: Vec::new(), calls: Calls::default() }
    }

    /// Reads the next statement that is not empty.
    fn read(&mut self, scanner: &mut Scanner<'t>) -> Result<Option<Span>, ScanError> {
        self.tokens.clear();
        self.calls = Calls::default();
        let provider = scanner.mode.provider;
        let mut boundary = Boundary::new(provider);
        let mut previous = [None, None];
        let mut span: Option<Span> = None;
        let mut index = 0;
        loop {
            let passed = scanner.directives.len();
            let Some(token) = scanner.next_token()? else { break };
            if !boundary.ends_here() {
                // A comment of the body.
                scanner.directives.truncate(passed);
            }
            let ends = token.is_symbol(b';') && boundary.ends_here() && !scanner.in_code();
            if ends && span.is_none() {
                continue;
            }
            if ends {
                return Ok(span);
            }
            span = Some(Span::new(span.map_or(token.span.start, |span| span.start), token.span.end));
            if matches!(token.kind, TokenKind::CodeOpen | TokenKind::CodeClose) {
                continue;
            }
            if index == 0 && provider == Provider::MySql && token.is_word(self.text, "DELIMITER") {
                self.tokens.push(token);
                return Ok(Some(Span::new(token.span.start, self.line_end(scanner))));
            }
            boundary.see(token, previous[0], index, scanner);
            self.calls.see(token, previous, self.text, provider);
            if index < KEPT_TOKENS || self.keeps_all() {
                self.tokens.push(token);
            }
            previous = [Some(token), previous[0]];
            index += 1;
        }
        Ok(span)
    }

    fn keeps_all(&self) -> bool {
        !self.tokens.first().is_some_and(|first| {
            ["INSERT", "REPLACE", "VALUES", "UPDATE", "DELETE"]
                .iter()
                .any(|word| first.is_word(self.text, word))
        })
    }

    /// A client command takes the rest of its line.
    fn line_end(&self, scanner: &mut Scanner<'t>) -> usize {
        let rest = &self.text[scanner.position()..];
        let line = rest.split(['\n', '\r']).next().unwrap_or(rest);
        scanner.jump(scanner.position() + line.len());
        scanner.position() - (line.len() - line.trim_end().len())
    }

    fn words(&self, provider: Provider) -> Words<'_> {
        Words::new(self.text, &self.tokens, provider)
    }

    /// A definition whose query calls what is not known to be harmless.
    fn fills(&self, kind: &Kind) -> bool {
        self.calls.unknown && matches!(kind, Kind::Ddl(_))
    }

    fn understand(&self, span: Span, provider: Provider) -> Statement {
        let kind = crate::classify::kind(self.words(provider));
        let mut actions = crate::ddl::actions(&kind, self.words(provider));
        if provider == Provider::PostgreSql {
            crate::pg::refine(&mut actions, self.text, span, self.tokens.len());
        }
        let session = session::effect(&kind, &actions, &self.calls);
        let code = code::code(&kind, &actions, session, self.calls.unknown, self.text);
        let reach =
            reach::reach(&kind, &actions, session.calls_functions || self.fills(&kind), self.words(provider));
        Statement { span, kind, actions, session, code, reach }
    }
}

/// MySQL: a definition whose body may be one simple statement, which nothing brackets.
fn is_program(statement: &Statement) -> bool {
    let is_view = |object: &ObjectType| matches!(object, ObjectType::View);
    let mut actions = statement.actions.iter();
    actions.any(|action| matches!(action, Action::CreateObject { object, .. } if !is_view(object)))
}

/// Rows behind COPY ... FROM STDIN, as dumps have them, are no SQL: reading goes on behind `\.`.
fn skip_copied_rows(scanner: &mut Scanner<'_>) {
    let start = scanner.position();
    let mut at = start;
    for line in scanner.text()[start..].split_inclusive('\n') {
        at += line.len();
        if line.trim_end() == "\\." {
            scanner.jump(at);
            return;
        }
    }
}

/// Moves the comments that were passed on the way to the end of the newest statement into `script`.
fn collect_directives(scanner: &mut Scanner<'_>, script: &mut Script, newest: Span) {
    let index = script.statements.len();
    for span in std::mem::take(&mut scanner.directives) {
        let leads_file = index == 0 && span.start < newest.start;
        script.directives.extend(directive::read(scanner.text(), span, index, leads_file));
    }
}
