//! The machinery of the parser: a position in the tokens, the events that become the tree, the findings.
//!
//! The grammar itself is in `grammar`; it knows nothing of the tree's builder.

use crate::lexer::Token;
use crate::syntax::SyntaxKind::{self, *};
use diagnostics::{Diagnostic, Source, Span, codes};
use rowan::{GreenNode, GreenNodeBuilder};

/// Why a piece of the grammar could not be read. The member that it happened in tells it.
pub(crate) enum Wrong {
    /// This should have stood at the current token.
    Expected(&'static str),
    /// A field ends before its type.
    NoType,
    /// The property of this name ends before its value.
    NoValue(String),
}

/// The result of reading a piece of the grammar.
pub(crate) type Parsed = Result<(), Wrong>;

/// How deep expressions may be nested: more than any schema has, less than the stack holds.
const DEEPEST: usize = 64;

/// What is wrong with the bytes of a span.
pub(crate) struct Finding {
    span: Span,
    /// The line that it is in, up to the next one.
    line: Option<Span>,
    title: String,
    label: String,
    help: &'static str,
}

impl Finding {
    /// The finding as it is told; `shown` is the text that people get to see.
    pub(crate) fn diagnostic(self, shown: &Source) -> Diagnostic {
        let diagnostic =
            Diagnostic::error(self.title).code(&codes::P1012).label(shown, self.span, self.label);
        match self.line {
            Some(line) => diagnostic.window(line).help(self.help),
            None => diagnostic.help(self.help),
        }
    }
}

enum Event {
    Open(SyntaxKind),
    Close,
    /// The next token, also white space and comments.
    Token,
}

/// A position in a text, and what was found before it.
pub(crate) struct Parser<'s> {
    source: &'s str,
    tokens: &'s [Token],
    /// The next token that no event stands for yet.
    position: usize,
    /// Its first byte.
    offset: usize,
    /// How many parentheses and brackets are open: inside of them a line end is white space.
    enclosed: usize,
    events: Vec<Event>,
    findings: Vec<Finding>,
}

impl<'s> Parser<'s> {
    pub(crate) fn new(source: &'s str, tokens: &'s [Token]) -> Self {
        Self { source, tokens, position: 0, offset: 0, enclosed: 0, events: Vec::new(), findings: Vec::new() }
    }

    /// The kind of the next token that has a meaning.
    pub(crate) fn current(&self) -> SyntaxKind {
        self.nth(0)
    }

    /// The kind of the `n`-th token from here that has a meaning, from 0.
    pub(crate) fn nth(&self, n: usize) -> SyntaxKind {
        self.ahead().nth(n).map_or(END, |(kind, _)| kind)
    }

