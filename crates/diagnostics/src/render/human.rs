//! Diagnostics for a person at a terminal.

use crate::{Diagnostic, Severity, Span, harmless};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// How a diagnostic is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// With terminal colours.
    pub colour: bool,
}

/// The widest piece of a statement that is shown around a place, in bytes before and after it.
const WINDOW: usize = 400;

/// Renders one diagnostic: the code and title, the place with its lines, the notes, the help.
/// Ends without a line break. What steers a terminal in the texts is shown: the colours are ours alone.
pub fn render(diagnostic: &Diagnostic, style: Style) -> String {
    let diagnostic = &without_steering(diagnostic);
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let mut title = level.primary_title(diagnostic.title.as_str());
    if let Some(code) = diagnostic.code {
        title = title.id(code.id);
    }
    let mut group = Group::with_title(title);
    let windows: Vec<Span> =
        diagnostic.labels.iter().map(|label| shown(label.source.text(), label.span, label.window)).collect();
    for (label, window) in diagnostic.labels.iter().zip(&windows) {
        let text = window.slice(label.source.text());
        let start = label.span.start.clamp(window.start, window.end) - window.start;
        let end = label.span.end.clamp(window.start + start, window.end) - window.start;
        let mut annotation = AnnotationKind::Primary.span(start..end);
        if !label.message.is_empty() {
            annotation = annotation.label(label.message.as_str());
        }
        let snippet = Snippet::source(text)
            .path(harmless(label.source.name()))
            .line_start(label.source.position(window.start).line)
            .annotation(annotation);
        group = group.element(snippet);
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if style.colour { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group]).trim_end().to_owned()
}

/// A finding whose texts steer no terminal. Places are those of the text as it is: what it is drawn with takes care of the text.
fn without_steering(diagnostic: &Diagnostic) -> Diagnostic {
    let clean = |text: &str| harmless(text).into_owned();
    let mut told = diagnostic.clone();
    told.title = clean(&told.title);
    told.notes.iter_mut().for_each(|note| *note = clean(note));
    told.help = told.help.as_deref().map(clean);
    told.labels.iter_mut().for_each(|label| label.message = clean(&label.message));
    told
}

/// The whole lines that are shown for a place: the window, cut around the place where it is long, so that
/// an error in a dump of ten thousand lines shows a statement and not the file.
fn shown(text: &str, span: Span, window: Option<Span>) -> Span {
    let wanted = window.unwrap_or(span);
    let start = wanted.start.max(span.start.saturating_sub(WINDOW)).min(span.start);
    let end = wanted.end.min(span.end.saturating_add(WINDOW)).max(span.start).min(text.len());
    let start = text[..floor(text, start)].rfind('\n').map_or(0, |at| at + 1);
    let end = floor(text, end);
    let end = text[end..].find('\n').map_or(text.len(), |at| end + at);
    // One line can be megabytes long: cut inside it then.
    let start = floor(text, start.max(span.start.saturating_sub(2 * WINDOW)));
    let end = floor(text, end.min(span.start.saturating_add(4 * WINDOW)));
    Span::new(start, end.max(start))
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, codes};

    #[test]
    fn a_place_is_shown_with_its_statement_and_the_way_out() {
        let source = Source::new("m/migration.sql", "CREATE TABLE a (id int);\nCREATE TABEL b (id int);\n");
        let diagnostic = Diagnostic::error("syntax error at or near \"TABEL\"")
            .code(&codes::P3018)
            .label(&source, Span::new(32, 37), "here")
            .note("SQLSTATE 42601")
            .help("correct the file, then `cutover migrate deploy`");
        let text = render(&diagnostic, Style { colour: false });
        assert_eq!(
            text,
            "error[P3018]: syntax error at or near \"TABEL\"\n \
              --> m/migration.sql:2:8\n  |\n\
              2 | CREATE TABEL b (id int);\n  |        ^^^^^ here\n  |\n  \
              = note: SQLSTATE 42601\n  \
              = help: correct the file, then `cutover migrate deploy`"
        );
    }

    #[test]
    fn nothing_but_our_colours_steers_a_terminal() {
        let source = Source::new("m\x1b[2J/migration.sql", "SELECT '\x1b[1A\u{202e}';\n");
        let diagnostic = Diagnostic::error("no \x1b[31mt")
            .label(&source, Span::new(0, 6), "\x1b[2K")
            .note("a\u{202e}b\nc")
            .help("\x1b]0;x\x07");
        let text = render(&diagnostic, Style { colour: false });
        assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text:?}");
        assert!(!text.contains('\u{202e}') && text.contains("no \u{fffd}[31mt"), "{text:?}");
    }

    #[test]
    fn a_place_in_one_enormous_line_shows_a_window() {
        let text = format!("INSERT INTO t VALUES {}", "(1),".repeat(100_000));
        let window = shown(&text, Span::new(200_000, 200_001), Some(Span::new(0, text.len())));
        assert!(window.len() <= 6 * WINDOW, "{window:?}");
        assert!(window.start <= 200_000 && 200_001 <= window.end);
    }
}
