//! MySQL and MariaDB: the bodies of stored programs, and MariaDB's compound statements.
//!
//! BEGIN and END are not reserved there, and IF, CASE and REPEAT are functions or expressions as well:
//! they count only where a statement can begin, which the innermost open block decides.

use super::Step;

/// What is open inside a body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Begin,
    If,
    CaseStatement,
    CaseExpression,
    Loop,
    While,
    Repeat,
    For,
}

#[derive(Default)]
pub(crate) enum Boundary {
    /// Nothing decides yet.
    #[default]
    Start,
    /// A statement whose first semicolon ends it.
    Plain,
    /// CREATE PROCEDURE, FUNCTION, TRIGGER or EVENT, before its body; the number of open parentheses.
    Header { parentheses: usize },
    /// Inside a compound body.
    Body(Body),
}

/// The blocks that are open.
#[derive(Default)]
pub(crate) struct Body {
    blocks: Vec<Block>,
    /// Inside DECLARE ... HANDLER FOR, before the statement of the handler.
    handler: bool,
}

/// How many tokens CREATE OR REPLACE DEFINER = 'user'@'host' AGGREGATE may take.
const HEADER_TOKENS: usize = 16;

/// The objects that hold no program, though their names or options may contain the words for those.
const PLAIN_OBJECTS: &[&str] = &[
    "TABLE",
    "TEMPORARY",
    "VIEW",
    "SQL",
    "ALGORITHM",
    "INDEX",
    "UNIQUE",
    "FULLTEXT",
    "SPATIAL",
    "DATABASE",
    "SCHEMA",
    "USER",
    "ROLE",
    "SERVER",
    "SEQUENCE",
    "TABLESPACE",
    "LOGFILE",
    "UNDO",
];

/// The words that begin a body of one simple statement.
const SIMPLE_BODIES: &[&str] = &[
    "SELECT", "SET", "INSERT", "UPDATE", "DELETE", "REPLACE", "CALL", "RETURN", "WITH", "TRUNCATE", "CREATE",
    "ALTER", "DROP", "SIGNAL", "ANALYZE", "OPTIMIZE", "VALUES", "DO",
];

impl Boundary {
    pub(super) fn see(&mut self, step: &Step<'_, '_>) {
        match self {
            Boundary::Start => *self = start(step),
            Boundary::Plain => {}
            Boundary::Header { parentheses } => {
                if step.token.is_symbol(b'(') {
                    *parentheses += 1;
                } else if step.token.is_symbol(b')') {
                    *parentheses = parentheses.saturating_sub(1);
                } else if *parentheses == 0 {
                    self.look_for_body(step);
                }
            }
            Boundary::Body(body) => body.see(step),
        }
    }

    pub(super) fn ends_here(&self) -> bool {
        match self {
            Boundary::Start | Boundary::Plain | Boundary::Header { .. } => true,
            Boundary::Body(body) => body.blocks.is_empty(),
        }
    }

    fn look_for_body(&mut self, step: &Step<'_, '_>) {
        let names_program = step.follows_any(&["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "EXISTS"]);
        if names_program || step.follows_symbol(b'.') {
            return;
        }
        if let Some(block) = opened(step) {
            *self = Boundary::Body(Body { blocks: vec![block], handler: false });
        } else if step.is("DO") {
            // The body of an event follows; a loop or block may open there.
        } else if step.is_any(SIMPLE_BODIES)
            && !step.follows_any(&["BEFORE", "AFTER", "OR", "CHARACTER", "CONTAINS"])
        {
            *self = Boundary::Plain;
        }
    }
}

/// What the first tokens say.
fn start(step: &Step<'_, '_>) -> Boundary {
    if step.index == 0 {
        return match opened(step) {
            Some(Block::Begin) if !step.precedes("NOT") => Boundary::Plain,
            Some(block) => Boundary::Body(Body { blocks: vec![block], handler: false }),
            None if step.is_any(&["CREATE", "ALTER"]) => Boundary::Start,
            // A label may precede a compound statement.
            None if step.scanner.peek().is_some_and(|token| token.is_symbol(b':')) => Boundary::Start,
            None => Boundary::Plain,
        };
    }
    if step.token.is_symbol(b':') {
        return Boundary::Start;
    }
    if step.follows_symbol(b':')
        && let Some(block) = opened(step)
    {
        return Boundary::Body(Body { blocks: vec![block], handler: false });
    }
    if step.is_any(&["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT"]) {
        return Boundary::Header { parentheses: 0 };
    }
    if step.index > HEADER_TOKENS || step.is_any(PLAIN_OBJECTS) { Boundary::Plain } else { Boundary::Start }
}

/// The block that the token opens if a statement begins with it.
fn opened(step: &Step<'_, '_>) -> Option<Block> {
    let block = match () {
        () if step.is("BEGIN") => Block::Begin,
        () if step.is("IF") => Block::If,
        () if step.is("CASE") => Block::CaseStatement,
        () if step.is("LOOP") => Block::Loop,
        () if step.is("WHILE") => Block::While,
        () if step.is("REPEAT") => Block::Repeat,
        () if step.is("FOR") && !step.precedes("EACH") => Block::For,
        () => return None,
    };
    Some(block)
}

impl Body {
    fn see(&mut self, step: &Step<'_, '_>) {
        let Some(&innermost) = self.blocks.last() else { return };
        if step.follows_symbol(b'.') || step.follows_symbol(b'@') {
            return;
        }
        let begins = self.statement_begins(step, innermost);
        if step.is("END") {
            // UNTIL's condition stands before the END of REPEAT, an expression before that of CASE.
            let ends = begins
                || innermost == Block::CaseExpression
                || (innermost == Block::Repeat && step.precedes("REPEAT"));
            if ends {
                self.blocks.pop();
            }
        } else if step.follows("END") && step.is_any(&["IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR"]) {
            // The second word of END IF.
        } else if begins && step.is("DECLARE") {
            self.handler = false;
        } else if step.is("HANDLER") && step.follows_any(&["CONTINUE", "EXIT", "UNDO"]) {
            self.handler = true;
        } else if let Some(block) = opened(step).filter(|block| self.opens(*block, begins)) {
            self.blocks.push(block);
            self.handler = false;
        } else if step.is("CASE") {
            self.blocks.push(Block::CaseExpression);
        } else if step.token.is_symbol(b';') {
            self.handler = false;
        }
    }

    fn opens(&self, block: Block, begins: bool) -> bool {
        begins || (self.handler && block != Block::For)
    }

    /// True if a statement can begin with this token.
    fn statement_begins(&self, step: &Step<'_, '_>, innermost: Block) -> bool {
        if step.follows_symbol(b';') || step.follows_symbol(b':') {
            return true;
        }
        match innermost {
            Block::CaseExpression => false,
            Block::If | Block::CaseStatement => step.follows_any(&["THEN", "ELSE"]),
            Block::Begin => step.follows_any(&["BEGIN", "ATOMIC"]),
            Block::Loop => step.follows("LOOP"),
            Block::While | Block::For => step.follows("DO"),
            Block::Repeat => step.follows("REPEAT"),
        }
    }
}