    /// The text of the next token that has a meaning.
    pub(crate) fn text(&self) -> &'s str {
        self.current_span().slice(self.source)
    }

    /// The bytes of the next token that has a meaning; of the end of the text, the empty place.
    pub(crate) fn current_span(&self) -> Span {
        let end = self.source.len();
        self.ahead().next().map_or(Span::new(end, end), |(_, span)| span)
    }

    /// The bytes from the next token with a meaning to the last one of its line.
    pub(crate) fn line_span(&self) -> Span {
        let start = self.current_span();
        let last = self.ahead().take_while(|(kind, _)| *kind != NEWLINE).last();
        Span::new(start.start, last.map_or(start.end, |(_, span)| span.end))
    }

    /// Whether the rest of the line has a token of this kind.
    pub(crate) fn line_has(&self, kind: SyntaxKind) -> bool {
        self.ahead().take_while(|(next, _)| *next != NEWLINE).any(|(next, _)| next == kind)
    }

    fn ahead(&self) -> impl Iterator<Item = (SyntaxKind, Span)> {
        let mut offset = self.offset;
        self.tokens[self.position..].iter().filter_map(move |token| {
            let span = Span::new(offset, offset + token.length);
            offset = span.end;
            (!self.skips(token.kind)).then_some((token.kind, span))
        })
    }

    fn skips(&self, kind: SyntaxKind) -> bool {
        kind.is_trivia() || (kind == NEWLINE && self.enclosed > 0)
    }

    /// Takes the next token with a meaning, and what stands before it.
    pub(crate) fn bump(&mut self) {
        self.take_trivia();
        if self.position < self.tokens.len() {
            self.take();
        }
    }

    /// Takes white space and comments before the next token with a meaning.
    pub(crate) fn take_trivia(&mut self) {
        while self.tokens.get(self.position).is_some_and(|token| self.skips(token.kind)) {
            if self.tokens[self.position].kind == UNTERMINATED_COMMENT {
                let span = Span::new(self.offset, self.offset + 2);
                self.report(
                    span,
                    "Error validating: This comment is not closed.",
                    "the comment begins here",
                    "Close the comment with `*/`.",
                );
            }
            self.take();
        }
    }

    fn take(&mut self) {
        self.offset += self.tokens[self.position].length;
        self.position += 1;
        self.events.push(Event::Token);
    }

    /// Takes the next token if it is of this kind.
    pub(crate) fn eat(&mut self, kind: SyntaxKind) -> bool {
        let found = self.current() == kind;
        if found {
            self.bump();
        }
        found
    }

    /// Takes the next token, which must be of this kind; `what` names it.
    pub(crate) fn expect(&mut self, kind: SyntaxKind, what: &'static str) -> Parsed {
        if self.eat(kind) { Ok(()) } else { Err(Wrong::Expected(what)) }
    }

    /// Makes a node of what `body` reads, also if `body` gives up half way.
    pub(crate) fn node<T>(&mut self, kind: SyntaxKind, body: impl FnOnce(&mut Self) -> T) -> T {
        self.take_trivia();
        self.events.push(Event::Open(kind));
        let result = body(self);
        self.events.push(Event::Close);
        result
    }

    /// Makes the outermost node, which white space at the start of the text belongs to.
    pub(crate) fn root(&mut self, kind: SyntaxKind, body: impl FnOnce(&mut Self)) {
        self.events.push(Event::Open(kind));
        body(self);
        self.events.push(Event::Close);
    }

    /// Reads what stands between a pair of parentheses or brackets, over line ends.
    pub(crate) fn enclosed(&mut self, body: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.enclosed >= DEEPEST {
            return Err(Wrong::Expected("less deeply nested values"));
        }
        self.enclosed += 1;
        let result = body(self);
        self.enclosed -= 1;
        result
    }

    /// Takes the rest of the line as not understood. A brace that ends the line is left: it closes the block.
    pub(crate) fn skip_line(&mut self) {
        if self.at_line_end() {
            return;
        }
        self.node(ERROR, |parser| {
            while !parser.at_line_end() {
                parser.bump();
            }
        });
    }

    /// Whether the line has nothing more, but perhaps the brace that closes its block.
    pub(crate) fn at_line_end(&self) -> bool {
        matches!(self.current(), NEWLINE | END)
            || (self.current() == RIGHT_BRACE && matches!(self.nth(1), NEWLINE | END))
    }

    /// Adds a finding.
    pub(crate) fn report(
        &mut self,
        span: Span,
        title: impl Into<String>,
        label: impl Into<String>,
        help: &'static str,
    ) {
        self.findings.push(Finding { span, line: None, title: title.into(), label: label.into(), help });
    }

    /// Adds a finding about a place in a line; `line` is what [`Self::line_span`] gave where the line began.
    pub(crate) fn report_line(&mut self, span: Span, line: Span, title: String, label: String) {
        // Parentheses may have led far beyond the line.
        let last = line.end.max(span.end);
        let rest = &self.source[last..];
        let end = last + rest.find('\n').map_or(rest.len(), |at| at + 1);
        let line = Some(Span::new(line.start, end));
        let help = "Correct the line, or delete it.";
        self.findings.push(Finding { span, line, title, label, help });
    }

    /// The tree and the findings, in the order of the text.
    pub(crate) fn finish(mut self) -> (GreenNode, Vec<Finding>) {
        let mut builder = GreenNodeBuilder::new();
        let mut tokens = self.tokens.iter();
        let mut offset = 0;
        for event in self.events {
            match event {
                Event::Open(kind) => builder.start_node(kind.into()),
                Event::Close => builder.finish_node(),
                Event::Token => {
                    if let Some(token) = tokens.next() {
                        let end = offset + token.length;
                        builder.token(token.kind.into(), &self.source[offset..end]);
                        offset = end;
                    }
                }
            }
        }
        self.findings.sort_by_key(|finding| finding.span.start);
        (builder.finish(), self.findings)
    }
}
