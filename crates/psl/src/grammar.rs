//! The grammar: one function for each piece of the language.
//!
//! A piece that is not there as it should be is `Err(Wrong)`; the member (the line) that it belongs to
//! tells it once, gives up the rest of the line, and the next line is read as if nothing had been.

use crate::ast::BlockKind;
use crate::parser::{Parsed, Parser, Wrong};
use crate::syntax::SyntaxKind::*;

const UNKNOWN_LINE: &str =
    "Error validating: This line is invalid. It does not start with any known Prisma schema keyword.";
const UNKNOWN_BLOCK: &str = "Error validating: This block is invalid. It does not start with any known Prisma schema keyword. Valid keywords include 'model', 'enum', 'type', 'datasource' and 'generator'.";
const KEYWORDS: &str =
    "Begin it with `model`, `view`, `type`, `enum`, `datasource` or `generator`, a name and `{`.";

/// The whole file.
pub(crate) fn schema(parser: &mut Parser<'_>) {
    parser.root(SCHEMA, |parser| {
        loop {
            match parser.current() {
                END => break,
                NEWLINE => parser.bump(),
                _ => top_level(parser),
            }
        }
        parser.take_trivia();
    });
}

fn top_level(parser: &mut Parser<'_>) {
    match block_ahead(parser) {
        Some(kind) => block(parser, kind),
        None if parser.line_has(LEFT_BRACE) => unknown_block(parser),
        None => {
            parser.report(parser.line_span(), UNKNOWN_LINE, "", KEYWORDS);
            parser.node(ERROR, Parser::bump);
            parser.skip_line();
        }
    }
}

/// The kind of the block that begins here: a keyword, a name (which may be missing) and a brace.
fn block_ahead(parser: &Parser<'_>) -> Option<BlockKind> {
    let kind = BlockKind::from_keyword(parser.text())?;
    let named = parser.nth(1) == IDENTIFIER && parser.nth(2) == LEFT_BRACE;
    (named || parser.nth(1) == LEFT_BRACE).then_some(kind)
}

/// Whether, inside a block, the next one begins: the closing brace was forgotten.
fn is_next_block(parser: &Parser<'_>) -> bool {
    parser.nth(2) == LEFT_BRACE && block_ahead(parser).is_some()
}

/// A block with a keyword that nobody knows: one finding, up to the line that closes it.
fn unknown_block(parser: &mut Parser<'_>) {
    parser.report(parser.line_span(), UNKNOWN_BLOCK, "", KEYWORDS);
    parser.node(ERROR, |parser| {
        parser.bump();
        let mut open = 0usize;
        loop {
            match parser.current() {
                END => break,
                IDENTIFIER if is_next_block(parser) => break,
                LEFT_BRACE => open += 1,
                RIGHT_BRACE => open = open.saturating_sub(1),
                _ => {}
            }
            let closed = parser.current() == RIGHT_BRACE && open == 0;
            parser.bump();
            if closed {
                break;
            }
        }
    });
}

fn block(parser: &mut Parser<'_>, kind: BlockKind) {
    parser.node(kind.node(), |parser| {
        let keyword = parser.current_span();
        parser.bump();
        let name = if parser.current() == IDENTIFIER { parser.text() } else { "" };
        if parser.current() == IDENTIFIER {
            parser.node(NAME, Parser::bump);
        } else {
            let help = "Write a name between the keyword and the brace.";
            parser.report(keyword, UNKNOWN_BLOCK, "it has no name", help);
        }
        parser.bump();
        loop {
            match parser.current() {
                RIGHT_BRACE => {
                    parser.bump();
                    break;
                }
                NEWLINE => parser.bump(),
                END => {
                    unclosed(parser, keyword);
                    break;
                }
                IDENTIFIER if is_next_block(parser) => {
                    unclosed(parser, keyword);
                    break;
                }
                _ => line(parser, kind, name),
            }
        }
    });
}

fn unclosed(parser: &mut Parser<'_>, keyword: diagnostics::Span) {
    let title = "Error validating: This block is not closed.";
    parser.report(keyword, title, "the block begins here", "Close the block with `}` on a line of its own.");
}

/// One line of a block, or several if parentheses or brackets hold them together.
fn line(parser: &mut Parser<'_>, kind: BlockKind, block: &str) {
    let whole = parser.line_span();
    let parsed = member(parser, kind).and_then(|()| match parser.current() {
        NEWLINE | RIGHT_BRACE | END => Ok(()),
        _ => Err(Wrong::Expected("the end of the line")),
    });
    let Err(wrong) = parsed else { return };
    // A line end, or the brace that closes the block, is nothing that is wrong by itself.
    let ended = parser.at_line_end();
    let span = if ended { whole } else { parser.current_span() };
    let keyword = kind.keyword();
    let (title, label) = match wrong {
        Wrong::Expected(what) => (kind.bad_line().to_owned(), format!("expected {what}")),
        Wrong::NoType => (
            format!(
                "Error validating {keyword} \"{block}\": This field declaration is invalid. It is either missing a name or a type."
            ),
            "expected a type".to_owned(),
        ),
        Wrong::NoValue(property) => (
            format!("Property {property} in {keyword} {block} needs to be assigned a value"),
            "expected a value".to_owned(),
        ),
    };
    parser.report_line(span, whole, title, label);
    if !ended {
        parser.node(ERROR, Parser::bump);
        parser.skip_line();
    }
}

