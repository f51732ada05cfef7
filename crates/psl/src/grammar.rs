//! The grammar: one function for each piece of the language.
//!
//! A piece that is not there as it should be is `Err(Expected)`; the member (the line) that it belongs to
//! tells it once, gives up the rest of the line, and the next line is read as if nothing had been.

use crate::ast::BlockKind;
use crate::parser::{Expected, Parsed, Parser};
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
        if parser.current() == IDENTIFIER {
            parser.node(NAME, Parser::bump);
        } else {
            let title = "Error validating: This block is invalid. It has no name.";
            parser.report(keyword, title, "", "Write a name between the keyword and the brace.");
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
                _ => line(parser, kind),
            }
        }
    });
}

fn unclosed(parser: &mut Parser<'_>, keyword: diagnostics::Span) {
    let title = "Error validating: This block is not closed.";
    parser.report(keyword, title, "the block begins here", "Close the block with `}` on a line of its own.");
}

/// One line of a block, or several if parentheses or brackets hold them together.
fn line(parser: &mut Parser<'_>, kind: BlockKind) {
    let whole = parser.line_span();
    let parsed = member(parser, kind).and_then(|()| match parser.current() {
        NEWLINE | RIGHT_BRACE | END => Ok(()),
        _ => Err(Expected("the end of the line")),
    });
    if let Err(Expected(what)) = parsed {
        // A line end, or the brace that closes the block, is nothing that is wrong by itself.
        let ended = parser.at_line_end();
        let span = if ended { whole } else { parser.current_span() };
        parser.report(span, kind.bad_line(), format!("expected {what}"), "Correct the line, or delete it.");
        if !ended {
            parser.node(ERROR, Parser::bump);
            parser.skip_line();
        }
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
        return Err(Expected("a name"));
    }
    parser.node(NAME, Parser::bump);
    Ok(())
}

fn property(parser: &mut Parser<'_>) -> Parsed {
    name(parser)?;
    parser.expect(EQUALS, "`=`")?;
    expression(parser)
}

fn field_type(parser: &mut Parser<'_>) -> Parsed {
    if parser.current() != IDENTIFIER {
        return Err(Expected("a type"));
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
        UNTERMINATED_STRING => Err(Expected("a closing `\"` on this line")),
        _ => Err(Expected("a value")),
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

/// Tells of escapes that mean nothing; the value then has them as they are written.
fn check_escapes(parser: &mut Parser<'_>) {
    let span = parser.current_span();
    let (_, unknown) = crate::ast::unescape(parser.text());
    if let Some(at) = unknown {
        let place = diagnostics::Span::new(span.start + at, (span.start + at + 2).min(span.end));
        let title =
            r"Unknown escape sequence. If the value is a windows-style path, `\` must be escaped as `\\`.";
        parser.report(place, title, "", r"Write `\\` for a backslash.");
    }
}