fn member(parser: &mut Parser<'_>, kind: BlockKind) -> Parsed {
    match kind {
        BlockKind::Datasource | BlockKind::Generator => parser.node(PROPERTY, property),
        _ if parser.current() == AT_AT => parser.node(BLOCK_ATTRIBUTE, attribute),
        BlockKind::Enum => parser.node(ENUM_VALUE, |parser| {
            name(parser)?;
            attributes(parser)
        }),
        BlockKind::Model | BlockKind::View | BlockKind::CompositeType => parser.node(FIELD, |parser| {
            name(parser)?;
            parser.node(FIELD_TYPE, field_type)?;
            attributes(parser)
        }),
    }
}

fn name(parser: &mut Parser<'_>) -> Parsed {
    if parser.current() != IDENTIFIER {
        return Err(Wrong::Expected("a name"));
    }
    parser.node(NAME, Parser::bump);
    Ok(())
}

fn property(parser: &mut Parser<'_>) -> Parsed {
    let property = parser.text();
    name(parser)?;
    parser.expect(EQUALS, "`=`")?;
    match parser.current() {
        NEWLINE | RIGHT_BRACE | END => Err(Wrong::NoValue(property.to_owned())),
        _ => expression(parser),
    }
}

fn field_type(parser: &mut Parser<'_>) -> Parsed {
    match parser.current() {
        IDENTIFIER => {}
        NEWLINE | RIGHT_BRACE | END | AT => return Err(Wrong::NoType),
        _ => return Err(Wrong::Expected("a type")),
    }
    if parser.text() == "Unsupported" && parser.nth(1) == LEFT_PARENTHESIS {
        parser.node(UNSUPPORTED, |parser| {
            parser.bump();
            argument_list(parser)
        })?;
    } else {
        path(parser)?;
    }
    loop {
        match parser.current() {
            QUESTION_MARK | EXCLAMATION_MARK => parser.bump(),
            LEFT_BRACKET => {
                parser.bump();
                parser.expect(RIGHT_BRACKET, "`]`")?;
            }
            _ => return Ok(()),
        }
    }
}

fn attributes(parser: &mut Parser<'_>) -> Parsed {
    while parser.current() == AT {
        parser.node(ATTRIBUTE, attribute)?;
    }
    Ok(())
}

/// `@name` or `@@name`, with arguments or without.
fn attribute(parser: &mut Parser<'_>) -> Parsed {
    parser.bump();
    path(parser)?;
    if parser.current() == LEFT_PARENTHESIS { argument_list(parser) } else { Ok(()) }
}

fn path(parser: &mut Parser<'_>) -> Parsed {
    parser.node(PATH, |parser| {
        parser.expect(IDENTIFIER, "a name")?;
        while parser.eat(DOT) {
            parser.expect(IDENTIFIER, "a name after the dot")?;
        }
        Ok(())
    })
}

fn argument_list(parser: &mut Parser<'_>) -> Parsed {
    parser.node(ARGUMENT_LIST, |parser| {
        parser.expect(LEFT_PARENTHESIS, "`(`")?;
        parser.enclosed(|parser| {
            while !matches!(parser.current(), RIGHT_PARENTHESIS | END) {
                parser.node(ARGUMENT, argument)?;
                if !parser.eat(COMMA) {
                    break;
                }
            }
            parser.expect(RIGHT_PARENTHESIS, "`,` or `)`")
        })
    })
}

fn argument(parser: &mut Parser<'_>) -> Parsed {
    if parser.current() == IDENTIFIER && parser.nth(1) == COLON {
        name(parser)?;
        parser.bump();
    }
    expression(parser)
}

fn expression(parser: &mut Parser<'_>) -> Parsed {
    match parser.current() {
        STRING => {
            check_escapes(parser);
            parser.node(STRING_LITERAL, Parser::bump);
            Ok(())
        }
        NUMBER => {
            parser.node(NUMBER_LITERAL, Parser::bump);
            Ok(())
        }
        LEFT_BRACKET => parser.node(ARRAY, array),
        IDENTIFIER if is_call(parser) => parser.node(CALL, |parser| {
            path(parser)?;
            argument_list(parser)
        }),
        IDENTIFIER => path(parser),
        UNTERMINATED_STRING => Err(Wrong::Expected("a closing `\"` on this line")),
        _ => Err(Wrong::Expected("a value")),
    }
}

/// Whether a parenthesis follows the path that begins here.
fn is_call(parser: &Parser<'_>) -> bool {
    let mut next = 1;
    while parser.nth(next) == DOT && parser.nth(next + 1) == IDENTIFIER {
        next += 2;
    }
    parser.nth(next) == LEFT_PARENTHESIS
}

fn array(parser: &mut Parser<'_>) -> Parsed {
    parser.bump();
    parser.enclosed(|parser| {
        while !matches!(parser.current(), RIGHT_BRACKET | END) {
            expression(parser)?;
            if !parser.eat(COMMA) {
                break;
            }
        }
        parser.expect(RIGHT_BRACKET, "`,` or `]`")
    })
}

/// Tells of the first escape that means nothing; the value then has it as it is written.
fn check_escapes(parser: &mut Parser<'_>) {
    let span = parser.current_span();
    let (_, unknown) = crate::ast::unescape(parser.text());
    let Some(at) = unknown else { return };
    let rest = &parser.text()[at..];
    let length = rest.chars().take(2).map(char::len_utf8).sum::<usize>();
    let place = diagnostics::Span::new(span.start + at, span.start + at + length);
    let (title, help) = if rest.starts_with(r"\u") {
        ("Invalid unicode escape sequence.", r"Write four hexadecimal digits behind `\u`.")
    } else {
        (
            r"Unknown escape sequence. If the value is a windows-style path, `\` must be escaped as `\\`.",
            r"Write `\\` for a backslash.",
        )
    };
    parser.report(place, title, "", help);
}
